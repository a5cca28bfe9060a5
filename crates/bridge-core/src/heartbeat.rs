//! The heartbeat: when the uplink has been idle for long enough.

use crate::config::Heartbeat;
use crate::ring::Ring;
use crate::time::Instant;

impl Heartbeat<'_> {
    /// When the next heartbeat is due, if the last byte went to the socket at `spoke`. While anything is
    /// outstanding none is: the connection is being tested already, and acknowledgements stay easy to count.
    pub(crate) fn deadline(&self, spoke: Instant, up: &Ring) -> Instant {
        let idle = up.in_flight() == 0 && up.unsent() == 0;
        if idle && !self.bytes.is_empty() { spoke + self.after } else { Instant::NEVER }
    }
}
