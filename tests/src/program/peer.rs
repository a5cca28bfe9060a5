//! A peer that speaks TCP. A socket filter that drops everything makes the black hole, and lets a peer vanish without
//! acknowledging a byte that it has not read: what has arrived at a peer is exactly what its TCP has acknowledged.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::PollFlags;
use socket2::{Domain, SockFilter, Socket, Type};

use super::Interest;
use crate::records::Records;
use crate::scenario::{Payload, PeerAct};
use crate::world::{Connection, Ending, Observed};

/// A flood keeps so many bytes queued.
const FLOOD: usize = 16 * 1024;
/// The receive buffer: small, so that a peer that does not read is noticed soon.
const WINDOW: usize = 64 * 1024;
/// Return 0, the number of bytes of the packet to keep (linux/filter.h, BPF_RET | BPF_K).
const DROP_ALL: u16 = 0x06;

#[derive(Debug)]
pub(super) struct TcpPeer {
    index: usize,
    address: SocketAddr,
    listener: Option<Socket>,
    /// It connects to the bridge instead of listening; and whether it wants to.
    calls: bool,
    wants: bool,
    /// The newest connection last; ended ones are gone.
    connections: Vec<Open>,
    queue: VecDeque<u8>,
    records: Records,
    floods: bool,
    reads: bool,
    black_hole: bool,
    ends: Option<Ends>,
}

#[derive(Debug)]
struct Open {
    socket: Socket,
    /// Its place among all connections.
    nth: usize,
    sent_fin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Half,
    Whole,
}

impl TcpPeer {
    pub(super) fn new(index: usize, address: SocketAddr, calls: bool) -> io::Result<Self> {
        let listener = if calls { None } else { Some(listen(address)?) };
        Ok(Self {
            index,
            address,
            listener,
            calls,
            wants: true,
            connections: Vec::new(),
            queue: VecDeque::new(),
            records: Records::down(),
            floods: false,
            reads: true,
            black_hole: false,
            ends: None,
        })
    }

    pub(super) fn interests(&self) -> Vec<Interest<'_>> {
        let newest = self.connections.last().map(|open| open.nth);
        let waiting = !self.black_hole && (!self.queue.is_empty() || self.floods);
        let flags = |open: &Open| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.reads);
            flags.set(PollFlags::OUT, Some(open.nth) == newest && waiting && !open.sent_fin);
            flags
        };
        let listening = self.listener.iter().map(|listener| (listener.as_fd(), PollFlags::IN));
        let open = self.connections.iter().map(|open| (open.socket.as_fd(), flags(open)));
        listening.chain(open.filter(|(_, flags)| !flags.is_empty())).collect()
    }

    pub(super) const fn has_connection(&self) -> bool {
        !self.connections.is_empty()
    }

    pub(super) fn act(&mut self, act: &PeerAct, observed: &mut Observed) -> io::Result<()> {
        match act {
            PeerAct::Sends(Payload::Bytes(bytes)) => self.send(bytes, observed),
            PeerAct::Sends(Payload::Records(bytes)) => {
                let records = self.records.take(*bytes);
                self.send(&records, observed);
            }
            PeerAct::Floods => self.floods = true,
            PeerAct::StopsSending => self.floods = false,
            PeerAct::Closes => self.ends = Some(Ends::Whole),
            PeerAct::HalfCloses => self.ends = Some(Ends::Half),
            PeerAct::Resets => {
                if let Some(open) = self.connections.pop() {
                    self.queue.clear();
                    read_the_rest(&open, observed)?;
                    open.socket.set_linger(Some(Duration::ZERO))?;
                }
            }
            PeerAct::Refuses => {
                self.accept(observed)?;
                (self.listener, self.wants) = (None, false);
            }
            PeerAct::Listens => {
                self.wants = true;
                self.listener = if self.calls { None } else { Some(listen(self.address)?) };
            }
            PeerAct::Stalls => self.reads = false,
            PeerAct::ReadsAgain => self.reads = true,
        }
        self.turn(observed)
    }

    /// Every packet that arrives is dropped, or no more; nothing is sent meanwhile.
    pub(super) fn black_hole(&mut self, on: bool) -> io::Result<()> {
        self.black_hole = on;
        let open = self.connections.iter().map(|open| &open.socket);
        for socket in self.listener.iter().chain(open) {
            if on {
                drop_all(socket)?;
            } else {
                socket.detach_filter()?;
            }
        }
        Ok(())
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        self.accept(observed)?;
        if self.calls && self.wants && self.connections.is_empty() {
            self.call(observed)?;
        }
        if self.reads {
            self.connections.retain_mut(|open| match read(open, observed) {
                None => true,
                Some(ending) => {
                    observed.connections[open.nth].end.get_or_insert(ending);
                    // The end of a stream is answered with our own, once everything is said.
                    ending == Ending::Fin && !self.queue.is_empty() && !open.sent_fin
                }
            });
        }
        if !self.black_hole {
            self.write(observed)?;
        }
        observed.peer_queues[self.index].note(observed.now, self.queue.len());
        Ok(())
    }

    fn accept(&mut self, observed: &mut Observed) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((socket, _)) => self.welcome(socket, observed)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A peer that calls tries once a turn, until the bridge listens.
    fn call(&mut self, observed: &mut Observed) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(WINDOW)?;
        match socket.connect(&self.address.into()) {
            Ok(()) => self.welcome(socket, observed),
            Err(_) => Ok(()),
        }
    }

    fn welcome(&mut self, socket: Socket, observed: &mut Observed) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let nth = observed.connections.len();
        observed.connections.push(Connection { peer: self.index, got: Vec::new(), end: None });
        self.connections.push(Open { socket, nth, sent_fin: false });
        self.ends = None;
        Ok(())
    }

    fn write(&mut self, observed: &mut Observed) -> io::Result<()> {
        if self.floods && self.queue.len() < FLOOD {
            let records = self.records.take(FLOOD);
            self.send(&records, observed);
        }
        let Some(open) = self.connections.last_mut() else {
            return Ok(());
        };
        while !self.queue.is_empty() && !open.sent_fin {
            match (&open.socket).write(self.queue.as_slices().0) {
                Ok(n) => drop(self.queue.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The reading side will say how it ended.
                Err(_) => break,
            }
        }
        if !self.queue.is_empty() || open.sent_fin {
            return Ok(());
        }
        match self.ends {
            None => {}
            Some(Ends::Half) => {
                open.sent_fin = true;
                // If the bridge has gone meanwhile, the reading side will say so.
                let _ = open.socket.shutdown(Shutdown::Write);
            }
            Some(Ends::Whole) => {
                read_the_rest(open, observed)?;
                self.connections.pop();
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], observed: &mut Observed) {
        observed.peer_sent.extend(bytes);
        self.queue.extend(bytes);
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.set_recv_buffer_size(WINDOW)?;
    listener.set_nonblocking(true)?;
    listener.bind(&address.into())?;
    listener.listen(64)?;
    Ok(listener)
}

fn drop_all(socket: &Socket) -> io::Result<()> {
    socket.attach_filter(&[SockFilter::new(DROP_ALL, 0, 0, 0)])
}

/// Before the peer goes: from now on its TCP takes nothing, and what it has taken is read.
fn read_the_rest(open: &Open, observed: &mut Observed) -> io::Result<()> {
    drop_all(&open.socket)?;
    let _ = read(open, observed);
    observed.connections[open.nth].end.get_or_insert(Ending::Own);
    Ok(())
}

/// Reads what there is; how the connection ended, if it has.
fn read(open: &Open, observed: &mut Observed) -> Option<Ending> {
    let mut buffer = [0; 65_536];
    loop {
        match (&open.socket).read(&mut buffer) {
            Ok(0) => return Some(Ending::Fin),
            Ok(n) => observed.connections[open.nth].got.extend(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(_) => return Some(Ending::Reset),
        }
    }
}
