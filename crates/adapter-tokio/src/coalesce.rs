//! Resting under a load of small messages, as network cards moderate their interrupts.
//!
//! A sender that never pauses and writes little at a time wakes the loop for each message, and then both spend their time on
//! waking and being woken. A thread that rests for a tenth of a millisecond finds many messages at once: fewer calls, less processor
//! time, and more bytes a second. That pays only while bytes gather. So a rest is tried when one round has followed another
//! without a wait for a while, and rests go on as long as each brings twice the bytes of a round without one. Peers that wait for
//! each other's answers gain nothing by it: trials become rare.
//!
//! This belongs to the thread and not to a bridge: many bridges share one wait.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A wait that is over sooner was none: more had come before the last round ended.
const AT_ONCE: Duration = Duration::from_micros(10);
/// How long bytes may gather: a sender makes a write of 64 bytes in 1 to 6 µs, and what gathers fits into a pty's 4096 bytes.
const REST: Duration = Duration::from_micros(100);
/// Rounds that bring more bytes are worth their calls.
const SMALL: u64 = 2048;
/// One wait in so many is timed: looking at the clock costs as much as a small part of the round.
const TIMED: u32 = 7;
/// How many more of the timed rounds without a wait than (twice) with one it takes until a trial; after one in vain, twice as many.
const PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 1 << 11;

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread { load: Load::new(), untimed: 0, waits_since: None }) };
}

struct Thread {
    load: Load,
    /// Waits since the last one that was timed.
    untimed: u32,
    /// When this wait has begun, if it is timed.
    waits_since: Option<Instant>,
}

/// Lets the threads of a runtime rest where that pays. For a current-thread runtime, on the thread that will run it.
pub fn coalesce(runtime: &mut tokio::runtime::Builder) {
    // Otherwise a rest may take 50 µs longer (prctl(2), PR_SET_TIMERSLACK). Where it cannot be set, it does.
    let _ = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
    runtime
        .on_thread_park(|| {
            if let Some(rest) = THREAD.with_borrow_mut(|thread| thread.load.round_ends()) {
                std::thread::sleep(rest);
            }
            THREAD.with_borrow_mut(|thread| {
                thread.untimed += 1;
                if thread.untimed >= TIMED {
                    (thread.untimed, thread.waits_since) = (0, Some(Instant::now()));
                }
            });
        })
        .on_thread_unpark(|| {
            THREAD.with_borrow_mut(|thread| {
                if let Some(since) = thread.waits_since.take() {
                    thread.load.round_begins(since.elapsed());
                }
            });
        });
}

/// Bytes were read in this round.
pub(crate) fn read(bytes: usize) {
    THREAD.with_borrow_mut(|thread| thread.load.bytes += bytes as u64);
}

/// What a thread has to do. A round is what it does between two waits.
#[derive(Debug)]
struct Load {
    /// Read in this round.
    bytes: u64,
    /// Read in a round without a rest before it, lately.
    usual: u64,
    /// Grows by one a round without a wait.
    pressure: u32,
    /// The pressure that calls for a trial.
    patience: u32,
    /// There was a rest before this round.
    rested: bool,
}

impl Load {
    const fn new() -> Self {
        Self { bytes: 0, usual: 0, pressure: 0, patience: PATIENCE, rested: false }
    }

    fn round_begins(&mut self, waited: Duration) {
        self.pressure =
            if waited < AT_ONCE { self.pressure.saturating_add(1) } else { self.pressure.saturating_sub(2) };
    }

    /// How long to rest before the next wait, if at all.
    fn round_ends(&mut self) -> Option<Duration> {
        let bytes = std::mem::take(&mut self.bytes);
        if self.rested {
            self.rested = bytes >= 2 * self.usual.max(1);
            self.patience = if self.rested { PATIENCE } else { MOST_PATIENCE.min(2 * self.patience) };
            if !self.rested {
                self.pressure = 0;
            }
        } else {
            self.usual = (7 * self.usual + bytes) / 8;
            self.rested = self.pressure >= self.patience && self.usual < SMALL;
        }
        self.rested.then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::from_micros(1);
    const WAIT: Duration = Duration::from_micros(50);

    /// Rounds of `bytes` each, after a rest of `after_rest`, each begun after `waited`: how many of them followed a rest.
    fn rests(load: &mut Load, rounds: u32, waited: Duration, bytes: u64, after_rest: u64) -> u32 {
        let mut rests = 0;
        for _ in 0..rounds {
            load.round_begins(waited);
            load.bytes += if load.rested { after_rest } else { bytes };
            rests += u32::from(load.round_ends().is_some());
        }
        rests
    }

    #[test]
    fn bytes_that_gather_are_waited_for_as_long_as_they_do() {
        let mut load = Load::new();
        assert_eq!(rests(&mut load, 1000, NO_WAIT, 64, 640), 1000 - PATIENCE + 1);
        assert_eq!(rests(&mut load, 1, NO_WAIT, 64, 64), 0, "no more than without a rest");
    }

    #[test]
    fn a_thread_that_has_to_wait_does_not_rest() {
        assert_eq!(rests(&mut Load::new(), 100_000, WAIT, 64, 640), 0);
    }

    #[test]
    fn now_and_then_a_wait_is_no_reason_against_it() {
        let mut load = Load::new();
        let rests: u32 = (0..100)
            .map(|_| rests(&mut load, 9, NO_WAIT, 64, 640) + rests(&mut load, 1, WAIT, 64, 640))
            .sum();
        assert!(rests > 800, "{rests} of 1000");
    }

    #[test]
    fn questions_and_answers_are_disturbed_ever_more_rarely() {
        let mut load = Load::new();
        assert_eq!(rests(&mut load, 7 * PATIENCE + 2, NO_WAIT, 64, 64), 3);
        let rests = rests(&mut load, 1_000_000, NO_WAIT, 64, 64);
        assert!(rests < 600, "{rests}");
    }

    #[test]
    fn large_rounds_are_worth_their_calls() {
        assert_eq!(rests(&mut Load::new(), 10_000, NO_WAIT, 65_536, 655_360), 0);
    }

    #[test]
    fn a_load_that_ends_is_not_rested_for() {
        let mut load = Load::new();
        rests(&mut load, 1000, NO_WAIT, 64, 640);
        assert!(load.rested);
        assert_eq!(rests(&mut load, 1, WAIT, 0, 0), 0);
    }
}
