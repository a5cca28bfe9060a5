//! Both directions of one relay: what waits, what has gone, and who may send how much.

use std::collections::VecDeque;

use axum::extract::ws::Message;

use super::words::FromPage;
use super::{BARE, WORDS};

/// How much the page may send beyond what the peer has taken, in bytes.
pub(super) const WINDOW: u64 = 256 << 10;
/// What the relay may send before the page has granted more.
const FIRST_CREDIT: u64 = 65_536;

/// What a page has said so far, from the moment of its WebSocket on.
#[derive(Debug)]
pub(super) struct Streams {
    /// `uartbridge.v1`: there are words beside the bytes.
    pub(super) words: bool,
    pub(super) up: Up,
    pub(super) down: Down,
    /// The page has said all, and a FIN is to follow it.
    pub(super) up_ended: bool,
    /// Questions about what the peer has acknowledged that have no answer yet.
    pub(super) asked: u32,
}

/// From the page to the peer. `acked ≤ written ≤ received ≤ granted ≤ written + WINDOW`; without words nothing is granted, and
/// `received` is at most one message beyond `written + WINDOW`.
#[derive(Debug, Default)]
pub(super) struct Up {
    /// The bytes `written..received`.
    waiting: VecDeque<u8>,
    received: u64,
    written: u64,
    acked: u64,
    granted: u64,
    /// The peer takes no more: what comes is thrown away.
    closed: bool,
}

/// From the peer to the page. `sent ≤ credit`, if the page grants any.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) sent: u64,
    credit: u64,
}

impl Streams {
    pub(super) fn new(words: bool) -> Self {
        Self {
            words,
            up: Up { granted: WINDOW, ..Up::default() },
            down: Down::new(words),
            up_ended: false,
            asked: 0,
        }
    }

    /// Whether to read on. What words say must never wait behind bytes that the peer does not take: there, credit bounds the bytes.
    pub(super) fn listens(&self) -> bool {
        self.words || (self.up.waiting.len() as u64) < WINDOW
    }

    /// Does what a message says.
    ///
    /// # Errors
    /// It goes against the protocol: in words for the page.
    pub(super) fn obey(&mut self, message: Message) -> Result<(), String> {
        match message {
            Message::Binary(_) if self.words && self.up_ended => {
                return Err("the page has sent bytes after its end".to_owned());
            }
            Message::Binary(bytes) => {
                self.up.take(&bytes);
                if self.words && self.up.received > self.up.granted {
                    let Up { received, granted, .. } = self.up;
                    return Err(format!("the page has sent {received} bytes, and its credit was {granted}"));
                }
            }
            Message::Text(text) if self.words => match FromPage::read(&text)? {
                FromPage::Ask {} => self.asked = self.asked.saturating_add(1),
                FromPage::End {} => self.up_ended = true,
                FromPage::Credit { total } => self.down.grant(total),
            },
            Message::Text(_) => return Err(format!("{BARE} has no text messages; {WORDS} has")),
            // They never come here.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
        Ok(())
    }
}

impl Up {
    fn take(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if !self.closed {
            self.waiting.extend(bytes);
        }
    }

    /// What is to be written next, in two parts; empty if there is nothing.
    pub(super) fn next(&self) -> [&[u8]; 2] {
        let (first, second) = self.waiting.as_slices();
        [first, second]
    }

    pub(super) fn is_written(&self) -> bool {
        self.waiting.is_empty()
    }

    /// So much of [`Self::next`] was written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
        self.waiting.drain(..bytes);
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// So much of the output is not acknowledged, the FIN included if it was sent: that takes a place in the sequence, too (RFC
    /// 9293 §3.4). What is acknowledged in all.
    pub(super) fn unacked(&mut self, queue: usize, fin: bool) -> u64 {
        let sent = self.written + u64::from(fin);
        self.acked = self.acked.max(sent.saturating_sub(queue as u64).min(self.written));
        self.acked
    }

    /// All that was written is known to be acknowledged.
    pub(super) fn is_acked(&self) -> bool {
        self.acked == self.written
    }

    /// The peer takes no more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.waiting.clear();
    }

    /// A new total for the page, once it is worth a message.
    pub(super) fn grant(&mut self) -> Option<u64> {
        let total = self.written + WINDOW;
        let worth = total - self.granted >= WINDOW / 4;
        worth.then(|| {
            self.granted = total;
            total
        })
    }
}

impl Down {
    /// For a page that grants, or for one that takes what comes.
    fn new(grants: bool) -> Self {
        Self { sent: 0, credit: if grants { FIRST_CREDIT } else { u64::MAX } }
    }

    /// How much may be sent now, and be read for that.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.credit.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }

    /// The page may be sent so much in all; an old message does not take anything back.
    fn grant(&mut self, total: u64) {
        self.credit = self.credit.max(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: u64) -> Message {
        Message::Binary(vec![7; count as usize].into())
    }

    #[test]
    fn the_page_gets_credit_for_what_the_peer_takes() {
        let mut streams = Streams::new(true);
        assert_eq!(streams.up.grant(), None, "it knows its first credit");
        streams.obey(bytes(WINDOW)).expect("within its credit");
        streams.obey(bytes(0)).expect("nothing");
        assert!(streams.listens(), "to words");
        streams.up.wrote(WINDOW as usize / 4 - 1);
        assert_eq!(streams.up.grant(), None, "not worth a message yet");
        streams.up.wrote(1);
        assert_eq!(streams.up.grant(), Some(WINDOW + WINDOW / 4));
        streams.obey(bytes(WINDOW / 4)).expect("within its credit");
        while !streams.up.is_written() {
            streams.up.wrote(streams.up.next()[0].len());
        }
        assert_eq!((streams.up.written(), streams.up.grant()), (WINDOW * 5 / 4, Some(WINDOW * 9 / 4)));
        let problem = streams.obey(bytes(WINDOW + 1)).expect_err("beyond its credit");
        assert_eq!(problem, "the page has sent 589825 bytes, and its credit was 589824");
    }

    #[test]
    fn bare_bytes_are_not_read_while_many_wait() {
        let mut streams = Streams::new(false);
        streams.obey(bytes(WINDOW - 1)).expect("bytes");
        assert!(streams.listens());
        streams.obey(bytes(4 * WINDOW)).expect("there is no credit to overdraw");
        assert!(!streams.listens());
        streams.up.close();
        assert!(streams.listens(), "nobody takes them, but their end is of interest");
        streams.obey(bytes(4 * WINDOW)).expect("bytes");
        assert!(streams.listens() && streams.up.is_written());
    }

    #[test]
    fn a_fin_is_no_byte_and_what_was_acknowledged_stays_so() {
        let mut up = Streams::new(true).up;
        up.take(b"hello");
        up.wrote(5);
        assert_eq!((up.unacked(5, false), up.unacked(2, false), up.is_acked()), (0, 3, false));
        assert_eq!(up.unacked(3, true), 3, "hel and lo, FIN");
        assert_eq!((up.unacked(1, true), up.is_acked()), (5, true), "FIN");
        assert_eq!((up.unacked(0, true), up.unacked(usize::MAX, true)), (5, 5));
    }

    #[test]
    fn credit_is_never_taken_back() {
        let mut down = Down::new(true);
        assert_eq!(down.room(), 65_536);
        down.sent = 65_536;
        assert_eq!(down.room(), 0);
        down.grant(65_540);
        down.grant(10);
        assert_eq!(down.room(), 4);
        assert!(Down::new(false).room() > 1 << 30);
    }
}
