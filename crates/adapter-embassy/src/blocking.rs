//! The same loop without an executor, over [`embedded_io`]: for a super-loop, or a task of a vendor's RTOS.
//!
//! ```text
//! loop { one turn; wait for what it says (an interrupt, poll(2), a tick) until its deadline }
//! ```

use core::task::{Context, Poll, Waker};

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};
use uartbridge_core::{Acks, Bridge, CloseReason, Instant, PeerIndex};
use uartbridge_turn::{Ended, Turn};

pub use uartbridge_turn::Wait;

use crate::ends::{Gone, Net, SockRead, Uart, UartRead};
use crate::log::{Name, Why};
use crate::options::Board;
use crate::uart::{Classify, Halves, OVERRUN, Receive, Transmit};

/// Runs `bridge` between `uart` and `net` until it has ended. `clock` tells the time since any fixed start; `wait` returns
/// when something may have happened on a port that it is given, or at the deadline, or earlier.
pub fn run<U, D, const P: usize, N: Net>(
    bridge: &mut Bridge<'_, U, D, P>,
    uart: impl Uart,
    net: N,
    board: impl Board<N::Why>,
    mut clock: impl FnMut() -> Instant,
    mut wait: impl FnMut(&Wait),
) -> Ended
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut turn = Turn::new(bridge, uart, net, board);
    loop {
        let now = clock();
        if let Poll::Ready(ended) = turn.poll(&mut cx, now) {
            return ended;
        }
        let waiting = turn.wait();
        if waiting.until.is_none_or(|until| until > now) {
            wait(&waiting);
        }
    }
}

/// A half of a UART that says whether it is ready: [`Read`] with [`ReadReady`], or [`Write`] with [`WriteReady`].
#[derive(Debug)]
pub struct Ready<H, E = ()> {
    half: H,
    errors: E,
}

impl<R: Read + ReadReady> Ready<R, Classify<R::Error>> {
    /// A receiver. Each of its errors counts as an overrun; [`Self::errors`] knows better.
    pub fn receiver(half: R) -> Self {
        Self { half, errors: |_| OVERRUN }
    }

    /// How errors count.
    pub fn errors(self, errors: Classify<R::Error>) -> Self {
        Self { errors, ..self }
    }
}

impl<W: Write + WriteReady> Ready<W> {
    /// A transmitter.
    pub fn transmitter(half: W) -> Self {
        Self { half, errors: () }
    }
}

impl<R: Read + ReadReady, W: Write + WriteReady> Halves<Ready<R, Classify<R::Error>>, Ready<W>> {
    /// The halves of a UART, with no pins besides RX and TX.
    pub fn ready(rx: R, tx: W) -> Self {
        Self::of(Ready::receiver(rx), Ready::transmitter(tx))
    }
}

impl<R: Read + ReadReady> Receive for Ready<R, Classify<R::Error>> {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        let read = match self.half.read_ready() {
            Ok(false) => return Poll::Pending,
            Ok(true) => self.half.read(buf),
            Err(error) => Err(error),
        };
        Poll::Ready(match read {
            Ok(0) => UartRead::Gone,
            Ok(n) => UartRead::Bytes(n),
            Err(error) => UartRead::Errors((self.errors)(&error)),
        })
    }
}

impl<W: Write + WriteReady> Transmit for Ready<W> {
    fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Gone>> {
        let written = match self.half.write_ready() {
            Ok(false) => return Poll::Pending,
            Ok(true) => self.half.write(buf),
            Err(error) => Err(error),
        };
        Poll::Ready(match written {
            Ok(0) | Err(_) => Err(Gone),
            Ok(n) => Ok(n),
        })
    }

    /// Blocks while the last bytes leave: [`embedded_io`] knows no other way. Only a shared line asks for it.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        // What cannot be flushed has nothing left to send.
        let _ = self.half.flush();
        Poll::Ready(())
    }
}

/// A way to connect sockets that say whether they are ready. Nothing here blocks.
pub trait Connect {
    /// A stream.
    type Socket: Read + Write + ReadReady + WriteReady;

    /// Whether the network has an address, so that connecting makes sense.
    fn is_up(&mut self) -> bool;

    /// The peer, for people.
    fn name(&self, peer: PeerIndex) -> Name<'_>;

    /// Starts to connect, giving up any attempt before.
    fn start(&mut self, peer: PeerIndex);

    /// How that went; pending while it is under way.
    ///
    /// # Errors
    /// There is no connection, for this reason.
    fn finish(&mut self) -> Poll<Result<Self::Socket, CloseReason>>;

    /// Bytes written that the peer's transport has not acknowledged. `None` if it cannot be asked: then what was under
    /// way when a connection broke is lost.
    fn unacked(&mut self, socket: &Self::Socket) -> Option<usize>;

    /// Sends a FIN; what the peer sends can still be read.
    fn shut(&mut self, socket: &mut Self::Socket);

    /// Ends a connection, or with `None` an attempt, at once: what is unacknowledged is thrown away, because it will be
    /// sent again.
    fn abort(&mut self, socket: Option<Self::Socket>);
}

/// A network made of such sockets.
#[derive(Debug)]
pub struct Sockets<C: Connect> {
    connect: C,
    socket: Option<C::Socket>,
}

impl<C: Connect> Sockets<C> {
    /// A network.
    pub fn new(connect: C) -> Self {
        Self { connect, socket: None }
    }
}

impl<C: Connect> Net for Sockets<C> {
    type Why = Why;

    fn poll_ip(&mut self, _: &mut Context<'_>, _: Instant) -> bool {
        self.connect.is_up()
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        self.connect.name(peer)
    }

    fn dial(&mut self, _: Instant, peer: PeerIndex) {
        // Of a connection that has ended in order, this is the end of the socket.
        drop(self.socket.take());
        self.connect.start(peer);
    }

    fn poll_dial(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Acks, Why>> {
        self.connect.finish().map(|connected| {
            let socket = self.socket.insert(connected?);
            Ok(if self.connect.unacked(socket).is_some() { Acks::Peer } else { Acks::OnWrite })
        })
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Why>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Pending;
        };
        let read = match socket.read_ready() {
            Ok(false) => return Poll::Pending,
            Ok(true) => socket.read(buf),
            Err(error) => Err(error),
        };
        Poll::Ready(match read {
            Ok(0) => SockRead::Ended,
            Ok(n) => SockRead::Bytes(n, 0),
            Err(error) => SockRead::Failed(reason(error.kind()).into()),
        })
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Why>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Pending;
        };
        let part = if parts[0].is_empty() { parts[1] } else { parts[0] };
        let written = match socket.write_ready() {
            Ok(false) => return Poll::Pending,
            Ok(true) => socket.write(part),
            Err(error) => Err(error),
        };
        Poll::Ready(written.map_err(|error| reason(error.kind()).into()))
    }

    fn unacked(&mut self) -> Option<usize> {
        self.connect.unacked(self.socket.as_ref()?)
    }

    fn shut(&mut self) {
        if let Some(socket) = &mut self.socket {
            self.connect.shut(socket);
        }
    }

    fn poll_shut(&mut self, _: &mut Context<'_>) -> Poll<()> {
        // The network stack looks after the FIN, also once the socket is closed.
        Poll::Ready(())
    }

    fn abort(&mut self) {
        self.connect.abort(self.socket.take());
    }
}

/// The core's word for an error of a socket.
fn reason(kind: ErrorKind) -> CloseReason {
    #[expect(clippy::wildcard_enum_match_arm, reason = "embedded-io's list is open")]
    match kind {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            CloseReason::Reset
        }
        ErrorKind::ConnectionRefused => CloseReason::Refused,
        ErrorKind::TimedOut => CloseReason::TimedOut,
        ErrorKind::NotConnected | ErrorKind::AddrNotAvailable => CloseReason::Unreachable,
        _ => CloseReason::Failed,
    }
}
