//! The programs that are put between the line and the server.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Who carries the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The program under test, and options besides the two ends.
    Uartbridge(PathBuf, Vec<String>),
    /// What the tutorial's script does, as a program.
    Tutorial(PathBuf),
    /// socat, started again whenever it ends.
    Socat,
    /// ser2net, which calls the server and does so again after a second.
    Ser2net,
}

/// Where it runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What stands before the program: `nsenter --net …`.
    pub prefix: Vec<String>,
    /// For its files.
    pub folder: PathBuf,
    /// Where it writes its log, if not in that folder.
    pub log: Option<PathBuf>,
    /// Its environment, besides ours.
    pub environment: Vec<(String, String)>,
}

/// A program that runs, with whatever it has started.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) log: PathBuf,
}

impl Subject {
    /// What tables call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Uartbridge(..) => "uartbridge",
            Self::Tutorial(_) => "tutorial",
            Self::Socat => "socat",
            Self::Ser2net => "ser2net",
        }
    }

    pub(super) fn start(&self, place: &Place, tty: &Path, server: SocketAddr) -> Result<Running, String> {
        let mut words = place.prefix.clone();
        words.extend(self.words(place, tty, server)?);
        let log = place.log.clone().unwrap_or_else(|| place.folder.join(format!("{}.log", self.name())));
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(place.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).process_group(0);
        let child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        Ok(Running { child, log })
    }

    fn words(&self, place: &Place, tty: &Path, server: SocketAddr) -> Result<Vec<String>, String> {
        let tty = tty.display();
        Ok(match self {
            Self::Uartbridge(program, options) => {
                let mut words = vec![program.display().to_string(), format!("serial://{tty}")];
                words.extend([format!("tcp://{server}"), "--log-format=json".into()]);
                words.extend(options.iter().cloned());
                words
            }
            Self::Tutorial(program) => {
                vec![program.display().to_string(), tty.to_string(), server.to_string()]
            }
            Self::Socat => {
                let line = format!(
                    "while :; do socat TCP:{server},forever,interval=1 FILE:{tty},b115200,rawer; sleep 0.1; done"
                );
                vec!["sh".into(), "-c".into(), line]
            }
            Self::Ser2net => {
                let file = place.folder.join("ser2net.yaml");
                let text = format!(
                    "connection: &c\n  accepter: conacc(retry-time=1000),serialdev,{tty},115200n81,local\n  \
                     connector: tcp,{},{}\n",
                    server.ip(),
                    server.port()
                );
                std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
                vec!["ser2net".into(), "-n".into(), "-c".into(), file.display().to_string()]
            }
        })
    }
}

impl Running {
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// To the program alone.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.pid(), signal).map_err(|error| format!("signal: {error}"))
    }

    /// To the program and whatever it has started.
    pub(super) fn signal_all(&self, signal: Signal) -> Result<(), String> {
        kill_process_group(self.pid(), signal).map_err(|error| format!("signal: {error}"))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<String>, String> {
        let status = self.child.try_wait().map_err(|error| error.to_string())?;
        Ok(status.map(|status| status.to_string()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, or ended now.
        let _ = self.signal_all(Signal::KILL);
        let _ = self.child.wait();
    }
}
