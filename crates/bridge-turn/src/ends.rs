//! What the loop needs of a UART and of a network.
//!
//! Nothing here blocks. *Pending* means not now, and that the task of `cx` will be woken when that may have changed;
//! where nobody waits for a waker (a loop without an executor) `cx` has one that does nothing.

use core::task::{Context, Poll};

use uartbridge_core::{Acks, CloseCause, CloseReason, Flow, Instant, LineErrors, PeerIndex};

use crate::host::Name;

/// A UART.
pub trait Uart {
    /// Opens it, as the loop has been asked to. Called until it is ready.
    ///
    /// # Errors
    /// It is not there; it will be asked for again later.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Reads what is there into `buf`, which is not empty.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead>;

    /// Writes a prefix of `buf`, which is not empty.
    ///
    /// # Errors
    /// The UART takes no more bytes.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant, buf: &[u8]) -> Poll<Result<usize, Gone>>;

    /// There is nothing to write: lets go of a shared line once the last bit has left (RS-485).
    fn quiet(&mut self, cx: &mut Context<'_>, now: Instant) {
        let _ = (cx, now);
    }

    /// When to call again though nothing has happened.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Tells the device to pause or to go on.
    fn flow(&mut self, flow: Flow) {
        let _ = flow;
    }
}

/// What a UART gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartRead {
    /// This many bytes, at least one, are in the buffer.
    Bytes(usize),
    /// Bytes were lost before they reached the driver's buffer.
    Errors(LineErrors),
    /// There is no UART any more; it is tried again later.
    Gone,
    /// It has ended for good, like a pipe: nothing more will come, and nothing can be written.
    Ended,
}

/// The UART takes no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A network, and the one connection that a bridge has at a time.
pub trait Net {
    /// Why a connection, or an attempt to make one, has ended.
    type Why: Why;

    /// Whether there is an address, so that connecting makes sense. `cx` is woken when that changes.
    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool;

    /// When to call again though nothing has happened.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// The peer, for people.
    fn name(&self, peer: PeerIndex) -> Name<'_>;

    /// Whom the peer's certificate must be for.
    fn server(&self, peer: PeerIndex) -> &str {
        self.name(peer).host
    }

    /// Starts to connect. The connection before it, if any, was given up by [`abort`](Self::abort).
    fn dial(&mut self, now: Instant, peer: PeerIndex);

    /// How that went: who confirms what this connection carries.
    ///
    /// # Errors
    /// There is no connection, for this reason.
    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Acks, Self::Why>>;

    /// Reads into `buf`, which is not empty.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<Self::Why>>;

    /// Writes a prefix of both parts together, or of the first alone; a datagram whole. They are not both empty.
    ///
    /// # Errors
    /// The connection is broken for writing; what the peer had sent can still be read.
    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, Self::Why>>;

    /// Bytes written that the peer's transport has not acknowledged; `None` if it cannot be asked. Still answers
    /// after the peer has closed or reset the connection.
    fn unacked(&mut self) -> Option<usize>;

    /// Asks what the peer has acknowledged. Whether [`unacked`](Self::unacked) knows it now; otherwise the answer takes a while,
    /// and [`take_answer`](Self::take_answer) tells that it has come. Each question gets an answer of its own; the core waits for
    /// it, and gives a connection up whose answers do not come.
    fn ask(&mut self) -> bool {
        true
    }

    /// Whether one more answer has come. `cx` is woken by one.
    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        let _ = cx;
        false
    }

    /// Sends a FIN after what was written; what the peer sends can still be read.
    fn shut(&mut self);

    /// Ready when the peer has that FIN.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ends the connection, or the attempt to make one, at once. What is unacknowledged is thrown away, because it
    /// will be sent again. Nothing happens after an orderly end.
    fn abort(&mut self);
}

/// A way that lies elsewhere: a large one is better in static memory than moved from place to place.
impl<N: Net> Net for &mut N {
    type Why = N::Why;

    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        N::poll_ip(self, cx, now)
    }

    fn due(&self) -> Option<Instant> {
        N::due(self)
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        N::name(self, peer)
    }

    fn server(&self, peer: PeerIndex) -> &str {
        N::server(self, peer)
    }

    fn dial(&mut self, now: Instant, peer: PeerIndex) {
        N::dial(self, now, peer);
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Acks, N::Why>> {
        N::poll_dial(self, cx, now)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<N::Why>> {
        N::poll_read(self, cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, N::Why>> {
        N::poll_write(self, cx, parts)
    }

    fn unacked(&mut self) -> Option<usize> {
        N::unacked(self)
    }

    fn ask(&mut self) -> bool {
        N::ask(self)
    }

    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        N::take_answer(self, cx)
    }

    fn shut(&mut self) {
        N::shut(self);
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        N::poll_shut(self, cx)
    }

    fn abort(&mut self) {
        N::abort(self);
    }
}

/// What a socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockRead<W> {
    /// This many bytes are in the buffer, and so many more of the same datagram were cut off.
    Bytes(usize, usize),
    /// The peer has sent its FIN.
    Ended,
    /// The connection is gone, for this reason.
    Failed(W),
}

/// A reason, in an adapter's own terms.
pub trait Why: Clone + From<CloseReason> + From<CloseCause> {
    /// In the core's.
    fn reason(&self) -> CloseReason;
}
