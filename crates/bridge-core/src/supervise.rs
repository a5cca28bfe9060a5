//! Supervision of an open connection: when to ask for acknowledgements, and when it counts as dead.

use crate::config::Supervise;
use crate::event::Acks;
use crate::ring::Ring;
use crate::time::{Duration, Instant};

/// Ask for acknowledgements at the latest after this many bytes, so that the ring's working set stays in the cache.
const QUERY_BYTES: usize = 64 * 1024;
/// The first pause between questions when somebody is waiting for the answer, in µs; it doubles while nothing changes.
const FIRST_NAG: u64 = 1_000;

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
    /// A question is to be asked.
    pub(crate) ask: bool,
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
            ask: false,
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

    /// When to ask next, if something is in flight; `urgent` if the ring is short of room or the connection is ending.
    pub(crate) fn query_deadline(&self, config: &Supervise, up: &Ring, urgent: bool) -> Instant {
        if self.ask || !self.awaits(up) {
            return Instant::NEVER;
        }
        self.asked + if urgent { self.nag().min(config.query) } else { config.query }
    }

    /// `n` bytes were written.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.unasked = self.unasked.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        self.nags = 0;
    }

    /// Whether enough has been written since the last question.
    pub(crate) fn wrote_enough(&self, up: &Ring) -> bool {
        up.in_flight() > 0 && self.unasked as usize >= (up.capacity() / 4).clamp(1, QUERY_BYTES)
    }

    /// The question goes out.
    pub(crate) const fn asking(&mut self, now: Instant) {
        self.ask = false;
        self.asked = now;
        self.unasked = 0;
        self.nags = self.nags.saturating_add(1);
    }

    /// The pause before the next question when somebody is waiting for the answer.
    fn nag(&self) -> Duration {
        Duration::from_micros(FIRST_NAG << self.nags.min(32))
    }

    /// The answer has come; whether the peer counts as dead. Only a fresh answer can say so: after a pause of the
    /// whole device, deadlines pass although the peer is well.
    pub(crate) fn answered(&mut self, now: Instant, config: &Supervise, up: &Ring, advanced: bool) -> bool {
        if advanced {
            self.progress = now;
            self.nags = 0;
        }
        self.limit(config, up) <= now
    }

    /// When to ask for the last time. The answer decides; should none come, the usual questions go on.
    pub(crate) fn unacked_deadline(&self, config: &Supervise, up: &Ring) -> Instant {
        let limit = self.limit(config, up);
        if self.ask || self.asked >= limit { Instant::NEVER } else { limit }
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
