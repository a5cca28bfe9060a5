//! What the loop has to say: one line a change of state, with its reason, in the same words as on Linux.

use core::fmt::{self, Display, Formatter};

use uartbridge_core::{Change, CloseCause, CloseReason, LineErrors, Weight};

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
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// The link's state has changed.
    Link {
        /// To what, and why.
        change: Change<Why>,
        /// The peer that it is about.
        peer: Name<'a>,
        /// How many attempts in a row have failed.
        failures: u16,
    },
    /// Bytes from the device were lost on the line or in the driver, since this was last said.
    LineErrors(LineErrors),
    /// A datagram from the peer was this many bytes too long for the down ring.
    Cut(usize),
}

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

impl Why {
    /// In the core's terms.
    pub const fn reason(self) -> CloseReason {
        match self {
            Self::Cause(_) => CloseReason::Done,
            Self::Reason(reason) => reason,
            #[cfg(feature = "tls")]
            Self::Tls(_) => CloseReason::Failed,
        }
    }
}

impl From<CloseReason> for Why {
    fn from(reason: CloseReason) -> Self {
        Self::Reason(reason)
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

/// A peer as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// `tcp`, `udp`, `tls`.
    pub scheme: &'static str,
    /// Name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

impl Said<'_> {
    /// How much it matters.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::Link { change, .. } => change.weight(),
            Self::LineErrors(_) | Self::Cut(_) => Weight::Warning,
        }
    }
}

impl Display for Said<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { change, peer, failures } => change.line(peer, *failures).fmt(f),
            Self::LineErrors(LineErrors { overrun, framing, parity }) => {
                write!(f, "line errors: {overrun} overrun, {framing} framing, {parity} parity")
            }
            Self::Cut(cut) => {
                write!(f, "a datagram was {cut} bytes too long for the down buffer and lost them")
            }
        }
    }
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Logs by defmt: details as `debug`, the rest as `info` and `warn`.
#[cfg(feature = "defmt")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defmt;

#[cfg(feature = "defmt")]
mod by_defmt {
    use defmt::{Format, Formatter, write};
    use uartbridge_core::{LineErrors, Weight};

    use super::{Defmt, Log, Name, Said, Why};

    impl Log for Defmt {
        fn say(&mut self, said: &Said<'_>) {
            match said.weight() {
                Weight::Detail => defmt::debug!("{}", said),
                Weight::Note => defmt::info!("{}", said),
                Weight::Warning => defmt::warn!("{}", said),
            }
        }
    }

    impl Format for Said<'_> {
        fn format(&self, f: Formatter<'_>) {
            match self {
                Self::Link { change, peer, failures } => change.line(*peer, *failures).format(f),
                Self::LineErrors(LineErrors { overrun, framing, parity }) => {
                    write!(f, "line errors: {} overrun, {} framing, {} parity", overrun, framing, parity);
                }
                Self::Cut(cut) => {
                    write!(f, "a datagram was {} bytes too long for the down buffer and lost them", cut);
                }
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

    impl Format for Name<'_> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "{=str}://{=str}:{=u16}", self.scheme, self.host, self.port);
        }
    }
}
