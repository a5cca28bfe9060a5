//! The program as a process: what it says on standard error, what it tells its service manager, how it ends.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::event::PollFlags;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::live::Interest;
use crate::world::Observed;

/// How much of what it said is shown when a scenario fails.
const HISTORY: usize = 16;
/// The exit code of a program that could not deliver everything, or wants to be restarted (sysexits.h, EX_TEMPFAIL).
const TEMPORARY: i32 = 75;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: Pid,
    ended: OwnedFd,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
    /// How much of that the world has been told.
    told: usize,
    manager: UnixDatagram,
    ready: bool,
    status: String,
    resets: OwnedFd,
    asked_to_end: bool,
    exited: bool,
}

/// Where the program is, after building it; `UARTBRIDGE_PROGRAM` names another.
///
/// # Errors
/// It cannot be built.
pub fn build() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("UARTBRIDGE_PROGRAM") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // Tests lie in a folder of their own beside the programs.
    let folder = own.parent().filter(|folder| !folder.ends_with("deps")).or(own.ancestors().nth(2));
    let profile = folder.ok_or("a test that stands nowhere")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "uartbridge"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    match cargo.status() {
        Ok(status) if status.success() => Ok(profile.join("uartbridge")),
        Ok(status) => Err(format!("cargo build --package uartbridge: {status}")),
        Err(error) => Err(format!("cargo build --package uartbridge: {error}")),
    }
}

impl Process {
    /// Starts `program`; its sockets go into `folder`.
    pub(super) fn start(program: &Path, folder: &Path, arguments: &[String]) -> Result<Self, String> {
        let failed = |what: &str, error: &dyn core::fmt::Display| format!("{what}: {error}");
        let notify = folder.join("notify");
        let manager = UnixDatagram::bind(&notify).map_err(|error| failed("notify socket", &error))?;
        manager.set_nonblocking(true).map_err(|error| failed("notify socket", &error))?;
        let resets = fifo(&folder.join("resets")).map_err(|error| failed("FIFO", &error))?;
        let mut command = Command::new(program);
        command.args(arguments).args(["--watchdog", "--log-format=json", "--log-level=debug"]);
        if arguments.iter().any(|argument| argument.starts_with("--reset-after")) {
            command.arg(format!("--reset-command=echo >{}", folder.join("resets").display()));
        }
        command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "9000000").env_remove("WATCHDOG_PID");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&program.to_string_lossy(), &error))?;
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed("pidfd_open", &error))?;
        let stderr = child.stderr.take();
        if let Some(stderr) = &stderr {
            rustix::io::ioctl_fionbio(stderr, true).map_err(|error| failed("standard error", &error))?;
        }
        Ok(Self {
            child,
            pid,
            ended,
            stderr,
            said: Vec::new(),
            told: 0,
            manager,
            ready: false,
            status: String::new(),
            resets,
            asked_to_end: false,
            exited: false,
        })
    }

    pub(super) fn interests(&self) -> Vec<Interest<'_>> {
        let stderr = self.stderr.iter().map(|stderr| (stderr.as_fd(), PollFlags::IN));
        let ended = (!self.exited).then_some((self.ended.as_fd(), PollFlags::IN));
        let others = [(self.manager.as_fd(), PollFlags::IN), (self.resets.as_fd(), PollFlags::IN)];
        stderr.chain(ended).chain(others).collect()
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> Result<(), String> {
        self.hear_manager(observed)?;
        let mut buffer = [0; 4096];
        while let Ok(n) = rustix::io::read(&self.resets, &mut buffer) {
            observed.radio_resets += n as u64;
        }
        self.hear_stderr()?;
        if !self.exited
            && let Some(status) = self.child.try_wait().map_err(|error| error.to_string())?
        {
            self.exited = true;
            self.hear_stderr()?;
            self.status.clear();
            let by_itself = !self.asked_to_end && status.code() == Some(TEMPORARY);
            observed.restarts += u64::from(by_itself);
            observed.finished =
                Some(if status.success() { Ok(()) } else { Err(format!("the program ended: {status}")) });
        }
        observed.said += &String::from_utf8_lossy(&self.said[self.told..]);
        self.told = self.said.len();
        Ok(())
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// The port to which it says it is connected.
    pub(super) fn connected_port(&self) -> Option<u16> {
        let mut words = self.status.strip_prefix("connected to ")?.split(' ');
        words.find(|word| word.contains("://"))?.rsplit(':').next()?.parse().ok()
    }

    pub(super) fn terminate(&mut self) -> Result<(), String> {
        self.asked_to_end = true;
        self.signal(Signal::TERM)
    }

    pub(super) fn freeze(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Asks for the counters; how many reports there were before.
    pub(super) fn ask_counters(&mut self) -> Result<usize, String> {
        let before = self.reports().count();
        if self.exited {
            return Ok(before.saturating_sub(1));
        }
        self.signal(Signal::USR1).map(|()| before)
    }

    /// The first report after so many.
    pub(super) fn counters(&self, before: usize) -> Option<&str> {
        self.reports().nth(before)
    }

    pub(super) fn history(&self) -> String {
        let said = String::from_utf8_lossy(&self.said);
        let lines: Vec<_> = said.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(HISTORY)).map(|line| format!("\n    {line}")).collect()
    }

    fn reports(&self) -> impl Iterator<Item = &str> {
        let lines = self.said.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        lines.filter_map(|line| core::str::from_utf8(line).ok()).filter(|line| line.contains("\"uart_rx\":"))
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        if self.exited {
            return Err("the program has ended".into());
        }
        kill_process(self.pid, signal).map_err(|error| format!("signal: {error}"))
    }

    fn hear_manager(&mut self, observed: &mut Observed) -> Result<(), String> {
        let mut buffer = [0; 4096];
        loop {
            match self.manager.recv(&mut buffer) {
                Ok(n) => {
                    for line in String::from_utf8_lossy(&buffer[..n]).lines() {
                        match line.split_once('=') {
                            Some(("READY", _)) => self.ready = true,
                            Some(("STATUS", status)) => self.status = status.to_owned(),
                            Some(("WATCHDOG", _)) => observed.watchdog_fed = Some(observed.now),
                            Some(_) | None => {}
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(format!("notify socket: {error}")),
            }
        }
    }

    fn hear_stderr(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut buffer) {
                Ok(0) => self.stderr = None,
                Ok(n) => self.said.extend(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("standard error: {error}")),
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, or ended now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number that the report in `line` gives for a counter.
pub(crate) fn counter(line: &str, name: &str) -> Option<u64> {
    let field = match name {
        "overrun" => "overruns".to_owned(),
        "framing" => "framing_errors".to_owned(),
        _ => name.replace('-', "_"),
    };
    let (_, rest) = line.split_once(&format!("\"{field}\":"))?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

/// A FIFO, open in a way that never waits and never ends.
fn fifo(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
}
