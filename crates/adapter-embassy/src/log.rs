//! What the loop has to say: one line a change of state, with its reason, in the same words as on Linux.

use core::fmt::{self, Display, Formatter};

use uartbridge_core::{CloseCause, CloseReason};
use uartbridge_turn::{ends, host};

pub use uartbridge_turn::host::Name;

/// Takes what the loop has to say.
pub trait Log {
    /// One line.
    fn say(&mut self, said: &Said<'_>);
}

/// Any closure is a log.
impl<F: FnMut(&Said<'_>)> Log for F {
    fn say(&mut self, said: &Said<'_>) {
        self(said);
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silent;

impl Log for Silent {
    fn say(&mut self, _: &Said<'_>) {}
}

/// Something worth a line; its `Display`, and with the feature `defmt` its `Format`, are the line.
pub type Said<'a> = host::Said<'a, Why>;

/// Why the link's state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// At the core's wish.
    Cause(CloseCause),
    /// By what the network stack says.
    Reason(CloseReason),
    /// By what TLS says.
    #[cfg(feature = "tls")]
    Tls(uartbridge_tls::Failure),
}

impl ends::Why for Why {
    fn reason(&self) -> CloseReason {
        match self {
            Self::Cause(_) => CloseReason::Done,
            Self::Reason(reason) => *reason,
            #[cfg(feature = "tls")]
            Self::Tls(_) => CloseReason::Failed,
        }
    }
}

impl From<CloseCause> for Why {
    fn from(cause: CloseCause) -> Self {
        Self::Cause(cause)
    }
}

impl From<CloseReason> for Why {
    fn from(reason: CloseReason) -> Self {
        Self::Reason(reason)
    }
}

#[cfg(feature = "tls")]
impl From<uartbridge_tls::Failure> for Why {
    fn from(failure: uartbridge_tls::Failure) -> Self {
        Self::Tls(failure)
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(cause) => cause.fmt(f),
            Self::Reason(reason) => reason.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(failure) => failure.fmt(f),
        }
    }
}

/// Logs by defmt: details as `debug`, the rest as `info` and `warn`.
#[cfg(feature = "defmt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defmt;

#[cfg(feature = "defmt")]
mod by_defmt {
    use defmt::{Format, Formatter, write};
    use uartbridge_core::Weight;

    use super::{Defmt, Log, Said, Why};

    impl Log for Defmt {
        fn say(&mut self, said: &Said<'_>) {
            match said.weight() {
                Weight::Detail => defmt::debug!("{}", said),
                Weight::Note => defmt::info!("{}", said),
                Weight::Warning => defmt::warn!("{}", said),
            }
        }
    }

    impl Format for Why {
        fn format(&self, f: Formatter<'_>) {
            match self {
                Self::Cause(cause) => write!(f, "{=str}", cause.words()),
                Self::Reason(reason) => write!(f, "{=str}", reason.words()),
                #[cfg(feature = "tls")]
                Self::Tls(failure) => defmt::Display2Format(failure).format(f),
            }
        }
    }
}
