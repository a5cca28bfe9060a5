//! UDP over embassy-net: each packet of the core's is one datagram.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embassy_net::udp::{BindError, PacketMetadata, SendError, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use uartbridge_core::{Acks, CloseReason, Instant, PeerIndex};

use super::names::{Directory, LookUp, Names, Peer};
use super::watch::IpWatch;
use crate::ends::{Net, SockRead};
use crate::log::{Name, Why};

/// What UDP needs: room for `N` datagrams and `RX` bytes that were received and not yet read, and for as many and `TX`
/// bytes that were not yet sent. `TX` must hold the longest packet ([`Packing::max_len`](uartbridge_core::Packing::max_len)).
#[derive(Debug)]
pub struct UdpBuffers<const RX: usize, const TX: usize, const N: usize = 4> {
    rx_meta: [PacketMetadata; N],
    rx: [u8; RX],
    tx_meta: [PacketMetadata; N],
    tx: [u8; TX],
    look_up: LookUp,
}

impl<const RX: usize, const TX: usize, const N: usize> UdpBuffers<RX, TX, N> {
    /// Empty ones, for a `StaticCell` or the task's own memory.
    pub const fn new() -> Self {
        let (rx_meta, tx_meta) = ([PacketMetadata::EMPTY; N], [PacketMetadata::EMPTY; N]);
        Self { rx_meta, rx: [0; RX], tx_meta, tx: [0; TX], look_up: LookUp::new() }
    }
}

impl<const RX: usize, const TX: usize, const N: usize> Default for UdpBuffers<RX, TX, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The way to the peers by UDP. Nobody confirms what has arrived, so bytes count as delivered once a datagram is on its
/// way. Datagrams from anybody but the peer are ignored.
pub struct Udp<'a> {
    stack: Stack<'a>,
    socket: UdpSocket<'a>,
    directory: Directory<'a>,
    dialing: Dialing,
    peer: Option<IpEndpoint>,
    /// Why datagrams cannot be sent. Reading reports it, so that the datagram at hand is kept.
    refused: Option<CloseReason>,
    shut: bool,
    waiting: Waiting,
    ip: IpWatch,
}

/// How far the search for a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialing {
    No,
    Naming { port: u16 },
}

/// What the socket was asked to wake us for; it forgets the waker that it wakes.
#[derive(Debug, Default)]
struct Waiting {
    waker: Option<Waker>,
    datagram: bool,
}

impl<'a> Udp<'a> {
    /// A way to `peers`, and what looks up their names. `buffers` lives as long as the bridge.
    pub fn new<const RX: usize, const TX: usize, const N: usize>(
        stack: Stack<'a>,
        peers: &'a [Peer<'a>],
        buffers: &'a mut UdpBuffers<RX, TX, N>,
    ) -> (Self, Names<'a>) {
        let UdpBuffers { rx_meta, rx, tx_meta, tx, look_up } = buffers;
        let socket = UdpSocket::new(stack, rx_meta, rx, tx_meta, tx);
        let names = Names::new(stack, peers, look_up);
        let udp = Self {
            stack,
            socket,
            directory: Directory::new(peers, look_up),
            dialing: Dialing::No,
            peer: None,
            refused: None,
            shut: false,
            waiting: Waiting::default(),
            ip: IpWatch::default(),
        };
        (udp, names)
    }

    /// Registers for the next datagram, unless that is done.
    fn wait_for_datagram(&mut self, cx: &mut Context<'_>) {
        let known = self.waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !(known && self.waiting.datagram) {
            self.waiting.waker = Some(cx.waker().clone());
            self.waiting.datagram = self.socket.poll_recv_ready(cx).is_pending();
        }
    }

    /// Copies the next datagram, if the peer has sent it: how many bytes, and how many did not fit.
    fn take_datagram(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Option<(usize, usize)> {
        let peer = self.peer;
        let taken = pin!(self.socket.recv_from_with(|datagram, from| {
            if Some(from.endpoint) != peer {
                return None;
            }
            let n = datagram.len().min(buf.len());
            buf[..n].copy_from_slice(&datagram[..n]);
            Some((n, datagram.len() - n))
        }))
        .poll(cx);
        match taken {
            Poll::Ready(taken) => taken,
            Poll::Pending => None,
        }
    }
}

impl Net for Udp<'_> {
    type Why = Why;

    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        self.ip.poll(cx, now, self.stack)
    }

    fn due(&self) -> Option<Instant> {
        self.ip.due()
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        self.directory.name("udp", peer)
    }

    fn dial(&mut self, _: Instant, peer: PeerIndex) {
        self.abort();
        self.dialing = Dialing::Naming { port: self.directory.ask(peer) };
    }

    fn poll_dial(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Acks, Why>> {
        let Dialing::Naming { port } = self.dialing else {
            return Poll::Pending;
        };
        let Some(address) = self.directory.answer() else {
            return Poll::Pending;
        };
        self.dialing = Dialing::No;
        self.peer = Some(IpEndpoint::new(address?, port));
        // Port 0: any that is free.
        Poll::Ready(match self.socket.bind(0) {
            Ok(()) => Ok(Acks::OnWrite),
            Err(BindError::NoRoute) => Err(CloseReason::Unreachable.into()),
            Err(BindError::InvalidState) => Err(CloseReason::Failed.into()),
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Why>> {
        if let Some(reason) = self.refused.take() {
            return Poll::Ready(SockRead::Failed(reason.into()));
        }
        if self.shut {
            return Poll::Ready(SockRead::Ended);
        }
        while self.socket.may_recv() {
            self.waiting.datagram = false;
            if let Some((n, cut)) = self.take_datagram(cx, buf) {
                return Poll::Ready(SockRead::Bytes(n, cut));
            }
        }
        self.wait_for_datagram(cx);
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Why>> {
        let (Some(peer), None) = (self.peer, self.refused) else {
            return Poll::Pending;
        };
        let len = parts[0].len() + parts[1].len();
        let sent = pin!(self.socket.send_to_with(len, peer, |datagram| {
            let (first, second) = datagram[..len].split_at_mut(parts[0].len());
            first.copy_from_slice(parts[0]);
            second.copy_from_slice(parts[1]);
            (len, len)
        }))
        .poll(cx);
        self.refused = match sent {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(sent)) => return Poll::Ready(Ok(sent)),
            Poll::Ready(Err(SendError::NoRoute)) => Some(CloseReason::Unreachable),
            Poll::Ready(Err(SendError::SocketNotBound | SendError::PacketTooLarge)) => {
                Some(CloseReason::Failed)
            }
        };
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn unacked(&mut self) -> Option<usize> {
        None
    }

    fn shut(&mut self) {
        self.shut = true;
    }

    /// No FIN will come of this, but what was written is on its way.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        pin!(self.socket.flush()).poll(cx)
    }

    fn abort(&mut self) {
        self.directory.forget();
        self.dialing = Dialing::No;
        (self.peer, self.refused, self.shut) = (None, None, false);
        self.waiting = Waiting::default();
        self.socket.close();
    }
}
