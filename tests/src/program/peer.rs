//! A peer that speaks TCP. A socket filter that drops everything makes the black hole, and lets a peer vanish without
//! acknowledging a byte that it has not read: what has arrived at a peer is exactly what its TCP has acknowledged.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use socket2::{Domain, Socket, Type};

use super::live::Interest;
use super::open::{Ends, Open, drop_all};
use crate::records::Records;
use crate::scenario::tls::{Handshake, TlsAct};
use crate::scenario::{Payload, PeerAct};
use crate::tls::{Credentials, TlsEnd};
use crate::world::{Connection, Observed};

/// A flood keeps so many bytes queued.
const FLOOD: usize = 16 * 1024;
/// The receive buffer: small, so that a peer that does not read is noticed soon.
const WINDOW: usize = 64 * 1024;

/// Between two calls of a peer that calls.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct TcpPeer {
    index: usize,
    address: SocketAddr,
    listener: Option<Socket>,
    /// It connects to the bridge instead of listening; and whether it wants to.
    calls: bool,
    wants: bool,
    /// When it may call again.
    calls_at: Duration,
    /// The newest connection last; ended ones are gone.
    connections: Vec<Open>,
    queue: VecDeque<u8>,
    records: Records,
    floods: bool,
    reads: bool,
    black_hole: bool,
    trickles: bool,
    ends: Option<Ends>,
    /// With these it speaks TLS, and meets its next connections so.
    credentials: Option<Arc<Credentials>>,
    handshake: Handshake,
    distrusts: bool,
}

impl TcpPeer {
    pub(super) fn new(
        index: usize,
        address: SocketAddr,
        calls: bool,
        credentials: Option<Arc<Credentials>>,
    ) -> io::Result<Self> {
        let listener = if calls { None } else { Some(listen(address)?) };
        Ok(Self {
            index,
            address,
            listener,
            calls,
            wants: true,
            calls_at: Duration::ZERO,
            connections: Vec::new(),
            queue: VecDeque::new(),
            records: Records::down(),
            floods: false,
            reads: true,
            black_hole: false,
            trickles: false,
            ends: None,
            credentials,
            handshake: Handshake::Proper,
            distrusts: false,
        })
    }

    pub(super) fn interests(&self) -> Vec<Interest<'_>> {
        let newest = self.connections.last().map(|open| open.nth);
        let waiting = !self.queue.is_empty() || self.floods;
        let flags = |open: &Open| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.reads);
            flags.set(PollFlags::OUT, !self.black_hole && open.writes(Some(open.nth) == newest && waiting));
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
            PeerAct::Closes => self.ends = Some(Ends::Whole(TlsEnd::CloseNotify)),
            PeerAct::ClosesMidRecord => self.ends = Some(Ends::Whole(TlsEnd::MidRecord)),
            PeerAct::ClosesUnannounced => self.ends = Some(Ends::Whole(TlsEnd::Unannounced)),
            PeerAct::HalfCloses => self.ends = Some(Ends::Half),
            PeerAct::Resets => {
                if let Some(mut open) = self.connections.pop() {
                    self.queue.clear();
                    open.read_the_rest(observed)?;
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
            PeerAct::Trickles => {
                self.trickles = true;
                self.connections.iter().try_for_each(|open| open.socket.set_tcp_nodelay(true))?;
            }
            PeerAct::Tls(act) => self.tls(*act)?,
        }
        self.turn(observed)
    }

    fn tls(&mut self, act: TlsAct) -> io::Result<()> {
        match act {
            TlsAct::Handshake(handshake) => self.handshake = handshake,
            TlsAct::Distrusts(distrusts) => self.distrusts = distrusts,
            TlsAct::SendsGarbage | TlsAct::SendsEmptyRecord | TlsAct::UpdatesKeys | TlsAct::Renegotiates => {
                let tls = self.connections.last_mut().and_then(|open| open.tls.as_mut());
                let tls = tls.ok_or_else(|| io::Error::other("the peer has no connection"))?;
                tls.act(act).map_err(io::Error::other)?;
            }
        }
        Ok(())
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
        let may_call = self.calls && self.wants && observed.now >= self.calls_at;
        if may_call && self.connections.is_empty() {
            self.calls_at = observed.now + PAUSE;
            self.call(observed)?;
        }
        if self.reads {
            self.connections.retain_mut(|open| match open.read(observed) {
                None => true,
                Some(ending) => {
                    observed.connections[open.nth].end.get_or_insert(ending);
                    open.answers(ending, !self.queue.is_empty())
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

    /// A peer that calls tries again and again, until the bridge listens.
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
        observed.connections.push(Connection::new(self.index));
        let credentials = self.credentials.as_ref();
        let tls = credentials.map(|credentials| credentials.peer(self.distrusts, self.handshake));
        let tls = tls.transpose().map_err(io::Error::other)?;
        self.connections.push(Open::new(socket, nth, tls));
        self.ends = None;
        Ok(())
    }

    fn write(&mut self, observed: &mut Observed) -> io::Result<()> {
        if self.floods && self.queue.len() < FLOOD {
            let records = self.records.take(FLOOD);
            self.send(&records, observed);
        }
        let step = if self.trickles { 1 } else { usize::MAX };
        if let Some(newest) = self.connections.last_mut() {
            newest.say(&mut self.queue, step);
        }
        let newest = self.connections.last().map(|open| open.nth);
        let mut failed = Ok(());
        self.connections.retain_mut(|open| {
            let ends = self.ends.filter(|_| Some(open.nth) == newest && self.queue.is_empty());
            if !open.end(ends, step) {
                return true;
            }
            if let Err(error) = open.read_the_rest(observed) {
                failed = Err(error);
            }
            false
        });
        failed
    }

    fn send(&mut self, bytes: &[u8], observed: &mut Observed) {
        observed.peer_sent.extend(bytes);
        self.queue.extend(bytes);
    }
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<Socket> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.set_recv_buffer_size(WINDOW)?;
    listener.set_nonblocking(true)?;
    listener.bind(&address.into())?;
    listener.listen(64)?;
    Ok(listener)
}
