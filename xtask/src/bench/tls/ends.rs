//! TLS clients that are compared, and the server that all of them connect to.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::program::{Pair, Program, write};
use crate::setup;
use crate::step;

/// A relay between a serial port and a TLS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Ours.
    Uartbridge,
    /// socat's OPENSSL address.
    Socat,
    /// stunnel, which has no serial ports, behind a plain socat.
    Stunnel,
}

/// The files that the server and the clients need.
const CERTS: &str = "certs";

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Uartbridge, Self::Socat, Self::Stunnel];

    /// As in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uartbridge => "uartbridge",
            Self::Socat => "socat",
            Self::Stunnel => "stunnel and socat",
        }
    }

    /// The program itself.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn path(self) -> Result<PathBuf> {
        match self {
            Self::Uartbridge => Program::Uartbridge.path(),
            Self::Socat => tool("socat"),
            Self::Stunnel => tool("stunnel"),
        }
    }

    /// Its own words for the report.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn version(self) -> Result<String> {
        match self {
            Self::Uartbridge => Program::Uartbridge.version(),
            Self::Socat => Program::Socat.version(),
            Self::Stunnel => {
                let output = Command::new(self.path()?).arg("-version").output()?;
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let version = text.lines().find_map(|line| line.strip_prefix("stunnel "));
                let version = version.and_then(|line| line.split(' ').next()).context("says no version")?;
                Ok(format!("stunnel {version}"))
            }
        }
    }

    /// The commands that relay `pairs` to the TLS servers on their ports; one of ours for all of them.
    ///
    /// # Errors
    /// The program is not there, or a file cannot be written.
    pub(crate) fn commands(self, pairs: &[Pair], dir: &Path) -> Result<Vec<Command>> {
        let ca = dir.join(CERTS).join("ca.pem");
        let ca = ca.display();
        let mut commands = Vec::new();
        match self {
            Self::Uartbridge => {
                let mut command = Command::new(self.path()?);
                let bridges = pairs.iter().map(|Pair { tty, tcp }| {
                    format!(
                        "[[bridge]]\nuart = \"serial://{tty}\"\nnet = \"tls://127.0.0.1:{tcp}?ca={ca}\"\n\n"
                    )
                });
                let file = write(dir, "uartbridge.toml", &bridges.collect::<String>())?;
                command.arg("run").arg(file).args(["--log-level", "warn"]);
                commands.push(command);
            }
            Self::Socat => {
                for Pair { tty, tcp } in pairs {
                    let mut command = Command::new(self.path()?);
                    command.arg(format!("{tty},raw,echo=0"));
                    command.arg(format!("OPENSSL:127.0.0.1:{tcp},cafile={ca},commonname=localhost,nodelay"));
                    commands.push(command);
                }
            }
            Self::Stunnel => {
                let plain = free_ports(pairs.len())?;
                let mut text = String::from(STUNNEL);
                for (port, Pair { tty, tcp }) in plain.iter().zip(pairs) {
                    text += &format!(
                        "[c{tcp}]\nclient = yes\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{tcp}\nCAfile = {ca}\nverifyChain = yes\n"
                    );
                    let mut command = Command::new(tool("socat")?);
                    command.arg(format!("{tty},raw,echo=0"));
                    command.arg(format!("TCP:127.0.0.1:{port},nodelay,retry=200,interval=0.05"));
                    commands.push(command);
                }
                let mut command = Command::new(self.path()?);
                command.arg(write(dir, "client.conf", &text)?);
                commands.insert(0, command);
            }
        }
        Ok(commands)
    }
}

/// stunnel in front of the bench's own sockets: one for all clients, so that they differ in nothing else.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Makes certificates in `dir` and starts a server for each pair, which hands plaintext on to the pair's port. Gives
    /// the pairs with the servers' ports instead.
    ///
    /// # Errors
    /// stunnel does not start.
    pub(crate) fn start(pairs: &[Pair], dir: &Path, options: &str) -> Result<(Self, Vec<Pair>)> {
        let certs = dir.join(CERTS);
        if !certs.exists() {
            step::output(Command::new(Program::Uartbridge.path()?).arg("certs").arg(&certs))?;
        }
        let ports = free_ports(pairs.len())?;
        let (cert, key) = (certs.join("server.pem"), certs.join("server.key"));
        let mut text = format!("{STUNNEL}cert = {}\nkey = {}\n{options}", cert.display(), key.display());
        for (port, pair) in ports.iter().zip(pairs) {
            text += &format!("[s{port}]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{}\n", pair.tcp);
        }
        let log = dir.join("server.log");
        let child = Command::new(tool("stunnel")?)
            .arg(write(dir, "server.conf", &text)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let server = Self { child };
        let deadline = Instant::now() + Duration::from_secs(10);
        // It says so once it listens everywhere; a try to connect would reach the bench.
        while !std::fs::read_to_string(&log)?.contains("Configuration successful") {
            if Instant::now() > deadline {
                bail!("the TLS server does not start: see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let moved = pairs.iter().zip(ports).map(|(pair, tcp)| Pair { tty: pair.tty.clone(), tcp });
        Ok((server, moved.collect()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error here means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the foreground, without a file of its process number; at level 5 it says when it listens.
const STUNNEL: &str =
    "foreground = yes\npid =\nsyslog = no\ndebug = 5\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n";

fn tool(name: &str) -> Result<PathBuf> {
    setup::find(name).with_context(|| format!("no {name}: cargo xtask setup"))
}

/// Ports that nobody listens on now.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
