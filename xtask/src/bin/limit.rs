//! The limit that the bench compares with: the least that any relay between serial ports and TCP can do.
//! Read, write, epoll, one buffer, level-triggered; no policy, no reconnect, no care for what is lost.
//!
//! `limit TTY HOST:PORT [TTY HOST:PORT]…`: one process relays all of the pairs and ends when one of them does.

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Bytes a read takes at most.
const BUFFER: usize = 64 * 1024;
/// Events a wake-up takes at most.
const EVENTS: usize = 1024;

/// One end of a pair, and what the other end could not take of its bytes.
struct End {
    fd: OwnedFd,
    /// Bytes for this end that it has not taken yet, from `taken` on; while there are any, the other end is not read.
    pending: Vec<u8>,
    /// Bytes of `pending` that this end has taken.
    taken: usize,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        bail!("usage: limit TTY HOST:PORT [TTY HOST:PORT]…");
    }
    let mut ends = Vec::new();
    for pair in words.chunks(2) {
        ends.push(End { fd: open_tty(&pair[0])?, pending: Vec::new(), taken: 0 });
        ends.push(End { fd: open_socket(&pair[1])?, pending: Vec::new(), taken: 0 });
    }
    relay(&mut ends)
}

/// The ends lie in pairs, so that the other end of number n is number n ^ 1.
fn relay(ends: &mut [End]) -> Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, end) in ends.iter().enumerate() {
        epoll::add(&epoll, &end.fd, EventData::new_u64(number as u64), EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(EVENTS);
    let mut buffer = vec![0; BUFFER];
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            let flags = event.flags;
            if flags.contains(EventFlags::OUT) {
                flush(ends, number, epoll.as_fd())?;
            } else if !carry(ends, number, &mut buffer, epoll.as_fd())? {
                return Ok(());
            }
        }
    }
}

/// One read from an end and one write to the other. `false`: the end has ended.
fn carry(ends: &mut [End], from: usize, buffer: &mut [u8], epoll: BorrowedFd<'_>) -> Result<bool> {
    let read = match rustix::io::read(&ends[from].fd, &mut *buffer) {
        Ok(0) | Err(Errno::IO | Errno::CONNRESET) => return Ok(false),
        Ok(read) => read,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
        Err(error) => return Err(error).context("reading"),
    };
    let written = write(&ends[from ^ 1].fd, &buffer[..read])?;
    if written < read {
        ends[from ^ 1].pending.extend_from_slice(&buffer[written..read]);
        watch(ends, epoll, from, from ^ 1)?;
    }
    Ok(true)
}

/// Writes what is pending for an end that can take bytes again.
fn flush(ends: &mut [End], to: usize, epoll: BorrowedFd<'_>) -> Result<()> {
    let end = &mut ends[to];
    end.taken += write(&end.fd, &end.pending[end.taken..])?;
    if end.taken < end.pending.len() {
        return Ok(());
    }
    end.pending.clear();
    end.taken = 0;
    watch(ends, epoll, to, to ^ 1)
}

fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<usize> {
    match rustix::io::write(fd, bytes) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error).context("writing"),
    }
}

/// An end is read while the other has nothing pending, and written while it has itself.
fn watch(ends: &[End], epoll: BorrowedFd<'_>, one: usize, other: usize) -> Result<()> {
    for (number, opposite) in [(one, other), (other, one)] {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, ends[opposite].pending.is_empty());
        flags.set(EventFlags::OUT, !ends[number].pending.is_empty());
        epoll::modify(epoll, &ends[number].fd, EventData::new_u64(number as u64), flags)?;
    }
    Ok(())
}

fn open_tty(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).with_context(|| path.to_owned())?;
    let mut settings = tcgetattr(&fd).with_context(|| path.to_owned())?;
    settings.make_raw();
    tcsetattr(&fd, OptionalActions::Now, &settings)?;
    Ok(fd)
}

fn open_socket(address: &str) -> Result<OwnedFd> {
    let socket = TcpStream::connect(address).with_context(|| address.to_owned())?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
