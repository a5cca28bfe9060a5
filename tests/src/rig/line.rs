//! The device: the master of a pty that can be unplugged. It has flow control, as a pty has: it pauses while nobody
//! reads.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::io::Errno;

use super::source::Source;
use crate::follow::{Follow, Place};
use crate::program::device::Pty;
use crate::trail::Trail;

/// See the module.
#[derive(Debug)]
pub struct Line {
    /// What it says.
    pub source: Source,
    /// Bytes that it has got.
    pub got: u64,
    /// Whether it takes anything.
    pub reads: bool,
    link: PathBuf,
    pty: Option<Pty>,
    place: Place,
}

impl Line {
    pub(super) fn new(link: &Path, rate: u64) -> io::Result<Self> {
        Ok(Self {
            source: Source::new(Trail::up(), rate),
            got: 0,
            reads: true,
            link: link.to_owned(),
            pty: Some(Pty::new(link)?),
            place: Place::default(),
        })
    }

    /// Where a program finds it.
    pub fn path(&self) -> &Path {
        &self.link
    }

    /// Its adapter vanishes, with what was in it.
    ///
    /// # Errors
    /// It was not there.
    pub fn unplug(&mut self) -> io::Result<()> {
        self.pty = None;
        std::fs::remove_file(&self.link)
    }

    /// Another adapter comes, under the same name.
    ///
    /// # Errors
    /// No pty.
    pub fn plug(&mut self) -> io::Result<()> {
        self.pty = Some(Pty::new(&self.link)?);
        Ok(())
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pty.as_ref().filter(|_| self.reads).map(|pty| pty.master.as_fd())
    }

    pub(super) fn turn(&mut self, now: Instant, down: &mut Follow) -> io::Result<()> {
        let Some(pty) = &self.pty else { return Ok(()) };
        self.source.say(now, |bytes| Ok(rustix::io::write(&pty.master, bytes)?))?;
        let mut buffer = [0; 4096];
        while self.reads {
            match rustix::io::read(&pty.master, &mut buffer) {
                Ok(n) => {
                    self.got += n as u64;
                    down.feed(&mut self.place, &buffer[..n]);
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self, down: &mut Follow) {
        down.settle(&mut self.place);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Unplugged, or unplugged now.
        let _ = std::fs::remove_file(&self.link);
    }
}
