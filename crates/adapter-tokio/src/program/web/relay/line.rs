//! The server's side of a relay: a TCP connection, what is to be written to it, and letting it go so that nobody is told what is
//! not so.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use uartbridge::ends::{Sock, SockRead};
use uartbridge::sock::{Alarm, NetSock};

use super::stream::Streams;
use super::words::Why;

/// A TCP connection that is open.
pub(super) struct Line {
    sock: NetSock,
    pub(super) streams: Streams,
    /// Tells of a break that nobody meets by reading or writing.
    alarm: Alarm,
    fin: bool,
    /// The peer has sent its FIN, and all that came before it was read.
    pub(super) down_ended: bool,
    /// Why the peer takes no more. What it sent before can still be read.
    pub(super) broken: Option<Why>,
    /// When to look again whether the peer has acknowledged all; nothing wakes us for that.
    look: Interval,
    buffer: Box<[u8]>,
}

/// What a connection has carried, in bytes.
pub(super) struct Sums {
    /// Written to the peer, and acknowledged by it.
    pub(super) up: u64,
    pub(super) acked: u64,
    pub(super) down: u64,
}

/// How much is read at once. TCP hands over more only where the page has lagged behind.
const PIECE: usize = 16 << 10;
/// How often to look for acknowledgements at the end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the last bytes may take after their page has gone in order.
const LAST_BYTES: Duration = Duration::from_secs(30);
/// The same while the program stops.
const STOPPING: Duration = Duration::from_secs(2);

impl Line {
    pub(super) fn new(sock: NetSock, streams: Streams, alarm: Alarm) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let buffer = vec![0; PIECE].into();
        Self { sock, streams, alarm, fin: false, down_ended: false, broken: None, look, buffer }
    }

    /// Bytes that the peer's TCP has acknowledged.
    pub(super) fn acked(&mut self) -> u64 {
        // Whoever cannot be asked has acknowledged nothing new.
        self.streams.up.unacked(self.sock.unacked().unwrap_or(usize::MAX), self.fin)
    }

    /// Whether both sides have ended it.
    pub(super) fn is_over(&self) -> bool {
        self.fin && self.down_ended && self.broken.is_none()
    }

    /// Notices a connection that is broken, also while there is nothing to write and no room to read into.
    pub(super) fn heed(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_none() && self.alarm.poll(cx).is_ready() {
            let error = tcp(&self.sock).and_then(TcpStream::take_error);
            let error = error.unwrap_or_else(Some);
            self.broke(&error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()));
        }
    }

    /// Writes what waits, and the FIN after it. True if something has moved.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
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

    /// Reads at most so much; no bytes are the end.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<&[u8]>> {
        let room = most.min(self.buffer.len());
        match ready!(self.sock.poll_read(cx, &mut self.buffer[..room]))? {
            SockRead::Bytes(read, _) => Poll::Ready(Ok(&self.buffer[..read])),
            SockRead::Ended => {
                self.down_ended = true;
                Poll::Ready(Ok(&[]))
            }
        }
    }

    /// Ready when the peer has acknowledged all, or never will: then the connection is broken, and this is false.
    pub(super) fn poll_acked(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
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

    /// Whether the connection is broken and nothing is left to be read.
    pub(super) fn is_dead(&self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        self.broken.is_some()
            && match tcp(&self.sock).map(|tcp| tcp.poll_peek(cx, &mut byte)) {
                Ok(Poll::Ready(Ok(bytes))) => bytes == 0,
                Ok(Poll::Ready(Err(_))) | Err(_) => true,
                Ok(Poll::Pending) => false,
            }
    }

    fn broke(&mut self, error: &io::Error) {
        self.broken = Some(Why::from(error));
        self.streams.up.close();
    }

    /// Lets the connection go: in order where we have ended it, otherwise by a reset.
    pub(super) fn hang_up(mut self) -> Sums {
        if self.fin { self.sums() } else { self.abort() }
    }

    /// Lets the connection go by a reset: the page will send again what was not acknowledged.
    pub(super) fn abort(mut self) -> Sums {
        let sums = self.sums();
        // It holds the connection open.
        drop(self.alarm);
        self.sock.abort();
        sums
    }

    fn sums(&mut self) -> Sums {
        let acked = self.acked();
        Sums { up: self.streams.up.written(), acked, down: self.streams.down.sent }
    }

    /// Without its page: what came before the page's end still reaches the peer.
    pub(super) async fn finish(mut self) -> Sums {
        let _ = timeout(LAST_BYTES, self.deliver(true)).await;
        self.hang_up()
    }

    /// The program stops: what has come from the page still reaches the peer, if it is quick.
    pub(super) async fn stop(&mut self) {
        // A page that has got all acknowledged sends nothing again: the peer may see an orderly end.
        if timeout(STOPPING, self.deliver(false)).await.is_ok() && self.broken.is_none() {
            self.streams.up_ended = true;
            poll_fn(|cx| Poll::Ready(self.write(cx))).await;
        }
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
        match self.read(cx, usize::MAX) {
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => {
                self.broke(&error);
                true
            }
            Poll::Pending => false,
        }
    }
}

/// The TCP connection, which it is.
pub(super) fn tcp(sock: &NetSock) -> io::Result<&TcpStream> {
    match sock {
        NetSock::Tcp(tcp) => Ok(tcp),
        NetSock::Tls(_) | NetSock::TlsServed(_) | NetSock::Udp(_) | NetSock::Unix(_) | NetSock::Stdio(_) => {
            Err(io::Error::other("this is no TCP connection; please report this"))
        }
    }
}
