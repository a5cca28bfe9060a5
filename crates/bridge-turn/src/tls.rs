//! TLS over any other way to the peers.

use core::borrow::Borrow;
use core::task::{Context, Poll};
use core::time::Duration;

use uartbridge_core::{Acks, CloseReason, Instant, PeerIndex};
use uartbridge_tls::{Client, Config, Event, Failure, SetupError, Standing, State};

use crate::ends::{Net, SockRead};
use crate::host::Name;
use crate::turn::earlier;

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

impl<C, N: Net, I, O> Net for Tls<C, N, I, O>
where
    C: Borrow<Config>,
    N::Why: From<Failure>,
    I: AsRef<[u8]> + AsMut<[u8]>,
    O: AsRef<[u8]> + AsMut<[u8]>,
{
    type Why = N::Why;

    fn poll_ip(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        self.now = Duration::from_micros(now.as_micros());
        self.net.poll_ip(cx, now)
    }

    fn due(&self) -> Option<Instant> {
        let proof = match &self.client {
            Session::Some(client) if !self.asking => client.poll_timeout(),
            Session::Some(_) | Session::None(_) | Session::Moving => None,
        };
        // 2^64 µs are half a million years.
        let proof = proof.map(|at| Instant::from_micros(at.as_micros() as u64));
        earlier(proof, self.net.due())
    }

    fn name(&self, peer: PeerIndex) -> Name<'_> {
        Name { scheme: "tls", ..self.net.name(peer) }
    }

    fn dial(&mut self, now: Instant, peer: PeerIndex) {
        self.hang_up();
        self.peer = peer;
        self.net.dial(now, peer);
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Acks, N::Why>> {
        if let Session::None(_) = self.client {
            match self.net.poll_dial(cx, now) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(connected) => connected.and_then(|_| self.begin())?,
            };
        }
        self.shake_hands(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<SockRead<N::Why>> {
        let Session::Some(client) = &mut self.client else {
            return Poll::Pending;
        };
        let mut count = client.read_plain(buf);
        loop {
            // What is to be answered (a key update, an alert) goes out at once if it can; an error is kept for the writer.
            let _ = self.flush(cx);
            if count > 0 {
                return Poll::Ready(SockRead::Bytes(count, 0));
            }
            let Session::Some(client) = &self.client else {
                return Poll::Pending;
            };
            match client.standing() {
                Standing::PeerClosed | Standing::Over(None) => return Poll::Ready(SockRead::Ended),
                Standing::Over(Some(failure)) => return Poll::Ready(SockRead::Failed(self.why(failure))),
                Standing::Connecting | Standing::Up => {}
            }
            match self.receive(cx, buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(plain) => count = plain,
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<Result<usize, N::Why>> {
        // New records come only when the old ones have gone: what waits stays in the ring, and can be sent again.
        match self.flush(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(flushed) => flushed?,
        }
        let Session::Some(client) = &mut self.client else {
            return Poll::Pending;
        };
        let mut taken = 0;
        for part in parts {
            let count = client.write_plain(part);
            taken += count;
            if count < part.len() {
                break;
            }
        }
        if taken == 0 {
            return Poll::Ready(Err(match client.state() {
                State::Failed(failure) => self.why(failure),
                State::Handshaking | State::Unproven | State::Proven | State::Closing | State::Closed => {
                    CloseReason::Reset.into()
                }
            }));
        }
        // An error is kept, and told with the next write.
        let _ = self.flush(cx);
        Poll::Ready(Ok(taken))
    }

    fn unacked(&mut self) -> Option<usize> {
        self.look_at_acks();
        match &self.client {
            Session::Some(client) => usize::try_from(client.written() - client.acked()).ok(),
            Session::None(_) | Session::Moving => None,
        }
    }

    fn ask(&mut self) -> bool {
        self.net.ask()
    }

    fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        self.net.take_answer(cx)
    }

    fn shut(&mut self) {
        if let Session::Some(client) = &mut self.client {
            client.close();
        }
        self.shut = Shut::Saying;
    }

    /// Says `close_notify`, then sends a FIN.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.flush(cx).is_pending() {
            return Poll::Pending;
        }
        if self.shut == Shut::Saying {
            self.net.shut();
            self.shut = Shut::Said;
        }
        self.net.poll_shut(cx)
    }

    fn abort(&mut self) {
        self.hang_up();
        self.net.abort();
    }
}
