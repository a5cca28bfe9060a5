//! The device: the master side of a pty, whose slave the program opens as its serial port through a link; or the other
//! end of a socket that is a board's UART.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

use super::live::Interest;
use crate::records::Records;
use crate::scenario::{DeviceAct, Payload};
use crate::world::Observed;

/// A flood keeps so many bytes queued.
const FLOOD: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Device {
    line: Line,
    queue: VecDeque<u8>,
    records: Records,
    floods: bool,
    reads: bool,
    pace: Option<Pace>,
}

/// What a line that is faster than its baud rate may still take.
#[derive(Debug)]
struct Pace {
    /// Bytes a second.
    rate: u32,
    since: Duration,
    left: usize,
}

/// What it is connected by.
#[derive(Debug)]
enum Line {
    /// The link, and what it leads to while the device is plugged in.
    Pty(PathBuf, Option<Pty>),
    /// None before the board runs.
    Socket(Option<UnixStream>),
}

#[derive(Debug)]
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    /// Kept open: without any slave the master knows nothing but errors.
    _slave: OwnedFd,
}

impl Device {
    /// A pty that is plugged in at `link`.
    pub(crate) fn new(link: PathBuf) -> io::Result<Self> {
        let pty = Pty::new(&link)?;
        Ok(Self::on(Line::Pty(link, Some(pty))))
    }

    /// One whose line is still to come: [`Device::plug`].
    /// Ten bits a byte.
    pub(crate) fn of_a_board(baud: u32) -> Self {
        let mut device = Self::on(Line::Socket(None));
        device.pace = Some(Pace { rate: baud / 10, since: Duration::ZERO, left: 0 });
        device
    }

    /// Its line is this socket.
    pub(crate) fn plug(&mut self, uart: UnixStream) -> io::Result<()> {
        uart.set_nonblocking(true)?;
        self.line = Line::Socket(Some(uart));
        Ok(())
    }

    fn on(line: Line) -> Self {
        Self { line, queue: VecDeque::new(), records: Records::up(), floods: false, reads: true, pace: None }
    }

    pub(crate) fn interests(&self) -> Vec<Interest<'_>> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.reads);
        // A line with a pace is looked at from time to time.
        flags.set(PollFlags::OUT, self.pace.is_none() && (!self.queue.is_empty() || self.floods));
        self.line.fd().into_iter().filter(|_| !flags.is_empty()).map(|fd| (fd, flags)).collect()
    }

    pub(crate) fn act(&mut self, act: &DeviceAct, observed: &mut Observed) -> io::Result<()> {
        match act {
            DeviceAct::Sends(Payload::Bytes(bytes)) => self.send(bytes, observed),
            DeviceAct::Sends(Payload::Records(bytes)) => {
                let records = self.records.take(*bytes);
                self.send(&records, observed);
            }
            DeviceAct::Floods => self.floods = true,
            DeviceAct::StopsSending => self.floods = false,
            DeviceAct::Stalls => self.reads = false,
            DeviceAct::ReadsAgain => self.reads = true,
            DeviceAct::Unplugged => {
                // What has come to the device before is with the device.
                self.turn(observed)?;
                self.line.plug(false)?;
            }
            DeviceAct::Plugged => self.line.plug(true)?,
            DeviceAct::LineError => return Err(io::Error::other("this line has no errors")),
        }
        Ok(())
    }

    pub(crate) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        if self.floods && self.queue.len() < FLOOD {
            let records = self.records.take(FLOOD);
            self.send(&records, observed);
        }
        if let Some(fd) = self.line.fd() {
            match &mut self.pace {
                None => write(fd, &mut self.queue, usize::MAX).map(drop)?,
                Some(pace) => {
                    let may = pace.may(observed.now);
                    pace.left = may - write(fd, &mut self.queue, may)?;
                }
            }
            if self.reads {
                read(fd, &mut observed.device_got)?;
            }
        }
        observed.device_queue.note(observed.now, self.queue.len());
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], observed: &mut Observed) {
        observed.device_sent.extend(bytes);
        self.queue.extend(bytes);
    }
}

impl Pace {
    /// How much may go at `now`: what half a second takes, at most.
    fn may(&mut self, now: Duration) -> usize {
        let fresh = now.saturating_sub(self.since).as_micros() * u128::from(self.rate) / 1_000_000;
        // What is less than a byte is kept for the next time.
        if fresh > 0 {
            self.since = now;
        }
        let most = (self.rate / 2).max(1) as usize;
        self.left.saturating_add(usize::try_from(fresh).unwrap_or(most)).min(most)
    }
}

impl Line {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pty(_, pty) => pty.as_ref().map(|pty| pty.master.as_fd()),
            Self::Socket(uart) => uart.as_ref().map(AsFd::as_fd),
        }
    }

    fn plug(&mut self, plugged: bool) -> io::Result<()> {
        match self {
            Self::Pty(link, pty) if plugged => *pty = Some(Pty::new(link)?),
            Self::Pty(link, pty) => {
                std::fs::remove_file(link)?;
                *pty = None;
            }
            Self::Socket(_) => return Err(io::Error::other("a board's UART has no plug")),
        }
        Ok(())
    }
}

/// Writes at most `may` bytes; how many it was.
pub(super) fn write(line: BorrowedFd<'_>, queue: &mut VecDeque<u8>, may: usize) -> io::Result<usize> {
    let mut written = 0;
    while !queue.is_empty() && written < may {
        let front = queue.as_slices().0;
        match rustix::io::write(line, &front[..front.len().min(may - written)]) {
            Ok(n) => {
                queue.drain(..n);
                written += n;
            }
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
}

pub(super) fn read(line: BorrowedFd<'_>, got: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(line, &mut buffer) {
            // A board that is gone; a pty never says so while its slave is open.
            Ok(0) => return Ok(()),
            Ok(n) => got.extend(&buffer[..n]),
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Pty {
    /// A new pty, raw from the start, whose slave is reached through `link`.
    pub(crate) fn new(link: &Path) -> io::Result<Self> {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = Path::new(OsStr::from_bytes(name.as_bytes()));
        let slave = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        std::os::unix::fs::symlink(path, link)?;
        Ok(Self { master, _slave: slave })
    }
}
