//! Whether a connection is wanted, and how deeply the device may sleep.

use crate::config::Power;
use crate::event::Depth;
use crate::link::Link;
use crate::time::Instant;

impl Power {
    /// Whether a connection is wanted, with or without bytes to send.
    pub(crate) const fn wants_link(&self, unsent: bool) -> bool {
        match self {
            Self::AlwaysOn | Self::Doze { .. } => true,
            Self::OnDemand { .. } => unsent,
        }
    }

    /// When the quiet after the last byte, at `moved`, is long enough to matter. Once it has passed there is nothing
    /// to wait for: a device that dozes goes on dozing.
    pub(crate) fn quiet_deadline(&self, now: Instant, moved: Instant, open: bool) -> Instant {
        match *self {
            Self::OnDemand { linger } if open => moved + linger,
            Self::Doze { after } if now < moved + after => moved + after,
            Self::AlwaysOn | Self::Doze { .. } | Self::OnDemand { .. } => Instant::NEVER,
        }
    }

    /// How deeply to sleep. `busy`: bytes are waiting for a port, or for a packet to end.
    pub(crate) fn depth(&self, now: Instant, moved: Instant, link: &Link<'_>, busy: bool) -> Depth {
        match *self {
            _ if busy => Depth::Idle,
            Self::Doze { after } if now >= moved + after => Depth::Doze,
            Self::OnDemand { .. } if link.is_down() => Depth::Deep,
            Self::AlwaysOn | Self::Doze { .. } | Self::OnDemand { .. } => Depth::Idle,
        }
    }
}
