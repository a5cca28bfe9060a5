//! One relay: a WebSocket on one side, TCP on the other, and a loop that waits for both directions at once.

use std::future::poll_fn;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::extract::ws::Message;
use uartbridge::sock::Alarm;

use super::line::{Line, Sums};
use super::words::{Reason, ToPage, Why};
use crate::program::web::socket::{Gone, Socket};

/// A relay whose TCP connection is open.
pub(super) struct Session {
    page: Socket,
    /// Tells of a page that has broken off while it is not read. Only for bare bytes: words are always read.
    alarm: Option<Alarm>,
    pub(super) line: Line,
    /// The peer's FIN is to be told to the page.
    tell_end: bool,
}

/// How it ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// On the peer's side, or for a reason of our own.
    Closed(Why),
    /// The page has gone.
    Left(Gone),
}

impl Session {
    pub(super) fn new(page: Socket, alarm: Option<Alarm>, line: Line) -> Self {
        Self { page, alarm, line, tell_end: false }
    }

    /// Says that there is a connection, and carries bytes until either side ends it.
    pub(super) async fn run(&mut self, peer: &str) -> Ending {
        if self.line.streams.words
            && let Err(gone) = self.page.start(ToPage::Open { peer }.message())
        {
            return Ending::Left(gone);
        }
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Tells the page why this is over, and lets the TCP connection go.
    pub(super) async fn close(mut self, why: &Why) -> Sums {
        let last = ToPage::Closed { reason: why.reason, text: &why.text, acked: Some(self.line.acked()) };
        let last = self.line.streams.words.then(|| last.message());
        let sums = self.line.hang_up();
        self.page.close(last, why.code(), &why.text).await;
        sums
    }

    /// The page has gone. If it has not said all, it will say it again on another connection, and this one is reset.
    pub(super) async fn leave(self, gone: Gone) -> Sums {
        let Self { page, alarm, line, .. } = self;
        drop(alarm);
        if line.streams.up_ended {
            // The page waits for an answer to its goodbye, and not for the server.
            tokio::join!(line.finish(), gone.farewell(page)).0
        } else {
            let sums = line.abort();
            gone.farewell(page).await;
            sums
        }
    }

    /// All that can be done without waiting; ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            self.line.heed(cx);
            let wrote = self.line.write(cx);
            let heard = match self.hear(cx) {
                Ok(heard) => heard,
                Err(ending) => return Poll::Ready(ending),
            };
            let told = match self.tell(cx) {
                Ok(told) => told,
                Err(ending) => return Poll::Ready(ending),
            };
            if self.line.down_ended
                && !self.tell_end
                && let Some(why) = self.line.broken.take()
            {
                return Poll::Ready(Ending::Closed(why));
            }
            if self.line.is_over() && !self.tell_end {
                match self.line.poll_acked(cx) {
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

    /// What the page says. True if it has said something.
    fn hear(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        let streams = &mut self.line.streams;
        if !streams.listens() {
            return match self.alarm.as_mut().map(|alarm| alarm.poll(cx)) {
                Some(Poll::Ready(())) => Err(Ending::Left(Gone::Lost("the connection is broken".to_owned()))),
                Some(Poll::Pending) | None => Ok(false),
            };
        }
        let message = match self.page.poll_next(cx) {
            Poll::Ready(Ok(message)) => message,
            Poll::Ready(Err(gone)) => {
                // A plain stream has no other way to say that it ends.
                streams.up_ended |= gone == Gone::Closed && !streams.words;
                return Err(Ending::Left(gone));
            }
            Poll::Pending => return Ok(false),
        };
        let obeyed = streams.obey(message);
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
        let deaf = !self.line.streams.listens();
        match self.page.poll_ping(cx, deaf) {
            Poll::Ready(Ok(ping)) => return Ok(Some(ping)),
            Poll::Ready(Err(gone)) => return Err(Ending::Left(gone)),
            Poll::Pending => {}
        }
        if !self.line.streams.words {
            self.tell_end = false;
            return Ok(None);
        }
        if self.line.streams.asked > 0 {
            self.line.streams.asked -= 1;
            let total = self.line.acked();
            return Ok(Some(ToPage::Acked { total }.message()));
        }
        if std::mem::take(&mut self.tell_end) {
            return Ok(Some(ToPage::End.message()));
        }
        Ok(self.line.streams.up.grant().map(|total| ToPage::Credit { total }.message()))
    }

    /// What the peer has sent, as far as the page has room for it.
    fn next_bytes(&mut self, cx: &mut Context<'_>) -> Result<Option<Message>, Ending> {
        if self.line.down_ended {
            return Ok(None);
        }
        let room = self.line.streams.down.room();
        if room == 0 {
            // A connection in which nothing is left needs no credit to be told.
            let why = if self.line.is_dead(cx) { self.line.broken.take() } else { None };
            return why.map_or(Ok(None), |why| Err(Ending::Closed(why)));
        }
        let read = self.line.read(cx, room).map_ok(Bytes::copy_from_slice);
        match read {
            Poll::Ready(Ok(bytes)) if !bytes.is_empty() => {
                self.line.streams.down.sent += bytes.len() as u64;
                Ok(Some(Message::Binary(bytes)))
            }
            Poll::Ready(Ok(_)) => match self.line.broken.take() {
                Some(why) => Err(Ending::Closed(why)),
                None => {
                    self.tell_end = true;
                    // A plain stream has no half: the page gets no end but that of the WebSocket.
                    self.line.streams.up_ended |= !self.line.streams.words;
                    self.next_words(cx)
                }
            },
            Poll::Ready(Err(error)) => {
                Err(Ending::Closed(self.line.broken.take().unwrap_or_else(|| Why::from(&error))))
            }
            Poll::Pending => Ok(None),
        }
    }
}

fn done() -> Why {
    Why::new(Reason::Done, "both sides have ended it")
}
