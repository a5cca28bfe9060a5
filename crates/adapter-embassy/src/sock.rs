//! The network end over embassy-net: one connection at a time, its peers, names and acknowledgements.

mod names;
#[cfg(feature = "udp")]
mod udp;
mod watch;

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::tcp::{State, TcpSocket};
use embassy_net::{IpEndpoint, Stack};
use uartbridge_core::{Acks, CloseReason, Duration, Instant, PeerIndex};

pub use names::{Names, Peer};
#[cfg(feature = "tls")]
pub use uartbridge_turn::Tls;
#[cfg(feature = "udp")]
pub use udp::{Udp, UdpBuffers};

use crate::ends::{Net, SockRead};
use crate::log::{Name, Why};
use names::{Directory, LookUp};
use watch::{IpWatch, Waiting};

/// What one TCP connection needs: room for `RX` bytes that were received and not yet read, and for `TX` bytes that the
/// peer has not acknowledged. More of them carry more bytes a round trip; the up ring holds the same bytes once more,
/// so `TX` need not exceed it.
#[derive(Debug)]
pub struct TcpBuffers<const RX: usize, const TX: usize> {
    rx: [u8; RX],
    tx: [u8; TX],
    look_up: LookUp,
}

impl<const RX: usize, const TX: usize> TcpBuffers<RX, TX> {
    /// Empty ones, for a `StaticCell` or the task's own memory.
    pub const fn new() -> Self {
        Self { rx: [0; RX], tx: [0; TX], look_up: LookUp::new() }
    }
}

impl<const RX: usize, const TX: usize> Default for TcpBuffers<RX, TX> {
    fn default() -> Self {
        Self::new()
    }
}

/// The way to the peers by TCP.
pub struct Tcp<'a> {
    stack: Stack<'a>,
    socket: TcpSocket<'a>,
    directory: Directory<'a>,
    dialing: Dialing,
    waiting: Waiting,
    ip: IpWatch,
}

/// How far an attempt to connect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialing {
    /// There is none.
    No,
    /// The reset of the connection before is still to be sent; not longer than until then, because a peer that
    /// has vanished from the network cannot be sent any.
    Resetting { until: Instant, peer: PeerIndex },
    /// Its name is being looked up.
    Naming { port: u16 },
    /// The SYN is out.
    Calling,
    /// It has failed.
    Failed(CloseReason),
}

/// How long the reset of the last connection may keep the next one waiting.
const RESET_TIME: Duration = Duration::from_millis(200);

impl<'a> Tcp<'a> {
    /// A way to `peers`, and what looks up their names. `buffers` lives as long as the bridge.
    ///
    /// `configure` sets what a connection is to have besides: see [`TcpSocket::set_keep_alive`] and
    /// [`TcpSocket::set_timeout`]. Nagle's algorithm is off: the core decides what leaves together.
    pub fn new<const RX: usize, const TX: usize>(
        stack: Stack<'a>,
        peers: &'a [Peer<'a>],
        buffers: &'a mut TcpBuffers<RX, TX>,
        configure: impl FnOnce(&mut TcpSocket<'a>),
    ) -> (Self, Names<'a>) {
        let TcpBuffers { rx, tx, look_up } = buffers;
        let mut socket = TcpSocket::new(stack, rx, tx);
        socket.set_nagle_enabled(false);
        configure(&mut socket);
        let names = Names::new(stack, peers, look_up);
        let tcp = Self {
            stack,
            socket,
            directory: Directory::new(peers, look_up),
            dialing: Dialing::No,
            waiting: Waiting::default(),
            ip: IpWatch::default(),
        };
        (tcp, names)
    }

    /// Sends the SYN. The future of `connect` sends it when first polled, and is not needed after that.
    fn call(&mut self, cx: &mut Context<'_>, to: IpEndpoint) -> Dialing {
        match pin!(self.socket.connect(to)).poll(cx) {
            Poll::Pending | Poll::Ready(Ok(())) => Dialing::Calling,
            Poll::Ready(Err(error)) => Dialing::Failed(match error {
                embassy_net::tcp::ConnectError::ConnectionReset => CloseReason::Refused,
                embassy_net::tcp::ConnectError::TimedOut => CloseReason::TimedOut,
                embassy_net::tcp::ConnectError::NoRoute => CloseReason::Unreachable,
                embassy_net::tcp::ConnectError::InvalidState => CloseReason::Failed,
            }),
        }
    }
}

impl Net for Tcp<'_> {
    type Why = Why;

    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        self.ip.poll(cx, now, self.stack)
    }

    fn due(&self) -> Option<Instant> {
        let reset = match self.dialing {
            Dialing::Resetting { until, .. } => Some(until),
            Dialing::No | Dialing::Naming { .. } | Dialing::Calling | Dialing::Failed(_) => None,
        };
        uartbridge_turn::earlier(reset, self.ip.due())
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        self.directory.name("tcp", peer)
    }

    fn dial(&mut self, now: Instant, peer: PeerIndex) {
        // Of a connection that ended in order, this sends nothing.
        self.socket.abort();
        self.dialing = Dialing::Resetting { until: now + RESET_TIME, peer };
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Acks, Why>> {
        loop {
            self.dialing = match self.dialing {
                Dialing::No => return Poll::Pending,
                Dialing::Resetting { until, peer } => {
                    if now < until && pin!(self.socket.flush()).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    Dialing::Naming { port: self.directory.ask(peer) }
                }
                Dialing::Naming { port } => match self.directory.answer() {
                    None => return Poll::Pending,
                    Some(Err(reason)) => Dialing::Failed(reason),
                    Some(Ok(address)) => self.call(cx, IpEndpoint::new(address, port)),
                },
                Dialing::Calling => match self.socket.state() {
                    State::SynSent | State::SynReceived => {
                        Waiting::for_state(cx, &self.socket);
                        return Poll::Pending;
                    }
                    State::Closed | State::TimeWait | State::Listen => Dialing::Failed(CloseReason::Refused),
                    State::Established
                    | State::CloseWait
                    | State::FinWait1
                    | State::FinWait2
                    | State::Closing
                    | State::LastAck => {
                        self.dialing = Dialing::No;
                        return Poll::Ready(Ok(Acks::Peer));
                    }
                },
                Dialing::Failed(reason) => {
                    self.dialing = Dialing::No;
                    return Poll::Ready(Err(reason.into()));
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Why>> {
        if self.socket.can_recv() {
            self.waiting.bytes_came();
        } else if self.socket.may_recv() {
            self.waiting.for_bytes(cx, &self.socket);
            return Poll::Pending;
        }
        pin!(self.socket.read(buf)).poll(cx).map(|read| match read {
            Ok(0) => SockRead::Ended,
            Ok(n) => SockRead::Bytes(n, 0),
            Err(embassy_net::tcp::Error::ConnectionReset) => SockRead::Failed(CloseReason::Reset.into()),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Why>> {
        if self.socket.can_send() {
            self.waiting.room_came();
        } else if self.socket.may_send() {
            self.waiting.for_room(cx, &self.socket);
            return Poll::Pending;
        }
        let mut written = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            match pin!(self.socket.write(part)).poll(cx) {
                Poll::Ready(Ok(n)) => written += n,
                Poll::Ready(Err(embassy_net::tcp::Error::ConnectionReset)) if written == 0 => {
                    return Poll::Ready(Err(CloseReason::Reset.into()));
                }
                Poll::Ready(Err(embassy_net::tcp::Error::ConnectionReset)) | Poll::Pending => break,
            }
            if !self.socket.can_send() {
                break;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn unacked(&mut self) -> Option<usize> {
        Some(self.socket.send_queue())
    }

    fn shut(&mut self) {
        self.socket.close();
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.socket.state() {
            State::Closed | State::TimeWait | State::FinWait2 | State::Listen => Poll::Ready(()),
            State::Established
            | State::CloseWait
            | State::FinWait1
            | State::Closing
            | State::LastAck
            | State::SynSent
            | State::SynReceived => {
                Waiting::for_state(cx, &self.socket);
                Poll::Pending
            }
        }
    }

    fn abort(&mut self) {
        self.dialing = Dialing::No;
        self.directory.forget();
        self.socket.abort();
    }
}
