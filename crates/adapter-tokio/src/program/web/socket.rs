//! A WebSocket that writes one message at a time and knows when its page has gone.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink, Stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

/// The server's end of a WebSocket.
pub(super) struct Socket {
    inner: WebSocket,
    /// Something is written that has not left.
    dirty: bool,
    pings: Interval,
    heard: Instant,
}

/// How the other end has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It said so (RFC 6455 §7.1.2).
    Closed,
    /// The connection broke, or went against the protocol.
    Lost(String),
}

/// Whoever is told this close code has sent what no WebSocket sends (RFC 6455 §7.4.1).
const PROTOCOL_ERROR: u16 = 1002;
/// A page that is alive answers a ping at once, a tab in the background too: the browser does it.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a page may say nothing, not even that it has got a ping.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the last message may take, with the other end's answer.
const FAREWELL: Duration = Duration::from_secs(5);
/// The longest reason of a close frame, in bytes (RFC 6455 §5.5).
const LONGEST_REASON: usize = 123;

impl Socket {
    pub(super) fn new(inner: WebSocket) -> Self {
        let now = Instant::now();
        let mut pings = interval_at(now + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { inner, dirty: false, pings, heard: now }
    }

    /// Ready when all that was written has left: time for the next message.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.dirty {
            ready!(Pin::new(&mut self.inner).poll_flush(cx)).map_err(lost)?;
            self.dirty = false;
        }
        Pin::new(&mut self.inner).poll_ready(cx).map_err(lost)
    }

    /// Writes a message; to be called when [`Self::poll_ready`] is.
    pub(super) fn start(&mut self, message: Message) -> Result<(), Gone> {
        self.dirty = true;
        Pin::new(&mut self.inner).start_send(message).map_err(lost)
    }

    /// The next message: bytes or text.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Gone>> {
        loop {
            let message = match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Err(lost(error))),
                None => return Poll::Ready(Err(Gone::Lost("the connection ended".to_owned()))),
            };
            self.heard = Instant::now();
            match message {
                Message::Text(_) | Message::Binary(_) => return Poll::Ready(Ok(message)),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return Poll::Ready(Err(Gone::Closed)),
            }
        }
    }

    /// Ready when it is time for a ping, with the ping; an error if the other end has been silent for too long. While nobody
    /// wants to read (`deaf`), silence says nothing.
    pub(super) fn poll_ping(&mut self, cx: &mut Context<'_>, deaf: bool) -> Poll<Result<Message, Gone>> {
        ready!(self.pings.poll_tick(cx));
        if deaf {
            self.heard = Instant::now();
        }
        let silent = self.heard.elapsed();
        if silent > SILENCE {
            return Poll::Ready(Err(Gone::Lost(format!("no sign of life for {} s", silent.as_secs()))));
        }
        Poll::Ready(Ok(Message::Ping(Default::default())))
    }

    /// Lets the other end have the answer to its goodbye (RFC 6455 §5.5.1), which it waits for.
    pub(super) async fn answer(&mut self) {
        // Whoever does not listen is not waited for, and an error is that it has gone.
        let _ = timeout(FAREWELL, poll_fn(|cx| Pin::new(&mut self.inner).poll_flush(cx))).await;
    }

    /// Says the last words, and waits a moment until the other end has them: a connection that is dropped with something
    /// unread in it is reset, and takes them along.
    pub(super) async fn close(mut self, last: Option<Message>, code: u16, reason: &str) {
        let farewell = async {
            for message in last.into_iter().chain([Message::Close(Some(frame(code, reason)))]) {
                if self.inner.send(message).await.is_err() {
                    return;
                }
            }
            while let Some(Ok(_)) = self.inner.recv().await {}
        };
        // Whoever does not listen is not waited for.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

impl Gone {
    /// Whoever has said goodbye is answered; whoever has gone against the protocol may still be there, and is told so.
    pub(super) async fn farewell(self, mut page: Socket) {
        match self {
            Self::Closed => page.answer().await,
            Self::Lost(why) => page.close(None, PROTOCOL_ERROR, &why).await,
        }
    }
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    let end =
        (0..=reason.len().min(LONGEST_REASON)).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    CloseFrame { code, reason: reason[..end].into() }
}

fn lost(error: axum::Error) -> Gone {
    Gone::Lost(error.to_string())
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the page has closed it"),
            Self::Lost(why) => write!(f, "the page is gone: {}", why.to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_its_frame_and_stays_text() {
        assert_eq!(frame(1008, "no").reason.as_str(), "no");
        assert_eq!(frame(1008, &"ä".repeat(62)).reason.as_str(), "ä".repeat(61));
        assert_eq!(frame(1008, &"x".repeat(200)).reason.len(), 123);
    }
}
