//! Writing: each call of a bridge becomes a record.

use uartbridge_core::{Action, Delimiter, Event, Instant, Misuse, PeerIndex, Sleep};

use crate::check::Check;
use crate::number::{Head, LONGEST};
use crate::record::{self, Body, kind};
use crate::setup::{self, Setup};
use crate::traced::Recorder;
use crate::{CORE_VERSION, MAGIC};

/// The most records between two checksums.
pub const CHECK_EVERY: u16 = 64;
/// The record that says that there was no room for more. A sink of bounded size keeps room for it and ends with it.
pub const FULL: [u8; 2] = [1, kind::FULL];

/// Where records go. None of them blocks the bridge.
pub trait Sink {
    /// Takes one record, whose bytes are these parts together, whole or not at all; false: it is lost. The first call brings
    /// [`MAGIC`].
    fn put(&mut self, parts: &[&[u8]]) -> bool;

    /// What came so far must stay for the rest to mean anything.
    fn keep(&mut self) {}

    /// The bridge has nothing to do now: a good time to write down what has come.
    fn pause(&mut self) {}
}

impl<S: Sink> Sink for &mut S {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        S::put(self, parts)
    }

    fn keep(&mut self) {
        S::keep(self);
    }

    fn pause(&mut self) {
        S::pause(self);
    }
}

/// Records into a sink.
#[derive(Debug)]
pub struct Tape<S> {
    sink: S,
    content: bool,
    delimiter: Option<Delimiter>,
    last: Instant,
    slept: Option<Sleep>,
    check: Check,
    unchecked: u16,
    /// Records that the sink did not take, since the last one that it took.
    lost: u64,
}

impl<S: Sink> Tape<S> {
    /// A trace of a bridge that was made of this, and has not been called yet.
    pub fn new(mut sink: S, setup: &Setup<'_>) -> Self {
        sink.put(&[&MAGIC]);
        let mut tape = Self {
            sink,
            content: setup.content,
            delimiter: setup.config.packing.delimiter,
            last: Instant::START,
            slept: None,
            check: Check::START,
            unchecked: 0,
            lost: 0,
        };
        tape.put(&[kind::CORE], CORE_VERSION.as_bytes());
        let mut body = Head::<{ setup::ROOM }>::new();
        body.byte(kind::SETUP);
        setup.write(&mut body);
        tape.put(body.as_bytes(), &[]);
        tape.own(kind::GREETING, setup.config.greeting);
        tape.own(kind::HEARTBEAT, setup.config.heartbeat.bytes);
        tape.sink.keep();
        tape
    }

    /// What people call a peer, for the story that the trace will tell. Said before the first call of the bridge.
    pub fn name(&mut self, peer: PeerIndex, name: &str) {
        self.put(&[kind::NAME, peer.0], name.as_bytes());
        self.sink.keep();
    }

    /// Records that are lost, since the last one that was kept.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Where the records go.
    pub const fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    fn own(&mut self, kind: u8, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut body = Body::new();
        body.byte(kind);
        body.number(bytes.len() as u64);
        self.put(body.as_bytes(), if self.content { bytes } else { &[] });
    }

    /// Where the bytes of the delimiter stand: packing depends on that.
    fn marks(&mut self, bytes: &[u8]) {
        let Some(delimiter) = self.delimiter else {
            return;
        };
        let mut skip = 0;
        for &byte in bytes {
            if delimiter.as_bytes().contains(&byte) {
                let mut body = Body::new();
                body.byte(kind::MARK);
                body.number(skip);
                body.byte(byte);
                self.put(body.as_bytes(), &[]);
                skip = 0;
            } else {
                skip += 1;
            }
        }
    }

    /// One record of `body` and `content`; before it, that some are missing.
    fn put(&mut self, body: &[u8], content: &[u8]) {
        if self.lost > 0 && !self.confess() {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        if !self.write(body, content) {
            self.lost = 1;
            return;
        }
        self.unchecked += 1;
        if self.unchecked >= CHECK_EVERY {
            let sum = self.check.sum().to_le_bytes();
            if self.write(&[kind::CHECK], &sum) {
                self.check = Check::START;
                self.unchecked = 0;
            } else {
                self.lost = 1;
            }
        }
    }

    /// Says how many records are missing, and what the time was when the last of them came.
    fn confess(&mut self) -> bool {
        let mut body = Body::new();
        body.byte(kind::LOST);
        body.number(self.lost);
        body.number(self.last.as_micros());
        let said = self.write(body.as_bytes(), &self.check.sum().to_le_bytes());
        if said {
            self.lost = 0;
            self.check = Check::START;
            self.unchecked = 0;
        }
        said
    }

    fn write(&mut self, body: &[u8], content: &[u8]) -> bool {
        let mut len = Head::<LONGEST>::new();
        len.number((body.len() + content.len()) as u64);
        let parts = [len.as_bytes(), body, content];
        let kept = self.sink.put(&parts);
        if kept {
            parts.iter().for_each(|part| self.check.add(part));
        }
        kept
    }

    /// How many µs have passed since the last record. A clock that runs backwards stands still here, as it does for the core.
    fn since(&self, now: Instant) -> u64 {
        now.since(self.last).as_micros()
    }
}

impl<S: Sink> Recorder for Tape<S> {
    fn told(&mut self, now: Instant, event: Event, bytes: &[u8]) {
        let content = if self.content { bytes } else { &[] };
        if !self.content && matches!(event, Event::UartRx(_)) {
            self.marks(bytes);
        }
        let mut body = Body::new();
        record::write_event(&mut body, self.since(now), event);
        self.put(body.as_bytes(), content);
        self.last = self.last.max(now);
    }

    fn refused(&mut self, misuse: Misuse) {
        let mut body = Body::new();
        record::write_refused(&mut body, misuse);
        self.put(body.as_bytes(), &[]);
    }

    fn asked(&mut self, now: Instant, action: Action) {
        let slept = self.slept.filter(|_| self.lost == 0);
        let mut body = Body::new();
        record::write_action(&mut body, self.since(now), self.last.max(now), action, slept);
        self.put(body.as_bytes(), &[]);
        self.last = self.last.max(now);
        if let Action::Sleep(sleep) = action {
            self.slept = Some(sleep).filter(|_| self.lost == 0);
            self.sink.pause();
        }
    }
}
