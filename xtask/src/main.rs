//! What CI runs, and what a person would otherwise type: `cargo xtask TASK`.

mod bench;
mod firmware;
mod mutants;
mod setup;
mod soak;
mod step;
mod supply;
mod target;
mod test;
mod tidy;
mod web;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    /// Install what the tests, the firmware and the bench need; what is there already is left alone
    Setup,
    /// Everything CI runs: formatting, lints, documentation, guards, tests
    Test,
    /// What .ci/run calls: the same as `test`
    Ci,
    /// Guards of the project's habits alone (part of `test`)
    Tidy,
    /// Every order of events on tiny bridges: the core, checked exhaustively (part of `test`)
    Model {
        /// More bytes and more faults: minutes instead of seconds, and gigabytes of memory
        #[arg(long)]
        deep: bool,
    },
    /// The test of the tests: changes that break the core's promises, each of which must be caught
    Mutants(mutants::Options),
    /// Dependencies, the oldest compiler, and packages for others (part of `test`)
    Supply,
    /// Long runs: an hour and more in virtual time, and ten minutes of real sockets
    Soak(soak::Options),
    /// Every fault of a real network, with the rivals beside: a quarter of an hour, needs root
    Faults {
        /// Half a minute of it, as in CI, without the rivals that are not installed for the tests
        #[arg(long)]
        short: bool,
    },
    /// Build the firmware, run it in QEMU, measure and test it
    #[command(subcommand)]
    Firmware(firmware::Verb),
    /// Test the bridge in a browser
    #[command(subcommand)]
    Web(web::Verb),
    /// Compare uartbridge with its rivals and with what is possible, side by side
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let task = match Task::try_parse() {
        Ok(task) => task,
        Err(error) => return explain(&error),
    };
    let done = match task {
        Task::Setup => setup::everything(),
        Task::Test | Task::Ci => test::run(),
        Task::Tidy => tidy::run(),
        Task::Supply => supply::run(),
        Task::Model { deep } => test::model(deep),
        Task::Soak(options) => soak::run(&options),
        Task::Faults { short } => soak::faults(short),
        Task::Mutants(options) => mutants::run(&options),
        Task::Firmware(verb) => firmware::run(&verb),
        Task::Web(verb) => web::run(&verb),
        Task::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with the words on the command line; whoever does not know the tasks gets their list.
fn explain(error: &clap::Error) -> ExitCode {
    let lost = matches!(
        error.kind(),
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand | ErrorKind::UnknownArgument
    );
    if lost {
        eprintln!("{error}\n{}", Task::command().render_long_help());
    } else if error.print().is_err() {
        eprintln!("{error}");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
