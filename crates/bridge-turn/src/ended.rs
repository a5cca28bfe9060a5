//! The end of the loop.

use uartbridge_core::Misuse;

/// Why the loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Ended {
    /// Everything is delivered, or the time for that is over ([`Event::Stop`](uartbridge_core::Event::Stop)).
    Finished,
    /// The network is stuck, and the ladder has come to its last rung: restart the device.
    Restart,
    /// A bug of this adapter; please report it.
    Misuse(Misuse),
}

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Restart => f.write_str("the network is stuck: restart"),
            Self::Misuse(misuse) => {
                write!(f, "the adapter broke the core's contract: {misuse}; please report this")
            }
        }
    }
}

impl From<Misuse> for Ended {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}
