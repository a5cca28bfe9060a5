//! Supervision of an open connection: when to ask for acknowledgements, and when it counts as dead.

use crate::config::{Config, Supervise};
use crate::event::Acks;
use crate::ring::Ring;
use crate::time::{Duration, Instant};

/// Ask for acknowledgements at the latest after this many bytes, so that the ring's working set stays in the cache.
const QUERY_BYTES: usize = 64 * 1024;
/// The first pause between questions when somebody is waiting for the answer, in µs; it doubles while nothing changes.
const FIRST_NAG: u64 = 1_000;

/// What was asked and not answered yet. An adapter answers at once, or when its own question, to a relay for instance, is
/// answered: questions and answers keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// Nothing.
    None,
    /// Nothing; a question is to be asked.
    Due,
    /// The answer is under way.
    Asked,
    /// As `Asked`, but that answer may be old: a question for the last time is to be asked.
    AskedAndDue,
    /// Both answers are under way.
    AskedTwice,
}

/// What is known of the peer on this connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    /// When the peer last sent anything.
    pub(crate) heard: Instant,
    /// When acknowledgements last advanced, or bytes became outstanding.
    progress: Instant,
    /// When acknowledgements were last asked for, and how many bytes have been written since.
    asked: Instant,
    unasked: u32,
    /// How many questions in a row have brought nothing, since bytes were last written.
    nags: u8,
    question: Question,
    /// A greeting or a heartbeat is written, and `own_end` not acknowledged. The ring does not know of such bytes.
    own: bool,
    /// The total whose acknowledgement is awaited while `own`, its low 32 bits.
    own_end: u32,
    /// Who would answer it.
    pub(crate) acks: Acks,
}

impl Watch {
    pub(crate) const fn new(now: Instant, acks: Acks) -> Self {
        Self {
            heard: now,
            progress: now,
            asked: now,
            unasked: 0,
            nags: 0,
            question: Question::None,
            own: false,
            own_end: 0,
            acks,
        }
    }

    /// Bytes of the ring are about to be in flight.
    pub(crate) fn outstanding(&mut self, now: Instant, up: &Ring) {
        if !self.awaits(up) {
            self.progress = now;
            self.asked = now;
        }
    }

    /// A greeting or a heartbeat was written, up to the connection's byte number `total`.
    pub(crate) fn own_outstanding(&mut self, now: Instant, up: &Ring, total: u64) {
        if self.acks == Acks::Peer {
            self.outstanding(now, up);
            if !self.own {
                (self.own, self.own_end) = (true, total as u32);
            }
        }
    }

    /// The peer has `total` of the `written` bytes; whether own bytes were among those that it did not have before.
    pub(crate) const fn own_acked(&mut self, total: u64, written: u64) -> bool {
        let news = self.own && (total as u32).wrapping_sub(self.own_end) as i32 >= 0;
        if news {
            self.own = total < written;
            self.own_end = written as u32;
        }
        news
    }

    /// Whether bytes are on their way that the peer has not acknowledged.
    const fn awaits(&self, up: &Ring) -> bool {
        self.own || up.in_flight() > 0
    }

    /// When to ask next, if something is in flight and no answer is; `urgent` if the ring is short of room or the connection
    /// is ending.
    pub(crate) fn query_deadline(&self, config: &Supervise, up: &Ring, urgent: bool) -> Instant {
        if self.question != Question::None || !self.awaits(up) {
            return Instant::NEVER;
        }
        self.asked + if urgent { self.nag().min(config.query) } else { config.query }
    }

    /// `n` bytes were written.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.unasked = self.unasked.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        self.nags = 0;
    }

    /// Whether enough has been written since the last question for another one, and its answer is not under way.
    pub(crate) fn wrote_enough(&self, up: &Ring) -> bool {
        let enough = self.unasked as usize >= (up.capacity() / 4).clamp(1, QUERY_BYTES);
        self.question == Question::None && up.in_flight() > 0 && enough
    }

    /// A question is to be asked.
    pub(crate) const fn ask(&mut self) {
        self.question = match self.question {
            Question::None | Question::Due => Question::Due,
            Question::Asked | Question::AskedAndDue | Question::AskedTwice => Question::AskedAndDue,
        };
    }

    /// Whether a question goes out now; it counts as asked from then on.
    pub(crate) const fn asks(&mut self, now: Instant) -> bool {
        self.question = match self.question {
            Question::Due => Question::Asked,
            Question::AskedAndDue => Question::AskedTwice,
            Question::None | Question::Asked | Question::AskedTwice => return false,
        };
        self.asked = now;
        self.unasked = 0;
        self.nags = self.nags.saturating_add(1);
        true
    }

    /// The pause before the next question when somebody is waiting for the answer.
    fn nag(&self) -> Duration {
        Duration::from_micros(FIRST_NAG << self.nags.min(32))
    }

    /// An answer has come; whether the peer counts as dead. Only the answer to the last question can say so: after a pause of
    /// the whole device, deadlines pass although the peer is well.
    pub(crate) fn answered(&mut self, now: Instant, config: &Supervise, up: &Ring, advanced: bool) -> bool {
        self.question = match self.question {
            Question::None | Question::Asked => Question::None,
            Question::Due | Question::AskedAndDue => Question::Due,
            Question::AskedTwice => Question::Asked,
        };
        if advanced {
            self.progress = now;
            self.nags = 0;
        }
        self.question == Question::None && self.asked_last(config, up)
    }

    /// When to ask for the last time, and after that, when to wait no longer for the answer.
    pub(crate) fn unacked_deadline(&self, config: &Config<'_>, up: &Ring) -> Instant {
        match self.question {
            Question::Due | Question::AskedAndDue => Instant::NEVER,
            Question::None | Question::Asked | Question::AskedTwice => {
                if self.asked_last(&config.supervise, up) {
                    self.asked + config.close_timeout
                } else {
                    self.limit(&config.supervise, up)
                }
            }
        }
    }

    /// Whether the last question was asked: when the limit had passed.
    // A call is shorter on a small device.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn asked_last(&self, config: &Supervise, up: &Ring) -> bool {
        self.asked >= self.limit(config, up)
    }

    /// When the peer counts as dead unless it acknowledges something.
    fn limit(&self, config: &Supervise, up: &Ring) -> Instant {
        if self.awaits(up) { self.progress + config.unacked } else { Instant::NEVER }
    }

    /// When the peer counts as dead unless it sends something.
    pub(crate) fn silent_deadline(&self, config: &Supervise) -> Instant {
        self.heard + config.silent
    }
}
