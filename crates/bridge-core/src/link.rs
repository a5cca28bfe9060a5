//! The link: every state of the connection, and in [`Link::step`] every transition. Nothing outside this file changes it.
//!
//! ```text
//!  NoIp ──IpReady──▶ BackOff ──time──▶ Dialing ──Connected──▶ Up ──Closed──▶ BackOff
//!    ▲                  │  ▲              │ time               │
//!    └────IpLost────────┘  └──Closed── Abandoning              └ Open ─ PeerDone ─ Closing ─ Aborting
//!                  Parked: nobody needs a connection                └── Salvage ─────────────┘
//! ```

use crate::config::Config;
use crate::count::Count;
use crate::event::{Acks, Close, CloseCause, Misuse, Timer};
use crate::preamble::OwnBytes;
use crate::ring::Ring;
use crate::supervise::Watch;
use crate::time::Instant;

/// What the link is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link<'c> {
    /// The network has no address, since then.
    NoIp { since: Instant },
    /// Nobody needs a connection.
    Parked,
    /// Waiting to try again.
    BackOff { until: Instant },
    /// Connecting (`told`: the adapter knows).
    Dialing { until: Instant, told: bool },
    /// The attempt is to be given up.
    Abandoning { cause: CloseCause, told: bool },
    /// There is a connection.
    Up(Connection<'c>),
    /// The bridge has finished.
    Finished,
}

/// What a connection carries from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection<'c> {
    pub(crate) phase: Phase,
    pub(crate) since: Instant,
    /// The up ring's offset at which this connection started, plus what overflow has since dropped unsent, less our own
    /// bytes written: adding what the peer has of this connection gives what it has of the ring.
    pub(crate) base: Count,
    /// Bytes written to the socket, own bytes included.
    pub(crate) written: Count,
    /// When the last of them was.
    pub(crate) spoke: Instant,
    pub(crate) own: OwnBytes<'c>,
    pub(crate) watch: Watch,
}

/// Which directions of a connection are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Both.
    Open,
    /// Up only: the peer has sent its FIN. What is held goes out, then the connection closes.
    PeerDone { until: Instant },
    /// Down only: writing fails. What the peer had sent is read, then the connection closes.
    Salvage { until: Instant },
    /// Down only: closing in order at our wish.
    Closing { cause: CloseCause, until: Instant, told: bool },
    /// None: the socket is to be dropped.
    Aborting { cause: CloseCause, told: bool },
}

/// What moves the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    IpReady,
    IpLost,
    /// A connection is wanted.
    Dial,
    /// Nobody needs a connection any more, or the pause is over.
    Park,
    Connected(Acks),
    PeerClosed,
    TxFailed,
    /// The socket is gone.
    Closed(Next),
    /// The deadline of this state has passed.
    Expired(Timer),
    /// The peer counts as dead, or is not needed.
    GiveUp(CloseCause),
    /// Everything is said: close in order.
    Leave(CloseCause),
    Finish,
}

/// What follows a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    NoIp,
    Parked,
    /// Trying again, at once unless [`Link::delay`] says when.
    Retry,
}

impl<'c> Link<'c> {
    /// Every transition. An event that does not fit the state is the adapter's mistake and changes nothing.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        input: Input,
        config: &Config<'c>,
        up: &Ring,
    ) -> Result<(), Misuse> {
        let closing = |cause| Phase::Closing { cause, until: now + config.close_timeout, told: false };
        let aborting = |cause| Phase::Aborting { cause, told: false };
        let abandon = |cause| Self::Abandoning { cause, told: false };
        let next = match (&mut *self, input) {
            // It ends without a connection: whoever reports one now has made it up.
            (
                Self::Finished,
                Input::Connected(_) | Input::PeerClosed | Input::TxFailed | Input::Closed(_),
            ) => return Err(Misuse::NoConnection),
            (Self::Finished, _) => return Ok(()),

            (Self::NoIp { .. }, Input::IpReady) => Self::BackOff { until: now },
            (Self::NoIp { .. }, Input::Expired(_)) => Self::NoIp { since: now },
            (Self::Parked | Self::BackOff { .. }, Input::IpLost) => Self::NoIp { since: now },
            (Self::Parked | Self::BackOff { .. }, Input::Dial) => {
                Self::Dialing { until: now + config.connect_timeout, told: false }
            }
            (Self::BackOff { .. }, Input::Park) => Self::Parked,

            (Self::Dialing { told: true, .. }, Input::Connected(acks)) => {
                Self::Up(Connection::new(now, acks, config.greeting, up))
            }
            (Self::Dialing { told: true, .. }, Input::Expired(_)) => abandon(CloseCause::ConnectTimeout),
            // The device slept through the whole attempt before the adapter heard of it.
            (Self::Dialing { told: false, .. }, Input::Expired(_)) => Self::BackOff { until: now },
            (Self::Dialing { told: true, .. }, Input::IpLost) => abandon(CloseCause::IpLost),
            (Self::Dialing { told: true, .. }, Input::GiveUp(cause)) => abandon(cause),
            (Self::Dialing { told: false, .. }, Input::IpLost) => Self::NoIp { since: now },
            (Self::Dialing { told: false, .. }, Input::GiveUp(_)) => Self::Parked,
            // The attempt succeeded just as it was given up: the socket is there, and is closed like any other.
            (Self::Abandoning { cause, .. }, Input::Connected(acks)) => {
                let mut connection = Connection::new(now, acks, &[], up);
                connection.phase = aborting(*cause);
                Self::Up(connection)
            }

            (Self::Up(connection), Input::PeerClosed) => {
                connection.phase = match connection.phase {
                    Phase::Open => Phase::PeerDone { until: now + config.close_timeout },
                    Phase::Salvage { .. } => aborting(CloseCause::PeerClosed),
                    same @ (Phase::PeerDone { .. } | Phase::Closing { .. } | Phase::Aborting { .. }) => same,
                };
                return Ok(());
            }
            (Self::Up(connection), Input::TxFailed) => {
                connection.phase = match connection.phase {
                    Phase::Open => Phase::Salvage { until: now + config.close_timeout },
                    Phase::PeerDone { .. } => aborting(CloseCause::PeerClosed),
                    same @ (Phase::Salvage { .. } | Phase::Closing { .. } | Phase::Aborting { .. }) => same,
                };
                return Ok(());
            }
            (Self::Up(connection), Input::Expired(_)) => {
                connection.phase = match connection.phase {
                    Phase::PeerDone { .. } => aborting(CloseCause::PeerClosed),
                    Phase::Salvage { .. } | Phase::Closing { .. } => aborting(CloseCause::CloseTimeout),
                    same @ (Phase::Open | Phase::Aborting { .. }) => same,
                };
                return Ok(());
            }
            (Self::Up(connection), Input::IpLost) => {
                connection.abort(CloseCause::IpLost);
                return Ok(());
            }
            (Self::Up(connection), Input::GiveUp(cause)) => {
                connection.abort(cause);
                return Ok(());
            }
            (Self::Up(connection), Input::Leave(cause)) => {
                connection.phase = closing(cause);
                return Ok(());
            }

            (
                Self::Up(_) | Self::Abandoning { .. } | Self::Dialing { told: true, .. },
                Input::Closed(next),
            ) => match next {
                Next::NoIp => Self::NoIp { since: now },
                Next::Parked => Self::Parked,
                Next::Retry => Self::BackOff { until: now },
            },
            (
                Self::NoIp { .. }
                | Self::Parked
                | Self::BackOff { .. }
                | Self::Dialing { .. }
                | Self::Abandoning { .. },
                Input::Finish,
            )
            | (Self::Up(_), Input::Finish) => Self::Finished,

            // Said twice, or a wish that the state has overtaken.
            (
                _,
                Input::IpReady
                | Input::IpLost
                | Input::Dial
                | Input::Park
                | Input::GiveUp(_)
                | Input::Leave(_),
            )
            | (_, Input::Expired(_)) => return Ok(()),

            (
                Self::NoIp { .. }
                | Self::Parked
                | Self::BackOff { .. }
                | Self::Dialing { .. }
                | Self::Abandoning { .. },
                Input::PeerClosed | Input::TxFailed | Input::Closed(_),
            )
            | (
                Self::NoIp { .. } | Self::Parked | Self::BackOff { .. } | Self::Dialing { .. } | Self::Up(_),
                Input::Connected(_),
            ) => return Err(Misuse::NoConnection),
        };
        *self = next;
        Ok(())
    }

    /// The next attempt is not made before `until`.
    pub(crate) const fn delay(&mut self, until: Instant) {
        if let Self::BackOff { until: present } = self {
            *present = until;
        }
    }

    /// Connecting or closing that the adapter has not been told of; it counts as told from now on.
    pub(crate) fn order(&mut self) -> Option<Order> {
        let (told, order) = match self {
            Self::Dialing { told, .. } => (told, Order::Connect),
            Self::Abandoning { cause, told } => (told, Order::Close(Close::Abort(*cause))),
            Self::Up(Connection { phase: Phase::Closing { cause, told, .. }, .. }) => {
                (told, Order::Close(Close::Orderly(*cause)))
            }
            Self::Up(Connection { phase: Phase::Aborting { cause, told }, .. }) => {
                (told, Order::Close(Close::Abort(*cause)))
            }
            Self::Up(_) | Self::NoIp { .. } | Self::Parked | Self::BackOff { .. } | Self::Finished => {
                return None;
            }
        };
        (!core::mem::replace(told, true)).then_some(order)
    }

    /// The deadline that the state itself has.
    pub(crate) fn deadline(&self, config: &Config<'_>) -> (Instant, Timer) {
        match self {
            Self::NoIp { since } => (*since + config.ladder.no_ip, Timer::NoIp),
            Self::BackOff { until } => (*until, Timer::BackOff),
            Self::Dialing { until, .. } => (*until, Timer::Connect),
            Self::Up(connection) => match connection.phase {
                Phase::PeerDone { until } | Phase::Salvage { until } | Phase::Closing { until, .. } => {
                    (until, Timer::Close)
                }
                Phase::Open | Phase::Aborting { .. } => (Instant::NEVER, Timer::Close),
            },
            Self::Parked | Self::Abandoning { .. } | Self::Finished => (Instant::NEVER, Timer::Close),
        }
    }

    /// Whether there is neither a connection nor an attempt to make one.
    pub(crate) const fn is_down(&self) -> bool {
        match self {
            Self::NoIp { .. } | Self::Parked | Self::BackOff { .. } | Self::Finished => true,
            Self::Dialing { .. } | Self::Abandoning { .. } | Self::Up(_) => false,
        }
    }

    /// Whether the socket is to be dropped, and only [`Input::Closed`] is awaited.
    pub(crate) const fn is_given_up(&self) -> bool {
        match self {
            Self::Abandoning { .. } | Self::Up(Connection { phase: Phase::Aborting { .. }, .. }) => true,
            Self::NoIp { .. }
            | Self::Parked
            | Self::BackOff { .. }
            | Self::Dialing { .. }
            | Self::Up(_)
            | Self::Finished => false,
        }
    }

    /// The connection, if there is one.
    pub(crate) const fn connection(&mut self) -> Option<&mut Connection<'c>> {
        match self {
            Self::Up(connection) => Some(connection),
            Self::NoIp { .. }
            | Self::Parked
            | Self::BackOff { .. }
            | Self::Dialing { .. }
            | Self::Abandoning { .. }
            | Self::Finished => None,
        }
    }
}

/// What the adapter is to do about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Connect,
    Close(Close),
}

impl<'c> Connection<'c> {
    const fn new(now: Instant, acks: Acks, greeting: &'c [u8], up: &Ring) -> Self {
        Self {
            phase: Phase::Open,
            since: now,
            base: Count::new(up.acked()),
            written: Count::ZERO,
            spoke: now,
            own: OwnBytes::greet(greeting),
            watch: Watch::new(now, acks),
        }
    }

    /// Gives the connection up, unless that is under way.
    const fn abort(&mut self, cause: CloseCause) {
        if !matches!(self.phase, Phase::Aborting { .. }) {
            self.phase = Phase::Aborting { cause, told: false };
        }
    }

    /// Whether bytes may be written to the socket.
    pub(crate) const fn writes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::PeerDone { .. })
    }

    /// Whether bytes may come from the socket.
    pub(crate) const fn reads(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Salvage { .. } | Phase::Closing { .. })
    }

    /// `n` bytes went to the socket.
    pub(crate) fn wrote(&mut self, now: Instant, n: usize) {
        self.written.add(n);
        self.watch.wrote(n);
        self.spoke = now;
    }

    /// Bytes have come from the socket: a connection that is ending and still yields some is given more time.
    pub(crate) fn heard(&mut self, now: Instant, config: &Config<'_>) {
        self.watch.heard = now;
        if let Phase::Salvage { until } | Phase::Closing { until, .. } = &mut self.phase {
            *until = now + config.close_timeout;
        }
    }
}
