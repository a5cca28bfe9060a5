//! The UART's life: absent, being opened, open, ended.

use crate::event::Misuse;
use crate::time::{Duration, Instant};

/// What the UART is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Uart {
    /// Not there; tried again at `until`.
    Absent { until: Instant },
    /// To be opened (`told`: the adapter knows).
    Opening { told: bool },
    /// There.
    Open,
    /// Nothing more will come from it, but it still takes bytes.
    Ended,
    /// Ended, and takes no more bytes.
    Gone,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
    Ended,
    Retry,
}

impl Uart {
    /// Every transition.
    pub(crate) fn change(&mut self, now: Instant, change: Change, retry: Duration) -> Result<(), Misuse> {
        *self = match (*self, change) {
            (Self::Opening { told: true }, Change::Opened) => Self::Open,
            (Self::Opening { told: true } | Self::Open, Change::Closed) => {
                Self::Absent { until: now + retry }
            }
            (Self::Absent { .. }, Change::Retry) => Self::Opening { told: false },
            (Self::Open, Change::Ended) => Self::Ended,
            (Self::Ended, Change::Closed) => Self::Gone,
            (
                Self::Absent { .. } | Self::Opening { .. } | Self::Open | Self::Ended | Self::Gone,
                Change::Opened | Change::Closed | Change::Ended | Change::Retry,
            ) => return Err(Misuse::NotAsked),
        };
        Ok(())
    }

    /// Whether bytes may come from it.
    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether it takes bytes.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Open | Self::Ended)
    }
}
