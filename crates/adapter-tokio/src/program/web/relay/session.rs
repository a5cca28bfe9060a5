//! One relay: a WebSocket on one side, TCP on the other, and a loop that waits for both directions at once.

mod ending;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::Message;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uartbridge::ends::{Sock, SockRead};
use uartbridge::sock::NetSock;

use super::alarm::Alarm;
use super::stream::Streams;
use super::words::{Reason, ToPage, Why};
use crate::program::web::socket::{Gone, Socket};

/// A relay whose TCP connection is open.
pub(super) struct Session {
    page: Socket,
    sock: NetSock,
    pub(super) streams: Streams,
    alarms: Alarms,
    fin: bool,
    down_ended: bool,
    /// Why the peer takes no more. What it sent before can still be read.
    broken: Option<Why>,
    /// The peer's FIN is to be told to the page.
    tell_end: bool,
    /// When to look again whether the peer has acknowledged all; nothing wakes us for that.
    look: Interval,
    buffer: Box<[u8]>,
}

/// What tells that a side has broken off which is not being read.
pub(super) struct Alarms {
    pub(super) peer: Alarm,
    /// Only for bare bytes: words are always read.
    pub(super) page: Option<Alarm>,
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

impl Session {
    pub(super) fn new(page: Socket, sock: NetSock, streams: Streams, alarms: Alarms) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            page,
            sock,
            streams,
            alarms,
            fin: false,
            down_ended: false,
            broken: None,
            tell_end: false,
            look,
            buffer: vec![0; PIECE].into(),
        }
    }

    /// Says that there is a connection, and carries bytes until either side ends it.
    pub(super) async fn run(&mut self, peer: &str) -> Ending {
        if self.streams.words
            && let Err(gone) = self.page.start(ToPage::Open { peer }.message())
        {
            return Ending::Left(gone);
        }
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Bytes that the peer's TCP has acknowledged.
    pub(super) fn acked(&mut self) -> u64 {
        // Whoever cannot be asked has acknowledged nothing new.
        self.streams.up.unacked(self.sock.unacked().unwrap_or(usize::MAX), self.fin)
    }

    /// All that can be done without waiting; ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            self.heed(cx);
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

    /// Notices a connection that is broken, also while there is nothing to write and no room to read into.
    fn heed(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_none() && self.alarms.peer.poll(cx).is_ready() {
            let error = self.tcp().and_then(|tcp| tcp.take_error().ok().flatten());
            self.broke(&error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()));
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match &self.sock {
            NetSock::Tcp(tcp) => Some(tcp),
            NetSock::Tls(_)
            | NetSock::TlsServed(_)
            | NetSock::Udp(_)
            | NetSock::Unix(_)
            | NetSock::Stdio(_) => None,
        }
    }

    /// Up, to the peer, and its FIN. True if something has moved.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.broken.is_none() && !self.streams.up.is_written() {
            match self.sock.poll_write(cx, self.streams.up.next()) {
                Poll::Ready(Ok(written)) => self.streams.up.wrote(written),
                Poll::Ready(Err(error)) => self.broke(&error),
                Poll::Pending => return moved,
            }
            moved = true;
        }
        if self.streams.up_ended && !self.fin && self.broken.is_none() {
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
        loop {
            self.heed(cx);
            if self.broken.is_some() {
                return Poll::Ready(false);
            }
            self.acked();
            if self.streams.up.is_acked() {
                return Poll::Ready(true);
            }
            ready!(self.look.poll_tick(cx));
        }
    }

    fn broke(&mut self, error: &io::Error) {
        self.broken = Some(Why::from(error));
        self.streams.up.close();
    }

    /// What the page says. True if it has said something.
    fn hear(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        if !self.streams.listens() {
            return match self.alarms.page.as_mut().map(|alarm| alarm.poll(cx)) {
                Some(Poll::Ready(())) => Err(Ending::Left(Gone::Lost("the connection is broken".to_owned()))),
                Some(Poll::Pending) | None => Ok(false),
            };
        }
        let message = match self.page.poll_next(cx) {
            Poll::Ready(Ok(message)) => message,
            // A plain stream has no other way to say that it ends.
            Poll::Ready(Err(Gone::Closed)) if !self.streams.words => {
                self.streams.up_ended = true;
                return Err(Ending::Left(Gone::Closed));
            }
            Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
            Poll::Pending => return Ok(false),
        };
        let obeyed = self.streams.obey(message);
        obeyed.map_err(|problem| Ending::Closed(Why::new(Reason::Failed, problem)))?;
        Ok(true)
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
        let deaf = !self.streams.listens();
        match self.page.poll_ping(cx, deaf) {
            Poll::Ready(Ok(ping)) => return Ok(Some(ping)),
            Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
            Poll::Pending => {}
        }
        if !self.streams.words {
            self.tell_end = false;
            return Ok(None);
        }
        if self.streams.asked > 0 {
            self.streams.asked -= 1;
            let total = self.acked();
            return Ok(Some(ToPage::Acked { total }.message()));
        }
        if std::mem::take(&mut self.tell_end) {
            return Ok(Some(ToPage::End.message()));
        }
        Ok(self.streams.up.grant().map(|total| ToPage::Credit { total }.message()))
    }

    /// What the peer has sent, as far as the page has room for it.
    fn next_bytes(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, Ending> {
        if self.down_ended {
            return Ok(None);
        }
        let room = self.streams.down.room().min(self.buffer.len());
        if room == 0 {
            return self.without_room(cx);
        }
        match self.sock.poll_read(cx, &mut self.buffer[..room]) {
            Poll::Ready(Ok(SockRead::Bytes(read, _))) => {
                self.streams.down.sent += read as u64;
                Ok(Some(Message::Binary(Bytes::copy_from_slice(&self.buffer[..read]))))
            }
            Poll::Ready(Ok(SockRead::Ended)) => match self.broken.take() {
                Some(why) => Err(Ending::Closed(why)),
                None => {
                    self.down_ended = true;
                    self.tell_end = true;
                    // A plain stream has no half: the page gets no end but that of the WebSocket.
                    self.streams.up_ended |= !self.streams.words;
                    self.next_words(cx)
                }
            },
            Poll::Ready(Err(error)) => {
                Err(Ending::Closed(self.broken.take().unwrap_or_else(|| Why::from(&error))))
            }
            Poll::Pending => Ok(None),
        }
    }

    /// A broken connection in which nothing is left needs no credit to be told.
    fn without_room(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, Ending> {
        if self.broken.is_some() && self.is_drained(cx) {
            return self.broken.take().map_or(Ok(None), |why| Err(Ending::Closed(why)));
        }
        Ok(None)
    }

    fn is_drained(&self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut byte = tokio::io::ReadBuf::new(&mut byte);
        match self.tcp().map(|tcp| tcp.poll_peek(cx, &mut byte)) {
            Some(Poll::Ready(Ok(bytes))) => bytes == 0,
            Some(Poll::Ready(Err(_))) | None => true,
            Some(Poll::Pending) => false,
        }
    }
}

fn done() -> Why {
    Why::new(Reason::Done, "both sides have ended it")
}
