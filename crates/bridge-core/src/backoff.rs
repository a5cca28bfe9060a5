//! Back-off between attempts, and the ladder for a network that stays stuck.

use crate::config::{Backoff, Ladder};
use crate::event::{PeerIndex, Step};
use crate::time::Duration;

/// The attempts so far: failures in a row, the peer that is tried, and the dice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempts {
    /// Never 0: the state of an xorshift generator (Marsaglia, "Xorshift RNGs", 2003).
    dice: u32,
    failures: u16,
    peer: u8,
}

impl Attempts {
    /// `seed` should differ from device to device.
    pub(crate) const fn new(seed: u32) -> Self {
        Self { dice: if seed == 0 { 0x9E37_79B9 } else { seed }, failures: 0, peer: 0 }
    }

    pub(crate) const fn failures(&self) -> u16 {
        self.failures
    }

    pub(crate) const fn peer(&self) -> PeerIndex {
        PeerIndex(self.peer)
    }

    /// A connection has lasted.
    pub(crate) const fn worked(&mut self) {
        self.failures = 0;
    }

    /// One more failure: goes on to the next peer, and returns the step to take, when it is time to.
    pub(crate) fn failed(&mut self, ladder: &Ladder, peers: u8) -> Option<Step> {
        self.failures = self.failures.saturating_add(1);
        // There is no multiple of 0 but 0, and there was a failure.
        let due = |after: u16| self.failures.is_multiple_of(after);
        let (next_peer, restart, reset) =
            (due(ladder.next_peer), due(ladder.restart), due(ladder.reset_radio));
        if next_peer {
            self.peer = if self.peer + 1 < peers { self.peer + 1 } else { 0 };
        }
        if restart {
            Some(Step::Restart)
        } else if reset {
            Some(Step::ResetRadio)
        } else {
            None
        }
    }

    /// The pause before the next attempt.
    pub(crate) fn pause(&mut self, backoff: &Backoff) -> Duration {
        let doublings = u32::from(self.failures.saturating_sub(1));
        let doubled = backoff.first.as_micros().checked_shl(doublings).unwrap_or(u64::MAX);
        let overflowed = doubled >> doublings.min(63) != backoff.first.as_micros();
        let bound = if overflowed { backoff.max } else { Duration::from_micros(doubled).min(backoff.max) };
        if backoff.jitter { self.share(bound) } else { bound }
    }

    /// An even draw from zero to `bound`.
    fn share(&mut self, bound: Duration) -> Duration {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        let (bound, dice) = (bound.as_micros(), u64::from(self.dice));
        let high = (bound >> 32) * dice;
        let low = ((bound & 0xFFFF_FFFF) * dice) >> 32;
        Duration::from_micros(high + low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        max: Duration::from_secs(30),
        jitter: false,
        stable_after: Duration::from_secs(10),
    };
    const NO_LADDER: Ladder = Ladder { next_peer: 0, reset_radio: 0, restart: 0, no_ip: Duration::NEVER };

    #[test]
    fn pauses_double_up_to_the_bound_and_never_overflow() {
        let mut attempts = Attempts::new(1);
        let mut seconds = [0; 8];
        for second in &mut seconds {
            attempts.failed(&NO_LADDER, 1);
            *second = attempts.pause(&BACKOFF).as_micros() / 1_000_000;
        }
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
        for _ in 0..70_000 {
            attempts.failed(&NO_LADDER, 1);
            assert_eq!(attempts.pause(&BACKOFF), BACKOFF.max);
        }
    }

    #[test]
    fn jitter_fills_the_whole_range_and_differs_between_seeds() {
        let jittery = Backoff { jitter: true, ..BACKOFF };
        let draw = |seed| {
            let mut attempts = Attempts::new(seed);
            core::array::from_fn::<u64, 64, _>(|_| attempts.pause(&jittery).as_micros())
        };
        let draws = draw(7);
        assert!(draws.iter().all(|&us| us < 1_000_000));
        assert!(draws.iter().any(|&us| us < 250_000) && draws.iter().any(|&us| us > 750_000));
        assert_ne!(draws, draw(8));
    }

    /// The first numbers of the generator with the shifts 13, 17 and 5, from 1 on.
    #[test]
    fn each_draw_is_the_same_share_of_any_bound() {
        let numbers = [270_369, 67_634_689, 2_647_435_461, 307_599_695];
        for shares_of_2_32 in [1, 3, 1 << 20] {
            let bound = Duration::from_micros(shares_of_2_32 << 32);
            let backoff = Backoff { first: bound, max: bound, jitter: true, ..BACKOFF };
            let mut attempts = Attempts::new(1);
            let draws = numbers.map(|_| attempts.pause(&backoff).as_micros());
            assert_eq!(draws, numbers.map(|number| number * shares_of_2_32));
        }
        let half = Duration::from_micros(1 << 31);
        let backoff = Backoff { first: half, max: half, jitter: true, ..BACKOFF };
        let mut attempts = Attempts::new(1);
        assert_eq!(numbers.map(|_| attempts.pause(&backoff).as_micros()), numbers.map(|number| number / 2));
    }

    #[test]
    fn ladder_goes_to_the_next_peer_then_the_radio_then_a_restart() {
        let ladder = Ladder { next_peer: 1, reset_radio: 2, restart: 4, no_ip: Duration::NEVER };
        let mut attempts = Attempts::new(1);
        let steps: [_; 4] = core::array::from_fn(|_| (attempts.failed(&ladder, 3), attempts.peer().0));
        assert_eq!(steps, [(None, 1), (Some(Step::ResetRadio), 2), (None, 0), (Some(Step::Restart), 1)]);
    }
}
