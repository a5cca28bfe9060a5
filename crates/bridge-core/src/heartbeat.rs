//! The heartbeat: when the uplink has been idle for long enough.

use crate::config::Heartbeat;
use crate::time::Instant;

impl Heartbeat<'_> {
    /// When the next heartbeat is due, if the last byte went to the socket at `spoke` and nothing is outstanding.
    /// While something is, none is due: the connection is being tested already, and acknowledgements stay easy to
    /// count.
    pub(crate) fn deadline(&self, spoke: Instant) -> Instant {
        if self.bytes.is_empty() { Instant::NEVER } else { spoke + self.after }
    }
}
