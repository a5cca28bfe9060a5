//! Who talks: a trail, at a pace.

use std::io;
use std::time::{Duration, Instant};

use crate::trail::Trail;

/// Says no less than this at a time, in bytes.
const PORTION: u64 = 16;

/// Talks like a line of so many bytes a second, and pauses while nobody takes what it says.
#[derive(Debug)]
pub struct Source {
    trail: Trail,
    rate: u64,
    /// Whether it goes on talking.
    pub talks: bool,
    /// Bytes that have been taken.
    pub sent: u64,
    /// Up to when it has talked; none before the first time.
    since: Option<Instant>,
    /// What is due and has not been taken.
    rest: Vec<u8>,
}

impl Source {
    pub(super) const fn new(trail: Trail, rate: u64) -> Self {
        Self { trail, rate, talks: true, sent: 0, since: None, rest: Vec::new() }
    }

    /// Says what is due at `now`, as far as `write` takes it.
    pub(super) fn say(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let since = *self.since.get_or_insert(now);
        // What nobody took in time is not made up for.
        let most = self.rate / 4;
        let due = (now.duration_since(since).as_micros() as u64 * self.rate / 1_000_000).min(most);
        if self.talks && due >= PORTION {
            // A part of a byte stays due.
            let said = Duration::from_micros(due * 1_000_000 / self.rate);
            self.since = Some(if due < most { since + said } else { now });
            let room = (self.rate as usize / 4).saturating_sub(self.rest.len());
            self.rest.extend(self.trail.take((due as usize).min(room)));
        }
        while !self.rest.is_empty() {
            match write(&self.rest) {
                Ok(n) => {
                    self.rest.drain(..n);
                    self.sent += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
