//! How far a connection is, with what belongs to that.

use crate::failure::Failure;
use core::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Handshaking,
    Unproven(Proof),
    Proven,
    Closing,
    Closed,
    Failed(Failure),
}

/// The wait for a sign that the server accepts this client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// The total of ciphertext with our last handshake message.
    pub(crate) flight: u64,
    /// Since when the peer's TCP is known to have that.
    pub(crate) held_since: Option<Duration>,
    /// When that was last reported.
    pub(crate) asked: Duration,
}

impl Proof {
    pub(crate) fn deadline(self, prove_after: Duration) -> Duration {
        match self.held_since {
            Some(since) => since.saturating_add(prove_after),
            None => self.asked.saturating_add((prove_after / 4).max(Duration::from_millis(1))),
        }
    }
}
