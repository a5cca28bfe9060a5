//! Letting both sides of a relay go, so that neither is told what is not so.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;
use uartbridge::ends::{Sock, SockRead};

use super::{Alarms, Session};
use crate::program::web::relay::words::{Reason, ToPage, Why};
use crate::program::web::socket::Gone;

/// How long the last bytes may take after their page has gone in order.
const LAST_BYTES: Duration = Duration::from_secs(30);
/// The same while the program stops.
const STOPPING: Duration = Duration::from_secs(2);

impl Session {
    /// Tells the page why this is over, and lets the TCP connection go: in order where both sides have ended it, otherwise by
    /// a reset. What was acknowledged.
    pub(in super::super) async fn close(mut self, why: &Why) -> u64 {
        let acked = self.acked();
        let last = ToPage::Closed { reason: why.reason, text: &why.text, acked: Some(acked) };
        let last = self.streams.words.then(|| last.message());
        let Self { page, sock, alarms, fin, .. } = self;
        hang_up(sock, alarms, fin);
        page.close(last, why.code(), &why.text).await;
        acked
    }

    /// The page has gone in the middle, and will send again what was not acknowledged: the TCP connection is reset.
    pub(in super::super) async fn abort(mut self, gone: Gone) -> u64 {
        let acked = self.acked();
        let Self { page, sock, alarms, .. } = self;
        hang_up(sock, alarms, false);
        gone.farewell(page).await;
        acked
    }

    /// Without its page: what came before the page's end still reaches the peer.
    pub(in super::super) async fn finish(mut self) -> u64 {
        let _ = timeout(LAST_BYTES, self.deliver(true)).await;
        let acked = self.acked();
        let Self { sock, alarms, fin, .. } = self;
        hang_up(sock, alarms, fin);
        acked
    }

    /// The program stops: what has come from the page still reaches the peer, if it is quick.
    pub(in super::super) async fn stop(&mut self) -> Why {
        // A page that has got all acknowledged sends nothing again: the peer may see an orderly end.
        if timeout(STOPPING, self.deliver(false)).await.is_ok() && self.broken.is_none() {
            self.streams.up_ended = true;
            poll_fn(|cx| Poll::Ready(self.write(cx))).await;
        }
        Why::new(Reason::Failed, "the relay is stopping")
    }

    /// Writes what waits until the peer has acknowledged it; with `end`, until the peer has ended it, too.
    async fn deliver(&mut self, end: bool) {
        poll_fn(|cx| {
            self.heed(cx);
            loop {
                let wrote = self.write(cx);
                let read = end && !self.down_ended && self.broken.is_none() && self.discard(cx);
                if !(wrote || read) {
                    break;
                }
            }
            let over = self.streams.up.is_written() && (!end || self.down_ended && self.fin);
            if self.broken.is_some() || over { self.poll_acked(cx).map(|_| ()) } else { Poll::Pending }
        })
        .await;
    }

    /// Reads what nobody wants: a connection that is dropped with something unread in it is reset.
    fn discard(&mut self, cx: &mut Context<'_>) -> bool {
        match self.sock.poll_read(cx, &mut self.buffer) {
            Poll::Ready(Ok(SockRead::Bytes(..))) => true,
            Poll::Ready(Ok(SockRead::Ended)) => {
                self.down_ended = true;
                true
            }
            Poll::Ready(Err(error)) => {
                self.broke(&error);
                true
            }
            Poll::Pending => false,
        }
    }
}

/// Lets a TCP connection go, in order or by a reset.
fn hang_up(sock: impl Sock, alarms: Alarms, in_order: bool) {
    // They hold it open.
    drop(alarms);
    if in_order {
        drop(sock);
    } else {
        sock.abort();
    }
}
