//! The command line: from words to bridges that can run, or to an error that says what to write instead.

mod args;
mod claims;
mod file;
mod logging;
mod names;
mod options;
mod process;
mod serve;
mod settings;
mod values;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use uartbridge::endpoint::pair;
use uartbridge::spec::BridgeSpec;

use crate::program;
use args::{Cli, Command};
use file::BadFile;
use options::Options;
use process::Process;
use values::{LogFormat, LogLevel};

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if cli.command.is_some() && !cli.is_bare() {
        return refuse(&usage(
            "a command takes no ends and no options of a bridge; in a file, they are keys",
        ));
    }
    match &cli.command {
        Some(Command::Run { file }) => run(file, cli.process),
        Some(Command::Check { file }) => check(file),
        Some(Command::Certs(certs)) => match certs.wanted() {
            Ok(wanted) => program::certs(&wanted),
            Err(problem) => refuse(&usage(&problem)),
        },
        Some(Command::Serve(_)) => serve(cli),
        Some(Command::Replay(replay)) => program::replay(&replay.wanted()),
        Some(Command::Demo(demo)) => show_demo(demo, cli.process),
        None if cli.is_bare() => show_demo(&args::Demo::default(), cli.process),
        None => {
            let process = cli.process;
            match bridge(cli) {
                Ok(spec) => start(vec![spec], process),
                Err(problem) => refuse(&usage(&problem)),
            }
        }
    }
}

/// Exit codes of sysexits.h, for what is wrong before a bridge runs.
mod exit {
    pub(super) const USAGE: u8 = 64;
    pub(super) const NO_INPUT: u8 = 66;
    pub(super) const CONFIG: u8 = 78;
}

impl Cli {
    /// Neither ends nor options: whoever types the program's name alone wants to see it work.
    fn is_bare(&self) -> bool {
        self.uart.is_none()
            && self.net.is_none()
            && self.peers.is_empty()
            && self.options == Options::default()
    }
}

/// The one bridge that the command line describes.
fn bridge(cli: Cli) -> Result<BridgeSpec, String> {
    let Some(uart) = cli.uart else {
        return Err("both ends are missing; for example uartbridge /dev/ttyUSB0 192.0.2.1:4000".to_owned());
    };
    if let Some(hint) = meant_command(&uart) {
        return Err(hint);
    }
    let net: Vec<String> = cli.net.into_iter().chain(cli.peers).collect();
    let (uart, peers) = pair(&uart, &net).map_err(|error| error.to_string())?;
    let name = cli.options.name.clone().unwrap_or_else(|| names::of(&uart));
    names::check(&name).map_err(|problem| format!("--name: {problem}"))?;
    settings::spec(cli.options, name, uart, peers).map_err(|fault| fault.to_string())
}

/// What to say of a word that is no end, but nearly a command.
fn meant_command(word: &str) -> Option<String> {
    if word == "help" {
        return Some("\"help\": no command; write --help".to_owned());
    }
    let near = |command: &&str| names::distance(word, command) <= command.len() / 3;
    let command = ["demo", "run", "check", "certs", "serve", "replay"].into_iter().find(near)?;
    Some(format!("{word:?}: no command; did you mean {command}?"))
}

fn serve(cli: Cli) -> ExitCode {
    let process = cli.process;
    let Some(Command::Serve(serve)) = cli.command else {
        return ExitCode::from(exit::USAGE);
    };
    let wanted = match serve.wanted() {
        Ok(wanted) => wanted,
        Err(problem) => return refuse(&usage(&problem)),
    };
    let _flush = log(process);
    program::serve(wanted, process.watchdog.unwrap_or(false))
}

fn run(file: &Path, process: Process) -> ExitCode {
    match file::load(file) {
        Ok(file) => start(file.bridges, process.or(file.process)),
        Err(bad) => report(&bad),
    }
}

fn check(file: &Path) -> ExitCode {
    match file::load(file) {
        Ok(found) => {
            let bridges = found.bridges.len();
            println!(
                "{}: {bridges} bridge{}, no problems",
                file.display(),
                if bridges == 1 { "" } else { "s" }
            );
            ExitCode::SUCCESS
        }
        Err(bad) => report(&bad),
    }
}

fn report(bad: &BadFile) -> ExitCode {
    eprintln!("{bad}");
    ExitCode::from(match bad {
        BadFile::Unreadable(_) => exit::NO_INPUT,
        BadFile::Wrong(_) => exit::CONFIG,
    })
}

fn start(specs: Vec<BridgeSpec>, process: Process) -> ExitCode {
    let _flush = log(process);
    program::bridges(specs, process.watchdog.unwrap_or(false))
}

fn log(process: Process) -> logging::Flush {
    logging::start(process.log_level.unwrap_or(LogLevel::Info), process.log_format.unwrap_or(LogFormat::Text))
}

fn show_demo(demo: &args::Demo, process: Process) -> ExitCode {
    // The demo itself says what happens; what it says twice is only noise.
    let _flush = logging::start(
        process.log_level.unwrap_or(LogLevel::Error),
        process.log_format.unwrap_or(LogFormat::Text),
    );
    program::demo(program::Demo { lines: demo.lines, exit: demo.exit, web: !demo.no_web })
}

/// A mistake that clap cannot know of, told in its way.
fn usage(problem: &str) -> clap::Error {
    clap::Error::raw(
        ErrorKind::ValueValidation,
        format!("{problem}\n\nFor more information, try '--help'.\n"),
    )
}

/// Prints what clap has to say: help and version are no errors, anything else is one of usage.
fn refuse(error: &clap::Error) -> ExitCode {
    // Whoever has closed the output does not want to read this.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_written_wrong_is_told_from_an_end() {
        for (word, command) in [
            ("runn", "run"),
            ("chek", "check"),
            ("dem", "demo"),
            ("cert", "certs"),
            ("server", "serve"),
            ("repaly", "replay"),
            ("help", "--help"),
        ] {
            assert!(meant_command(word).is_some_and(|hint| hint.contains(command)), "{word}");
        }
        for end in ["-", "pty:", "a:1", "/dev/ttyS0", "ttyS0", "com1"] {
            assert_eq!(meant_command(end), None);
        }
    }
}
