//! The programs that are compared: how each is started, and who connects to whom.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::tls::Client;
use crate::setup;
use crate::step::{self, cargo};

/// A relay between serial ports and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    /// The least that any relay can do: `src/bin/limit.rs`.
    Limit,
    /// The limit once more, as if it were another program: its ratio to the limit shows what a ratio is worth.
    Again,
    /// Ours.
    Uartbridge,
    /// socat, with the options that people use for this.
    Socat,
    /// ser2net with its default settings: among them `chardelay`, which waits at least 1 ms before it sends.
    Ser2net,
    /// A TLS client; only the part about TLS has them.
    #[value(skip)]
    Tls(Client),
}

/// A pair to be relayed.
pub(super) struct Pair {
    /// The path of the serial port.
    pub(super) tty: String,
    /// A TCP port on 127.0.0.1: where the bench listens, or where the program is to listen.
    pub(super) tcp: u16,
}

/// Builds what is ours, checks what is not, and returns `wanted` (or all) in the order of the report, the limit first.
///
/// # Errors
/// The limit cannot be built. A program of which that is true otherwise fails when it is started, and is reported.
pub(super) fn prepare(wanted: &[Program]) -> Result<Vec<Program>> {
    let list: Vec<_> = Program::value_variants()
        .iter()
        .copied()
        .filter(|&program| wanted.is_empty() || wanted.contains(&program) || program == Program::Limit)
        .collect();
    step::run(&mut cargo(&["build", "--release", "--package", "xtask", "--bin", "limit"]))?;
    if list.contains(&Program::Uartbridge) {
        step::run(&mut cargo(&["build", "--release", "--package", "uartbridge", "--bin", "uartbridge"]))?;
    }
    Ok(list)
}

impl Program {
    /// As in the tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Again => "limit again",
            Self::Uartbridge => "uartbridge",
            Self::Socat => "socat",
            Self::Ser2net => "ser2net",
            Self::Tls(client) => client.name(),
        }
    }

    /// What the program says of itself, for the report.
    ///
    /// # Errors
    /// The program cannot be run.
    pub(super) fn version(self) -> Result<String> {
        let (flag, line) = match self {
            Self::Limit | Self::Again => return Ok(format!("{} (`xtask/src/bin/limit.rs`)", self.name())),
            Self::Uartbridge => ("--version", 0),
            Self::Socat => ("-V", 1),
            Self::Ser2net => ("-v", 0),
            Self::Tls(client) => return client.version(),
        };
        let output = Command::new(self.path()?).arg(flag).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().nth(line).unwrap_or_default();
        let version = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Ok(format!("{} {}", self.name(), version.context("says no version")?))
    }

    /// Whether the bench connects to the program; otherwise the program connects to the bench.
    pub(super) fn listens(self) -> bool {
        match self {
            Self::Ser2net => true,
            Self::Limit | Self::Again | Self::Uartbridge | Self::Socat | Self::Tls(_) => false,
        }
    }

    /// Whether one process relays many ports.
    pub(super) fn many_ports(self) -> bool {
        match self {
            Self::Limit | Self::Again | Self::Uartbridge | Self::Ser2net => true,
            Self::Socat | Self::Tls(_) => false,
        }
    }

    /// The commands that relay `pairs`, one a process; files they need go to `dir`.
    ///
    /// # Errors
    /// The program is not there, or a file cannot be written.
    pub(super) fn commands(self, pairs: &[Pair], dir: &Path) -> Result<Vec<Command>> {
        let start = || self.path().map(Command::new);
        let mut command = start()?;
        match (self, pairs) {
            (Self::Limit | Self::Again, pairs) => {
                for Pair { tty, tcp } in pairs {
                    command.arg(tty).arg(format!("127.0.0.1:{tcp}"));
                }
            }
            (Self::Uartbridge, [Pair { tty, tcp }]) => {
                command.args([format!("serial://{tty}"), format!("tcp://127.0.0.1:{tcp}")]);
                command.args(["--log-level", "warn"]);
            }
            (Self::Uartbridge, pairs) => {
                command.arg("run").arg(write(dir, "uartbridge.toml", &uartbridge_toml(pairs))?);
                command.args(["--log-level", "warn"]);
            }
            (Self::Socat, pairs) => {
                let one = |Pair { tty, tcp }: &Pair| -> Result<Command> {
                    let mut command = start()?;
                    command.args([format!("{tty},raw,echo=0"), format!("TCP:127.0.0.1:{tcp},nodelay")]);
                    Ok(command)
                };
                return pairs.iter().map(one).collect();
            }
            (Self::Tls(client), pairs) => return client.commands(pairs, dir),
            (Self::Ser2net, pairs) => {
                command.args(["-n", "-c"]).arg(write(dir, "ser2net.yaml", &ser2net_yaml(pairs))?);
            }
        }
        Ok(vec![command])
    }

    /// The program itself.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn path(self) -> Result<PathBuf> {
        match self {
            Self::Limit | Self::Again => Ok(step::target_dir()?.join("release").join(Self::Limit.name())),
            Self::Uartbridge => Ok(step::target_dir()?.join("release").join(self.name())),
            Self::Tls(client) => client.path(),
            Self::Socat | Self::Ser2net => {
                setup::find(self.name()).with_context(|| format!("no {}: cargo xtask setup", self.name()))
            }
        }
    }
}

fn uartbridge_toml(pairs: &[Pair]) -> String {
    let mut text = String::new();
    for Pair { tty, tcp } in pairs {
        let _ = write!(text, "[[bridge]]\nuart = \"serial://{tty}\"\nnet = \"tcp://127.0.0.1:{tcp}\"\n\n");
    }
    text
}

fn ser2net_yaml(pairs: &[Pair]) -> String {
    let mut text = String::from("%YAML 1.1\n---\n");
    for Pair { tty, tcp } in pairs {
        let _ = write!(
            text,
            "connection: &c{tcp}\n  accepter: tcp(nodelay),127.0.0.1,{tcp}\n  connector: serialdev,{tty},115200n81,local\n"
        );
    }
    text
}

pub(super) fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
