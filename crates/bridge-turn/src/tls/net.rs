//! TLS as the loop sees it: a way to the peers like any other.

use core::borrow::Borrow;
use core::task::{Context, Poll};
use core::time::Duration;

use uartbridge_core::{Acks, CloseReason, Instant, PeerIndex};
use uartbridge_tls::{Config, Failure, Standing, State};

use super::{Session, Shut, Tls};
use crate::ends::{Net, SockRead};
use crate::host::Name;
use crate::turn::earlier;

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
