//! What the loop needs of whoever runs it, besides a UART and a network; and what it has to say, in the same words everywhere.

use core::fmt::{self, Display, Formatter};

use uartbridge_core::{Change, Duration, LineErrors, LinkState, Sleep, Stats, Step, Weight};

/// What surrounds the loop: a board, or a program. Everything is optional. `W` is the type of reasons.
pub trait Board<W> {
    /// How much haste the loop makes.
    fn pace(&self) -> Pace {
        Pace::EAGER
    }

    /// The link's state has changed.
    fn state(&mut self, state: LinkState) {
        let _ = state;
    }

    /// Something worth a line in a log.
    fn say(&mut self, said: &Said<'_, W>) {
        let _ = said;
    }

    /// These bytes have come, and are in their ring.
    fn passed(&mut self, direction: Direction, bytes: &[u8]) {
        let _ = (direction, bytes);
    }

    /// Whether the bridge is to deliver what it holds, for a bounded time, and then finish; asked once a turn.
    fn stops(&mut self) -> bool {
        false
    }

    /// The loop has come round: feeds the watchdog.
    fn feed(&mut self) {}

    /// What the bridge has done since it was made; told as often as the watchdog is fed.
    fn counters(&mut self, stats: &Stats) {
        let _ = stats;
    }

    /// The loop is about to wait.
    fn sleep(&mut self, sleep: &Sleep) {
        let _ = sleep;
    }

    /// The network is stuck: take this step. After [`Step::Restart`] the loop ends if this returns.
    fn recover(&mut self, step: Step) {
        let _ = step;
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the UART to the peer.
    Up,
    /// From the peer to the UART.
    Down,
}

/// How much haste the loop makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes from the UART may gather this long; [`Duration::ZERO`]: they do not.
    pub gather: Duration,
    /// How often the watchdog wants to be fed; [`Duration::ZERO`]: there is none.
    pub feed_every: Duration,
}

impl Pace {
    /// Nothing waits, and there is no watchdog.
    pub const EAGER: Self = Self { gather: Duration::ZERO, feed_every: Duration::ZERO };
}

/// Something worth a line; its `Display`, and with the feature `defmt` its `Format`, are the line.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a, W> {
    /// The link's state has changed.
    Link {
        /// To what, and why.
        change: &'a Change<W>,
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

impl<W> Said<'_, W> {
    /// How much it matters.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::Link { change, .. } => change.weight(),
            Self::LineErrors(_) | Self::Cut(_) => Weight::Warning,
        }
    }
}

impl<W: Display> Display for Said<'_, W> {
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

#[cfg(feature = "defmt")]
mod formats {
    use defmt::{Format, Formatter, write};
    use uartbridge_core::LineErrors;

    use super::{Name, Said};

    impl<W: Format> Format for Said<'_, W> {
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

    impl Format for Name<'_> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "{=str}://{=str}:{=u16}", self.scheme, self.host, self.port);
        }
    }
}
