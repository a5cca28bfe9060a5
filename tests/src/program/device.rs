//! The device: the master side of a pty, whose slave the program opens as its serial port through a link.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

use super::Interest;
use crate::records::Records;
use crate::scenario::{DeviceAct, Payload};
use crate::world::Observed;

/// A flood keeps so many bytes queued.
const FLOOD: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Device {
    link: PathBuf,
    pty: Option<Pty>,
    queue: VecDeque<u8>,
    records: Records,
    floods: bool,
    reads: bool,
}

#[derive(Debug)]
struct Pty {
    master: OwnedFd,
    /// Kept open: without any slave the master knows nothing but errors.
    _slave: OwnedFd,
}

impl Device {
    pub(super) fn new(link: PathBuf) -> io::Result<Self> {
        let pty = Some(Pty::new(&link)?);
        Ok(Self { link, pty, queue: VecDeque::new(), records: Records::up(), floods: false, reads: true })
    }

    pub(super) fn interests(&self) -> Vec<Interest<'_>> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.reads);
        flags.set(PollFlags::OUT, !self.queue.is_empty() || self.floods);
        self.pty.iter().filter(|_| !flags.is_empty()).map(|pty| (pty.master.as_fd(), flags)).collect()
    }

    pub(super) fn act(&mut self, act: &DeviceAct, observed: &mut Observed) -> io::Result<()> {
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
                std::fs::remove_file(&self.link)?;
                self.pty = None;
            }
            DeviceAct::Plugged => self.pty = Some(Pty::new(&self.link)?),
            DeviceAct::LineError => return Err(io::Error::other("a pty has no line errors")),
        }
        Ok(())
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        if self.floods && self.queue.len() < FLOOD {
            let records = self.records.take(FLOOD);
            self.send(&records, observed);
        }
        if let Some(pty) = &self.pty {
            write(&pty.master, &mut self.queue)?;
            if self.reads {
                read(&pty.master, &mut observed.device_got)?;
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

fn write(master: &OwnedFd, queue: &mut VecDeque<u8>) -> io::Result<()> {
    while !queue.is_empty() {
        match rustix::io::write(master, queue.as_slices().0) {
            Ok(n) => drop(queue.drain(..n)),
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn read(master: &OwnedFd, got: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(master, &mut buffer) {
            Ok(n) => got.extend(&buffer[..n]),
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Pty {
    /// A new pty, raw from the start, whose slave is reached through `link`.
    fn new(link: &Path) -> io::Result<Self> {
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
