//! The server: it reads and talks on every connection that comes, and can end them in every way that servers do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::source::Source;
use crate::follow::{Follow, Place};
use crate::program::open::drop_all;
use crate::program::peer::listen;
use crate::trail::Trail;

/// See the module.
#[derive(Debug)]
pub struct Server {
    /// What it says, on the newest connection.
    pub source: Source,
    /// Connections that it has seen.
    pub connections: u64,
    /// Bytes that it has got.
    pub got: u64,
    /// Whether it reads.
    pub reads: bool,
    address: SocketAddr,
    listener: Option<Socket>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    socket: Socket,
    place: Place,
    /// It has said all that it wants to say here.
    shut: bool,
}

impl Server {
    pub(super) fn new(address: SocketAddr, rate: u64) -> io::Result<Self> {
        Ok(Self {
            source: Source::new(Trail::down(), rate),
            connections: 0,
            got: 0,
            reads: true,
            address,
            listener: Some(listen(address)?),
            open: Vec::new(),
        })
    }

    /// Whether somebody is connected.
    pub fn has_connection(&self) -> bool {
        self.open.iter().any(|open| !open.shut)
    }

    /// From now on nothing that comes is taken: what the other side sends is under way, and stays so.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn holds_off(&mut self) -> io::Result<()> {
        self.open.iter().try_for_each(|open| drop_all(&open.socket))
    }

    /// A RST on every connection. What its TCP had acknowledged has been read: what is lost, somebody else has lost.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn reset(&mut self, up: &mut Follow) -> io::Result<()> {
        self.holds_off()?;
        for mut open in core::mem::take(&mut self.open) {
            self.got += open.read(up).1;
            up.settle(&mut open.place);
            open.socket.set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// A FIN on every connection; it reads on until the other side's.
    pub fn close(&mut self) {
        for open in &mut self.open {
            open.shut = true;
            // If the other side has gone meanwhile, reading will say so.
            let _ = open.socket.shutdown(Shutdown::Write);
        }
    }

    /// Nobody listens.
    pub fn refuse(&mut self) {
        self.listener = None;
    }

    /// Somebody listens again.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn listen(&mut self) -> io::Result<()> {
        self.listener = Some(listen(self.address)?);
        Ok(())
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let open = self.open.iter().filter(|_| self.reads).map(|open| open.socket.as_fd());
        self.listener.iter().map(AsFd::as_fd).chain(open)
    }

    pub(super) fn turn(&mut self, now: Instant, up: &mut Follow) -> io::Result<()> {
        self.accept()?;
        if self.reads {
            self.open.retain_mut(|open| {
                let (goes_on, got) = open.read(up);
                self.got += got;
                if !goes_on {
                    up.settle(&mut open.place);
                }
                goes_on
            });
        }
        let newest = self.open.last_mut().filter(|open| !open.shut);
        match newest {
            Some(open) => self.source.say(now, |bytes| match open.socket.write(bytes) {
                // It is over, and reading will say so.
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(ErrorKind::WouldBlock.into()),
                written => written,
            }),
            None => self.source.say(now, |_| Err(ErrorKind::WouldBlock.into())),
        }
    }

    pub(super) fn end(&mut self, up: &mut Follow) {
        self.open.iter_mut().for_each(|open| up.settle(&mut open.place));
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    self.open.push(Open { socket, place: Place::default(), shut: false });
                    self.connections += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Open {
    /// Reads what there is: whether more may come, and how much it was.
    fn read(&mut self, up: &mut Follow) -> (bool, u64) {
        let (mut buffer, mut got) = ([0; 16_384], 0);
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(0) => return (false, got),
                Ok(n) => {
                    got += n as u64;
                    up.feed(&mut self.place, &buffer[..n]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (true, got),
                Err(_) => return (false, got),
            }
        }
    }
}
