//! A WebSocket between page and relay: messages of any kind on the relay's side, and what either side says, understood by the other.

// The program's own, which are no part of its library.
#[path = "../../../crates/adapter-tokio/src/program/web/relay/stream.rs"]
mod stream;
#[path = "../../../crates/adapter-tokio/src/program/web/relay/words.rs"]
mod words;

use axum::extract::ws::Message;
use serde_json::Value;
use uartbridge_core::CloseReason;
use uartbridge_wasm::relay::{ASK, BARE, END, Fields, Says, V1 as WORDS, credit, read};

use crate::script::Script;
use stream::{Streams, WINDOW};
use words::{Reason, ToPage, Why};

/// How far a relay got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Bytes that the page sent, and that the peer took.
    pub received: u64,
    /// See `received`.
    pub written: u64,
    /// Totals granted to the page.
    pub grants: usize,
    /// Words that were obeyed.
    pub obeyed: usize,
    /// Words of either side that the other understood.
    pub understood: usize,
    /// Why the page's connection was closed.
    pub refused: Option<String>,
}

/// One run: a page, and what becomes of its messages.
///
/// # Panics
/// A byte is lost, damaged or out of order, more is held than may be, or one side does not understand the other.
pub fn run(data: &[u8]) -> Depth {
    let mut script = Script::new(data);
    let mut relay = Relay::new(script.flag());
    while !script.ended() && relay.depth.refused.is_none() {
        relay.happens(&mut script);
        if relay.depth.refused.is_none() {
            relay.check();
        }
    }
    relay.depth
}

/// The relay's side, and what must be true of it.
struct Relay {
    streams: Streams,
    acked: u64,
    granted: u64,
    credit: u64,
    /// The peer takes no more.
    closed: bool,
    depth: Depth,
}

/// The byte at an offset of the stream.
fn pattern(at: u64) -> u8 {
    (at ^ at >> 8) as u8
}

impl Relay {
    fn new(words: bool) -> Self {
        let credit = if words { 65_536 } else { u64::MAX };
        let streams = Streams::new(words);
        Self { streams, acked: 0, granted: WINDOW, credit, closed: false, depth: Depth::default() }
    }

    fn happens(&mut self, script: &mut Script<'_>) {
        match script.byte() % 12 {
            0..=2 => self.bytes(script.size() as u64 * if script.flag() { 16 } else { 1 }),
            3 => {
                let length = script.size();
                let text = String::from_utf8_lossy(script.take(length)).into_owned();
                self.page_reads(&text);
                self.words(text);
            }
            4 => self.page_says(script),
            5 | 6 => self.peer_takes(script.size() * 16),
            7 => {
                let acked = self.streams.up.unacked(script.size(), script.flag());
                assert!((self.acked..=self.depth.written).contains(&acked));
                assert_eq!(self.streams.up.is_acked(), acked == self.depth.written);
                self.acked = acked;
            }
            8 => {
                if let Some(total) = self.streams.up.grant() {
                    assert!(total > self.granted);
                    self.granted = total;
                    self.depth.grants += 1;
                    self.understands(&ToPage::Credit { total }, &Says::Credit(total));
                }
            }
            9 => self.peer_sends(script.size() as u64),
            10 => self.relay_says(script),
            _ => {
                self.closed |= script.byte() == 255;
                if self.closed {
                    self.streams.up.close();
                }
            }
        }
    }

    /// A message of bytes, if the relay reads on.
    fn bytes(&mut self, count: u64) {
        if !self.streams.listens() {
            return;
        }
        let from = self.depth.received;
        let message: Vec<u8> = (from..from + count).map(pattern).collect();
        let obeyed = self.streams.obey(Message::Binary(message.into()));
        let words = self.streams.words;
        let allowed = !words || !self.streams.up_ended && from + count <= self.granted;
        assert_eq!(obeyed.is_ok(), allowed, "{obeyed:?}");
        self.depth.received += if obeyed.is_ok() { count } else { 0 };
        self.depth.refused = obeyed.err();
    }

    /// A message of words, whatever they are.
    fn words(&mut self, text: String) {
        let seen = |streams: &Streams| (streams.asked, streams.up_ended, streams.down.room());
        let before = seen(&self.streams);
        let obeyed = self.streams.obey(Message::Text(text.into()));
        let after = seen(&self.streams);
        let changes = [before.0 != after.0, before.1 != after.1, before.2 != after.2];
        let changes = changes.into_iter().filter(|changed| *changed).count();
        assert!(changes <= usize::from(obeyed.is_ok()), "{before:?}, {after:?}");
        assert!(after.0 >= before.0 && after.1 >= before.1 && after.2 >= before.2);
        self.credit = self.streams.down.sent.saturating_add(after.2 as u64).max(self.credit);
        self.depth.obeyed += usize::from(obeyed.is_ok());
        self.depth.refused = obeyed.err();
    }

    /// What a page of ours says is understood, where there are words.
    fn page_says(&mut self, script: &mut Script<'_>) {
        match script.byte() % 4 {
            0 => {
                self.words(ASK.to_owned());
                assert!(self.streams.asked > 0 || !self.streams.words);
            }
            1 => {
                self.words(END.to_owned());
                assert!(self.streams.up_ended || !self.streams.words);
            }
            _ => {
                let total = script.number();
                self.words(credit(total));
                let known = self.streams.down.sent.saturating_add(self.streams.down.room() as u64);
                assert!(known >= total || !self.streams.words, "{known} of {total}");
            }
        }
        self.depth.understood += usize::from(self.depth.refused.is_none());
        assert_eq!(self.depth.refused.is_none(), self.streams.words, "{:?}", self.depth.refused);
    }

    fn peer_takes(&mut self, most: usize) {
        let [first, second] = self.streams.up.next();
        let written = self.depth.written;
        let taken: Vec<u8> = first.iter().chain(second).copied().take(most).collect();
        assert!((written..).zip(&taken).all(|(at, byte)| *byte == pattern(at)), "from {written} on");
        self.streams.up.wrote(taken.len());
        self.depth.written += taken.len() as u64;
    }

    /// The relay sends as much of it as it may.
    fn peer_sends(&mut self, most: u64) {
        self.streams.down.sent += most.min(self.streams.down.room() as u64);
    }

    /// What our relay says is understood by our page.
    fn relay_says(&mut self, script: &mut Script<'_>) {
        let (kind, total, length) = (script.byte(), script.number(), script.size());
        let text = String::from_utf8_lossy(script.take(length)).into_owned();
        match kind % 4 {
            0 => self.understands(&ToPage::Open { peer: &text }, &Says::Open(text.clone())),
            1 if total < 1 << 53 => self.understands(&ToPage::Acked { total }, &Says::Acked(total)),
            1 | 2 => self.understands(&ToPage::End, &Says::End),
            _ => {
                let (reason, meant) = reason(kind >> 2);
                let why = Why::new(reason, text.clone());
                assert_eq!(why.code() == 1000, meant == CloseReason::Done);
                let acked = (total < 1 << 53).then_some(total);
                let closed = ToPage::Closed { reason: why.reason, text: &why.text, acked };
                self.understands(&closed, &Says::Closed(meant, text, acked));
            }
        }
    }

    fn understands(&mut self, words: &ToPage<'_>, meaning: &Says) {
        let Message::Text(text) = words.message() else { panic!("{words:?} are no words") };
        let fields = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read(&Json(fields)).as_ref(), Ok(meaning), "{text}");
        self.depth.understood += 1;
    }

    /// The page reads words that nobody vouches for.
    fn page_reads(&mut self, text: &str) {
        let Ok(fields) = serde_json::from_str(text) else { return };
        match read(&Json(fields)) {
            Ok(Says::Acked(total) | Says::Credit(total) | Says::Closed(_, _, Some(total))) => {
                assert!(total < 1 << 53, "{text}");
                self.depth.understood += 1;
            }
            Ok(Says::Open(_) | Says::Closed(..) | Says::End) => self.depth.understood += 1,
            Ok(Says::Other) => {}
            Err(problem) => assert!(problem.contains("relay"), "{problem}"),
        }
    }

    fn check(&self) {
        let Depth { received, written, .. } = &self.depth;
        let up = &self.streams.up;
        let waiting = up.next().concat().len() as u64;
        assert_eq!(up.written(), *written);
        assert_eq!(waiting, if self.closed { 0 } else { received - written });
        assert_eq!(up.is_written(), waiting == 0);
        assert!(self.granted <= written + WINDOW);
        assert!(!self.streams.words || *received <= self.granted);
        assert!(waiting < WINDOW + 65_536 * 16, "{waiting} bytes are held");
        assert!(self.streams.down.sent <= self.credit);
        assert!(self.streams.listens() || !self.streams.words);
    }
}

/// A reason of the relay's, and what a page takes it for.
fn reason(number: u8) -> (Reason, CloseReason) {
    match number % 8 {
        0 => (Reason::Done, CloseReason::Done),
        1 => (Reason::Reset, CloseReason::Reset),
        2 => (Reason::Refused, CloseReason::Refused),
        3 => (Reason::TimedOut, CloseReason::TimedOut),
        4 => (Reason::Unreachable, CloseReason::Unreachable),
        5 => (Reason::Unresolved, CloseReason::Unresolved),
        6 => (Reason::NotAllowed, CloseReason::Failed),
        _ => (Reason::Failed, CloseReason::Failed),
    }
}

/// As a browser has it.
struct Json(Value);

impl Fields for Json {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }
}
