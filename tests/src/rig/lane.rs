//! One program, with its line and its server.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::line::Line;
use super::server::Server;
use super::subject::{Place, Running, Subject};
use crate::follow::Follow;
use crate::program::counter;
use crate::trail::Trail;

/// See the module.
#[derive(Debug)]
pub struct Lane {
    /// Ends before its line does: nobody is to find what the system makes in its place.
    running: Running,
    /// Who carries the bytes.
    pub subject: Subject,
    /// The device.
    pub line: Line,
    /// The server.
    pub server: Server,
    /// What has come up.
    pub up: Follow,
    /// What has come down.
    pub down: Follow,
    /// When the fault was over, and what had come up by then.
    mark: Option<(Instant, u64)>,
    recovery: Option<Duration>,
    longest: Duration,
}

/// What the program under test counts by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Read from the UART.
    pub uart_rx: u64,
    /// Written to it.
    pub uart_tx: u64,
    /// Read from the server.
    pub sock_rx: u64,
    /// Sent again.
    pub replayed: u64,
    /// Held for the server.
    pub up_held: u64,
    /// Held for the device.
    pub down_held: u64,
}

impl Lane {
    /// Starts `subject`; the server is at `address`, and both sides talk at `rate` bytes a second.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new(subject: Subject, place: &Place, address: SocketAddr, rate: u64) -> Result<Self, String> {
        let tty = place.folder.join(format!("{}-{}", subject.name(), address.port()));
        let line = Line::new(&tty, rate).map_err(|error| format!("cannot make a pty: {error}"))?;
        let server = Server::new(address, rate).map_err(|error| format!("{address}: {error}"))?;
        let running = subject.start(place, &tty, address)?;
        let (up, down) = (Follow::new(Trail::up()), Follow::new(Trail::down()));
        Ok(Self {
            subject,
            line,
            server,
            up,
            down,
            running,
            mark: None,
            recovery: None,
            longest: Duration::ZERO,
        })
    }

    /// Whether it is the program under test.
    pub const fn is_ours(&self) -> bool {
        matches!(self.subject, Subject::Uartbridge(..))
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.running.pid()
    }

    /// Stops it, or lets it go on, with whatever it has started.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        self.running.signal_all(signal)
    }

    /// The server resets its connections.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn reset(&mut self) -> Result<(), String> {
        self.server.reset(&mut self.up).map_err(|error| format!("reset: {error}"))
    }

    /// The fault is over now.
    pub fn mark(&mut self) {
        (self.mark, self.recovery) = (Some((Instant::now(), self.up.reached())), None);
    }

    /// How long it took until something new came up, if it has.
    pub const fn recovery(&self) -> Option<Duration> {
        self.recovery
    }

    /// How long it took after the worst of all faults; none if nothing has come since the last.
    pub fn worst(&self) -> Option<Duration> {
        self.recovery.map(|_| self.longest)
    }

    /// Whether everything that the device has said has come up, or something later.
    pub const fn is_up(&self) -> bool {
        self.up.reached() >= self.line.source.sent
    }

    pub(super) fn turn(&mut self, now: Instant) -> Result<(), String> {
        let name = self.subject.name();
        self.line.turn(now, &mut self.down).map_err(|error| format!("{name}: the pty: {error}"))?;
        self.server.turn(now, &mut self.up).map_err(|error| format!("{name}: the server: {error}"))?;
        if let Some((at, reached)) = self.mark
            && self.recovery.is_none()
            && self.up.reached() > reached
        {
            let recovery = now.duration_since(at);
            (self.recovery, self.longest) = (Some(recovery), self.longest.max(recovery));
        }
        match self.running.ended()? {
            Some(status) if self.is_ours() => Err(format!("{name} ended: {status}\n{}", self.said())),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.line.fd().into_iter().chain(self.server.fds())
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.line.end(&mut self.down);
        self.server.end(&mut self.up);
    }

    /// Asks the program under test for its counters; [`Self::counters`] has them once more lines than these are there.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn ask(&self) -> Result<usize, String> {
        let before = self.reports().len();
        self.running.signal(Signal::USR1).map(|()| before)
    }

    /// The counters, once the program has answered to [`Self::ask`].
    pub(super) fn counters(&self, before: usize) -> Option<Counters> {
        let reports = self.reports();
        let line = reports.get(before)?;
        let get = |name| counter(line, name).unwrap_or_default();
        Some(Counters {
            uart_rx: get("uart-rx"),
            uart_tx: get("uart-tx"),
            sock_rx: get("sock-rx"),
            replayed: get("replayed"),
            up_held: get("up-held"),
            down_held: get("down-held"),
        })
    }

    /// The end of its log.
    pub fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.running.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(16)..].join("\n")
    }

    fn reports(&self) -> Vec<String> {
        let log = std::fs::read(&self.running.log).unwrap_or_default();
        let lines = log.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
        lines.filter(|line| line.contains("\"uart_rx\":")).collect()
    }
}
