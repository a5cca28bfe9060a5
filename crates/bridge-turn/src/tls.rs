//! TLS over any other way to the peers: one connection after another, its ciphertext, and what the transport has of it.

mod net;

use core::borrow::Borrow;
use core::task::{Context, Poll};
use core::time::Duration;

use uartbridge_core::{Acks, CloseReason, PeerIndex};
use uartbridge_tls::{Client, Config, Event, Failure, SetupError, Standing};

use crate::ends::{Net, SockRead};

/// The way to the peers by TLS over `N`, which is usually TCP. The connection counts as up once the server
/// has accepted this client, and what is acknowledged is plaintext whose records the peer's TCP holds whole.
///
/// The heap holds rustls' state of one connection at a time; `I` and `O` hold ciphertext (`&'static mut [u8]`, …).
pub struct Tls<C, N: Net, I, O> {
    net: N,
    config: C,
    client: Session<I, O>,
    peer: PeerIndex,
    /// Of the present turn.
    now: Duration,
    /// Bytes of ciphertext that the socket took.
    sent: u64,
    /// Why the socket takes or gives no more.
    broken: Option<N::Why>,
    shut: Shut,
    /// The transport was asked what it has acknowledged, and has not answered yet.
    asking: bool,
}

/// The connection, or the buffers of the next one.
#[expect(clippy::large_enum_variant, reason = "it lies in the task's memory, which is there either way")]
enum Session<I, O> {
    None((I, O)),
    Some(Client<I, O>),
    /// For a moment, while one becomes the other.
    Moving,
}

/// How far our own end of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    No,
    /// `close_notify` is on its way, and the FIN comes after it.
    Saying,
    Said,
}

impl<C, N: Net, I, O> Tls<C, N, I, O>
where
    C: Borrow<Config>,
    N::Why: From<Failure>,
    I: AsRef<[u8]> + AsMut<[u8]>,
    O: AsRef<[u8]> + AsMut<[u8]>,
{
    /// TLS to the `peers` servers that `net` knows. `input` should hold [`INPUT_FOR_ANY_RECORD`](uartbridge_tls::INPUT_FOR_ANY_RECORD)
    /// bytes, or the servers must be told to send smaller records; 4 KiB of `output` are enough.
    ///
    /// # Errors
    /// A server's name that no certificate can be for, buffers that are too small, a provider that does not work.
    pub fn new(net: N, peers: u8, config: C, input: I, output: O) -> Result<Self, SetupError> {
        let mut buffers = (input, output);
        for peer in 0..peers {
            let name = net.server(PeerIndex(peer));
            buffers = Client::new(config.borrow(), name, buffers.0, buffers.1)?.into_buffers();
        }
        Ok(Self {
            net,
            config,
            client: Session::None(buffers),
            peer: PeerIndex(0),
            now: Duration::ZERO,
            sent: 0,
            broken: None,
            shut: Shut::No,
            asking: false,
        })
    }

    fn hang_up(&mut self) {
        self.client = match core::mem::replace(&mut self.client, Session::Moving) {
            Session::Some(client) => Session::None(client.into_buffers()),
            buffers @ (Session::None(_) | Session::Moving) => buffers,
        };
        (self.sent, self.broken, self.shut, self.asking) = (0, None, Shut::No, false);
    }

    /// The transport is there: begins to speak TLS on it.
    fn begin(&mut self) -> Result<(), N::Why> {
        let Session::None(buffers) = core::mem::replace(&mut self.client, Session::Moving) else {
            return Err(CloseReason::Failed.into());
        };
        let (session, result) = match Client::reuse(self.config.borrow(), self.net.server(self.peer), buffers)
        {
            Ok(client) => (Session::Some(client), Ok(())),
            // Names and buffers were found good at the start, so it is the cryptography.
            Err((_, buffers)) => (Session::None(buffers), Err(Failure::Provider.into())),
        };
        self.client = session;
        result
    }

    /// The handshake: what can be done of it now.
    fn shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<Result<Acks, N::Why>> {
        loop {
            let flushed = self.flush(cx);
            // Silence after the acknowledgement of the handshake may be the proof that is still missing.
            self.look_at_acks_in_time(cx);
            let Session::Some(client) = &self.client else {
                return Poll::Pending;
            };
            match client.standing() {
                Standing::Up | Standing::PeerClosed => return Poll::Ready(Ok(Acks::Peer)),
                // What is still to be said tells the server the reason.
                Standing::Over(_) if flushed.is_pending() => return Poll::Pending,
                Standing::Over(failure) => {
                    let failure = failure.unwrap_or(Failure::ClosedInHandshake);
                    let why = match (self.broken.take(), failure) {
                        (Some(why), Failure::ClosedInHandshake | Failure::ClosedUnproven) => why,
                        (_, failure) => failure.into(),
                    };
                    self.hang_up();
                    self.net.abort();
                    return Poll::Ready(Err(why));
                }
                Standing::Connecting => {}
            }
            // Nobody reads plaintext yet; it waits.
            if self.receive(cx, &mut []).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Reads ciphertext; how much plaintext that made. The end of it makes none, and is looked at by the caller.
    fn receive(&mut self, cx: &mut Context<'_>, plain: &mut [u8]) -> Poll<usize> {
        let Session::Some(client) = &mut self.client else {
            return Poll::Pending;
        };
        let room = client.ports().rx;
        if room.is_empty() {
            return Poll::Pending;
        }
        let Poll::Ready(read) = self.net.poll_read(cx, room) else {
            return Poll::Pending;
        };
        let told = match read {
            SockRead::Bytes(count, _) => client.receive(self.now, count, plain),
            SockRead::Ended => client.handle(self.now, Event::Eof).map(|()| 0),
            SockRead::Failed(why) => {
                self.broken.get_or_insert(why);
                client.handle(self.now, Event::Eof).map(|()| 0)
            }
        };
        debug_assert!(told.is_ok(), "no more than was lent");
        Poll::Ready(told.unwrap_or(0))
    }

    /// Writes all ciphertext that waits.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), N::Why>> {
        let Session::Some(client) = &mut self.client else {
            return Poll::Ready(Ok(()));
        };
        loop {
            let tx = client.ports().tx;
            if tx.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(why) = &self.broken {
                return Poll::Ready(Err(why.clone()));
            }
            match self.net.poll_write(cx, [tx, &[]]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) => {
                    self.sent += count as u64;
                    let told = client.handle(self.now, Event::Tx(count));
                    debug_assert_eq!(told, Ok(()), "no more than was lent");
                }
                Poll::Ready(Err(why)) => self.broken = Some(why),
            }
        }
    }

    fn look_at_acks_in_time(&mut self, cx: &mut Context<'_>) {
        let due = match &self.client {
            Session::Some(client) => client.poll_timeout().is_some_and(|at| at <= self.now),
            Session::None(_) | Session::Moving => false,
        };
        let answered = self.net.take_answer(cx);
        self.asking &= !answered;
        if due && !answered && !self.asking {
            self.asking = !self.net.ask();
        }
        if answered || due && !self.asking {
            self.look_at_acks();
        }
    }

    fn look_at_acks(&mut self) {
        let Session::Some(client) = &mut self.client else {
            return;
        };
        let acked = match self.net.unacked() {
            Some(unacked) => self.sent.saturating_sub(unacked as u64),
            // Where nobody can be asked, what the transport took must do.
            None => self.sent,
        };
        let told = client.handle(self.now, Event::Acked(acked));
        debug_assert_eq!(told, Ok(()), "no more than was written");
    }

    /// A failure, or what the transport has said if that says more.
    fn why(&self, failure: Failure) -> N::Why {
        match (&self.broken, failure) {
            (Some(why), Failure::Truncated) => why.clone(),
            (_, failure) => failure.into(),
        }
    }
}
