//! One relay: a WebSocket on one side, TCP on the other, and a loop that waits for both directions at once.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::Message;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use uartbridge::ends::{Sock, SockRead};
use uartbridge::sock::NetSock;

use super::stream::{Down, Up};
use super::words::{FromPage, Reason, ToPage, Why};
use crate::program::web::socket::{Gone, Socket};

/// A relay whose TCP connection is open.
pub(super) struct Session {
    pub(super) page: Socket,
    pub(super) sock: NetSock,
    /// `uartbridge.v1`: there are words beside the bytes.
    pub(super) words: bool,
    pub(super) up: Up,
    pub(super) down: Down,
    /// The page has said all, and a FIN is to follow it.
    pub(super) up_ended: bool,
    fin: bool,
    down_ended: bool,
    /// Why the peer takes no more. What it sent before can still be read.
    broken: Option<Why>,
    /// To be told to the page: the answer to its question; the peer's FIN.
    /// Questions that have no answer yet.
    asked: u32,
    tell_end: bool,
    /// When to look again whether the peer has acknowledged all; nothing wakes us for that.
    look: Interval,
    buffer: Box<[u8]>,
}

/// How it ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// On the peer's side, or for a reason of our own.
    Closed(Why),
    /// The page has gone.
    Left(Gone),
}

/// The longest message to the page. TCP hands over more only where the page has lagged behind.
const PIECE: usize = 16 << 10;
/// How often to look for acknowledgements at the end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the last bytes may take after their page has gone in order.
const LAST_BYTES: Duration = Duration::from_secs(30);
/// The same while the program stops.
const STOPPING: Duration = Duration::from_secs(2);

impl Session {
    pub(super) fn new(page: Socket, sock: NetSock, words: bool, up: Up, up_ended: bool) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            page,
            sock,
            words,
            up,
            down: Down::new(words),
            up_ended,
            fin: false,
            down_ended: false,
            broken: None,
            asked: 0,
            tell_end: false,
            look,
            buffer: vec![0; PIECE].into(),
        }
    }

    /// Carries bytes until either side ends it.
    pub(super) async fn run(&mut self) -> Ending {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Bytes that the peer's TCP has acknowledged.
    pub(super) fn acked(&mut self) -> u64 {
        self.up.written.saturating_sub(self.sock.unacked().unwrap_or(0) as u64)
    }

    /// All that can be done without waiting; ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            let wrote = self.write(cx);
            let heard = match self.hear(cx) {
                Ok(heard) => heard,
                Err(ending) => return Poll::Ready(ending),
            };
            let told = match self.tell(cx) {
                Ok(told) => told,
                Err(ending) => return Poll::Ready(ending),
            };
            if self.down_ended
                && !self.tell_end
                && let Some(why) = self.broken.take()
            {
                return Poll::Ready(Ending::Closed(why));
            }
            if self.fin && self.down_ended && !self.tell_end && self.broken.is_none() {
                match self.poll_acked(cx) {
                    Poll::Ready(true) => return Poll::Ready(Ending::Closed(done())),
                    // What went wrong is told in the next round.
                    Poll::Ready(false) => continue,
                    Poll::Pending => {}
                }
            }
            if !(wrote || heard || told) {
                return Poll::Pending;
            }
        }
    }

    /// Up, to the peer, and its FIN. True if something has moved.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.broken.is_none() && !self.up.next().is_empty() {
            match self.sock.poll_write(cx, [self.up.next(), &[]]) {
                Poll::Ready(Ok(written)) => self.up.wrote(written),
                Poll::Ready(Err(error)) => self.broke(&error),
                Poll::Pending => return moved,
            }
            moved = true;
        }
        if self.up_ended && !self.fin && self.broken.is_none() {
            match self.sock.poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.fin = true,
                Poll::Ready(Err(error)) => self.broke(&error),
                Poll::Pending => return moved,
            }
            moved = true;
        }
        moved
    }

    /// Ready when the peer has acknowledged all, or never will: then the connection is broken, and this is false.
    fn poll_acked(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.broken.is_none() && self.sock.unacked().unwrap_or(0) > 0 {
            ready!(self.look.poll_tick(cx));
            if let NetSock::Tcp(stream) = &self.sock
                && let Ok(Some(error)) = stream.take_error()
            {
                self.broke(&error);
                return Poll::Ready(false);
            }
        }
        Poll::Ready(self.broken.is_none())
    }

    fn broke(&mut self, error: &io::Error) {
        self.broken = Some(Why::from(error));
        self.up.clear();
    }

    /// What the page says. True if it has said something.
    fn hear(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        if !self.up.has_room() {
            return Ok(false);
        }
        let message = match self.page.poll_next(cx) {
            Poll::Ready(Ok(message)) => message,
            // A plain stream has no other way to say that it ends.
            Poll::Ready(Err(Gone::Closed)) if !self.words => {
                self.up_ended = true;
                return Err(Ending::Left(Gone::Closed));
            }
            Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
            Poll::Pending => return Ok(false),
        };
        self.obey(message).map_err(|problem| Ending::Closed(Why::new(Reason::Failed, problem)))?;
        Ok(true)
    }

    fn obey(&mut self, message: Message) -> Result<(), String> {
        match super::sort(message, self.words)? {
            super::Said::Bytes(_) if self.up_ended && self.words => {
                return Err("the page has sent bytes after its end".to_owned());
            }
            super::Said::Bytes(bytes) if self.broken.is_none() && !self.up_ended => self.up.take(bytes),
            // Nobody takes them any more; the page will hear why.
            super::Said::Bytes(_) => {}
            super::Said::Words(FromPage::Ask {}) => self.asked = self.asked.saturating_add(1),
            super::Said::Words(FromPage::End {}) => self.up_ended = true,
            super::Said::Words(FromPage::Credit { total }) => self.down.grant(total),
        }
        Ok(())
    }

    /// Down, to the page. True if something has moved.
    fn tell(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        let mut moved = false;
        loop {
            match self.page.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
                Poll::Pending => return Ok(moved),
            }
            let Some(message) =
                self.next_words(cx)?.map_or_else(|| self.next_bytes(cx), |words| Ok(Some(words)))?
            else {
                return Ok(moved);
            };
            self.page.start(message).map_err(Ending::Left)?;
            moved = true;
        }
    }

    /// What the page is to be told, if there is anything.
    fn next_words(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, Ending> {
        let deaf = !self.up.has_room();
        match self.page.poll_ping(cx, deaf) {
            Poll::Ready(Ok(ping)) => return Ok(Some(ping)),
            Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
            Poll::Pending => {}
        }
        if !self.words {
            self.tell_end = false;
            return Ok(None);
        }
        if self.asked > 0 {
            self.asked -= 1;
            let total = self.acked();
            return Ok(Some(ToPage::Acked { total }.message()));
        }
        if std::mem::take(&mut self.tell_end) {
            return Ok(Some(ToPage::End.message()));
        }
        Ok(self.up.grant().map(|total| ToPage::Credit { total }.message()))
    }

    /// What the peer has sent, as far as the page has room for it.
    fn next_bytes(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, Ending> {
        let room = self.down.room().min(self.buffer.len());
        if self.down_ended || room == 0 {
            return Ok(None);
        }
        match self.sock.poll_read(cx, &mut self.buffer[..room]) {
            Poll::Ready(Ok(SockRead::Bytes(read, _))) => {
                self.down.sent += read as u64;
                Ok(Some(Message::Binary(Bytes::copy_from_slice(&self.buffer[..read]))))
            }
            Poll::Ready(Ok(SockRead::Ended)) => match self.broken.take() {
                Some(why) => Err(Ending::Closed(why)),
                None => {
                    self.down_ended = true;
                    self.tell_end = true;
                    // A plain stream has no half: the page gets no end but that of the WebSocket.
                    self.up_ended |= !self.words;
                    self.next_words(cx)
                }
            },
            Poll::Ready(Err(error)) => {
                Err(Ending::Closed(self.broken.take().unwrap_or_else(|| Why::from(&error))))
            }
            Poll::Pending => Ok(None),
        }
    }

    /// Tells the page why this is over, and lets the TCP connection go: in order where both sides have ended it, otherwise by
    /// a reset.
    pub(super) async fn close(mut self, why: &Why) -> u64 {
        let acked = self.acked();
        let last = ToPage::Closed { reason: why.reason, text: &why.text, acked: Some(acked) };
        let last = self.words.then(|| last.message());
        if self.fin {
            drop(self.sock)
        } else {
            self.sock.abort()
        }
        self.page.close(last, 1000, &why.text).await;
        acked
    }

    /// Lets the TCP connection go by a reset: the page will send again what was not acknowledged.
    pub(super) fn abort(mut self) -> u64 {
        let acked = self.acked();
        self.sock.abort();
        acked
    }

    /// Without its page: what came before the page's end still reaches the peer.
    pub(super) async fn finish(mut self) -> u64 {
        let _ = timeout(LAST_BYTES, self.deliver(true)).await;
        let acked = self.acked();
        if self.fin {
            drop(self.sock)
        } else {
            self.sock.abort()
        }
        acked
    }

    /// The program stops: what has come from the page still reaches the peer, if it is quick.
    pub(super) async fn stop(&mut self) -> Why {
        // A page that has got all acknowledged sends nothing again: the peer may see an orderly end.
        if timeout(STOPPING, self.deliver(false)).await.is_ok() && self.broken.is_none() {
            self.up_ended = true;
            poll_fn(|cx| Poll::Ready(self.write(cx))).await;
        }
        Why::new(Reason::Failed, "the relay is stopping")
    }

    /// Writes what waits until the peer has acknowledged it; with `end`, until the peer has ended it, too.
    async fn deliver(&mut self, end: bool) {
        poll_fn(|cx| {
            loop {
                let wrote = self.write(cx);
                let read = end && !self.down_ended && self.broken.is_none() && self.discard(cx);
                if !(wrote || read) {
                    break;
                }
            }
            let over = self.up.next().is_empty() && (!end || self.down_ended && self.fin);
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

fn done() -> Why {
    Why::new(Reason::Done, "both sides have ended it")
}
