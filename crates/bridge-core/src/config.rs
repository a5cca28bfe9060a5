//! Everything that can be set, with its checks.

use crate::time::Duration;

/// The settings of one bridge. Start from [`Config::DEFAULT`] or [`Config::tutorial`] and change fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config<'a> {
    /// How many peers there are to try, 1 or more. The adapter knows their addresses.
    pub peers: u8,
    /// Sent at the start of each connection, before everything else: a greeting or a registration packet. Empty: none.
    pub greeting: &'a [u8],
    /// An attempt to connect (name look-up, TCP, TLS) may take this long. [`Duration::NEVER`] for a listener.
    pub connect_timeout: Duration,
    /// An orderly close may take this long before the socket is dropped.
    pub close_timeout: Duration,
    /// After [`Event::Stop`](crate::Event::Stop), what is held may take this long to be delivered.
    pub drain_timeout: Duration,
    /// The pause between attempts to open an absent UART.
    pub uart_retry: Duration,
    /// The pause between attempts to connect.
    pub backoff: Backoff,
    /// What leaves together.
    pub packing: Packing,
    /// What is sent when there is nothing to send.
    pub heartbeat: Heartbeat<'a>,
    /// When a connection counts as dead.
    pub supervise: Supervise,
    /// What to try when reconnecting does not help.
    pub ladder: Ladder,
    /// What happens when the up ring is full.
    pub overflow: Overflow,
    /// Whether and how the device sleeps.
    pub power: Power,
}

/// Exponential back-off. The pause after the n-th failure in a row is drawn evenly from 0 to
/// `min(max, first · 2^(n-1))` ("full jitter"), so that a fleet does not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first pause.
    pub first: Duration,
    /// The bound of every pause.
    pub max: Duration,
    /// Draw the pause at random; otherwise it is the bound itself.
    pub jitter: bool,
    /// A connection that lasted this long has worked: the next failure counts as the first.
    pub stable_after: Duration,
}

/// Packing: a packet ends as soon as one of these says so. With none of them set every byte leaves as soon as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// At this many bytes. 0: not by length.
    pub max_len: usize,
    /// When the line has been quiet this long. [`Duration::NEVER`]: not by time.
    pub gap: Duration,
    /// After this sequence of bytes.
    pub delimiter: Option<Delimiter>,
    /// Each packet is one datagram (UDP): needs `max_len`. Without `gap` and `delimiter`, what one read of the UART gave is a packet.
    pub datagrams: bool,
}

/// The end-of-packet mark: 1 to 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter {
    pub(crate) bytes: [u8; 4],
    pub(crate) len: u8,
}

/// A heartbeat keeps address translations and the peer's patience alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// What to send. Empty: no heartbeat.
    pub bytes: &'a [u8],
    /// After nothing has been sent for this long.
    pub after: Duration,
}

/// When a connection that still looks open counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervise {
    /// Bytes are outstanding and the peer has acknowledged none of them for this long.
    pub unacked: Duration,
    /// Nothing has been received for this long. Silence is normal for many peers: [`Duration::NEVER`] by default.
    pub silent: Duration,
    /// While bytes are outstanding, ask this often what has been acknowledged (more often when room runs low).
    pub query: Duration,
}

/// What to do after so many failures in a row, and again after each multiple; 0: never.
/// A failure is an attempt that does not connect, a connection that does not last
/// [`Backoff::stable_after`], or [`Ladder::no_ip`] without an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Go on to the next peer.
    pub next_peer: u16,
    /// [`Step::ResetRadio`](crate::Step::ResetRadio).
    pub reset_radio: u16,
    /// [`Step::Restart`](crate::Step::Restart).
    pub restart: u16,
    /// This long without an address is a failure.
    pub no_ip: Duration,
}

/// What happens when the UART brings more than the up ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Overflow {
    /// Stop reading the UART: flow control holds the device back, or else its driver overruns. Nothing held is dropped.
    Block,
    /// Make room by dropping the oldest packets (bytes, if packing is off), counted.
    DropOldest,
    /// Drop the packets (reads, if packing is off) that do not fit, counted.
    DropNewest,
}

/// Whether and how the device sleeps, and whether the connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Always connected, always awake.
    AlwaysOn,
    /// Always connected; [`Depth::Doze`](crate::Depth::Doze) after this long without a byte either way.
    Doze {
        /// How long.
        after: Duration,
    },
    /// Connect when there is something to send; close after this long without a byte either way.
    OnDemand {
        /// How long.
        linger: Duration,
    },
}

/// A setting that cannot work: which one, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConfigError {
    /// The field's path in [`Config`], such as `packing.max_len`; `up` and `down` are the rings' storage.
    pub field: &'static str,
    /// What it must be.
    pub must: &'static str,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} must {}", self.field, self.must)
    }
}

impl core::error::Error for ConfigError {}

impl Delimiter {
    /// A mark of 1 to 4 bytes; anything else gives `None`.
    pub fn new(mark: &[u8]) -> Option<Self> {
        let mut bytes = [0; 4];
        bytes.get_mut(..mark.len())?.copy_from_slice(mark);
        let len = u8::try_from(mark.len()).ok()?;
        (len > 0).then_some(Self { bytes, len })
    }

    /// The bytes of the mark.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Packing {
    /// Every byte leaves as soon as it can.
    pub const NONE: Self = Self { max_len: 0, gap: Duration::NEVER, delimiter: None, datagrams: false };
}

impl Default for Config<'_> {
    /// [`Config::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Config<'_> {
    /// Suits a gateway: connects within 15 s, comes back after at most 30 s, drops nothing. A constant, so that a device can
    /// keep its settings in flash.
    pub const DEFAULT: Self = Self {
        peers: 1,
        greeting: &[],
        connect_timeout: Duration::from_secs(15),
        close_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_secs(5),
        uart_retry: Duration::from_millis(500),
        backoff: Backoff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(30),
            jitter: true,
            stable_after: Duration::from_secs(10),
        },
        packing: Packing::NONE,
        heartbeat: Heartbeat { bytes: &[], after: Duration::NEVER },
        supervise: Supervise {
            unacked: Duration::from_secs(30),
            silent: Duration::NEVER,
            query: Duration::from_secs(1),
        },
        ladder: Ladder { next_peer: 1, reset_radio: 0, restart: 0, no_ip: Duration::from_secs(60) },
        overflow: Overflow::Block,
        power: Power::AlwaysOn,
    };
}

impl Config<'static> {
    /// The Air780E tutorial's behaviour: 15 s to connect, its greeting, a fixed second between attempts,
    /// 5 s to close. Its rings hold [`Config::TUTORIAL_RING`] bytes each.
    pub const fn tutorial() -> Self {
        Self {
            greeting: b"TCP  CONNECT",
            backoff: Backoff {
                first: Duration::from_secs(1),
                max: Duration::from_secs(1),
                jitter: false,
                stable_after: Duration::ZERO,
            },
            ..Self::DEFAULT
        }
    }

    /// The tutorial's buffer size, in bytes.
    pub const TUTORIAL_RING: usize = 1024;
}

/// The smallest up ring for the policies that drop: they keep a sixteenth of it free for the next read.
const MIN_DROPPING_RING: usize = 16;

impl Config<'_> {
    /// Checks these settings for rings of `up` and `down` bytes.
    ///
    /// # Errors
    /// The first field that cannot work.
    pub fn validate(&self, up: usize, down: usize) -> Result<(), ConfigError> {
        let rules = [
            (up > 0, "up", "hold at least 1 byte"),
            (down > 0, "down", "hold at least 1 byte"),
            (
                up >= MIN_DROPPING_RING || self.overflow == Overflow::Block,
                "up",
                "hold at least 16 bytes to drop",
            ),
            (up <= u32::MAX as usize / 2, "up", "hold less than 2 GiB"),
            (down <= u32::MAX as usize / 2, "down", "hold less than 2 GiB"),
            (self.peers > 0, "peers", "be at least 1"),
            (self.backoff.first <= self.backoff.max, "backoff.first", "not exceed backoff.max"),
            (!self.packing.datagrams || self.packing.max_len > 0, "packing.max_len", "be set for datagrams"),
            (
                !self.packing.datagrams || self.packing.max_len <= 65_507,
                "packing.max_len",
                "not exceed 65507 (UDP)",
            ),
            (self.packing.max_len <= up, "packing.max_len", "not exceed the up ring"),
        ];
        if let Some(&(_, field, must)) = rules.iter().find(|(holds, ..)| !holds) {
            return Err(ConfigError { field, must });
        }
        self.validate_spans()
    }

    fn validate_spans(&self) -> Result<(), ConfigError> {
        let heartbeat = if self.heartbeat.bytes.is_empty() { Duration::NEVER } else { self.heartbeat.after };
        let longer_than_zero = [
            (self.connect_timeout, "connect_timeout"),
            (self.uart_retry, "uart_retry"),
            (self.packing.gap, "packing.gap"),
            (heartbeat, "heartbeat.after"),
            (self.supervise.unacked, "supervise.unacked"),
            (self.supervise.silent, "supervise.silent"),
            (self.supervise.query, "supervise.query"),
            (self.ladder.no_ip, "ladder.no_ip"),
        ];
        if let Some(&(_, field)) = longer_than_zero.iter().find(|(span, _)| *span == Duration::ZERO) {
            return Err(ConfigError { field, must: "be above zero" });
        }
        let that_end = [
            (self.close_timeout, "close_timeout"),
            (self.drain_timeout, "drain_timeout"),
            (self.backoff.max, "backoff.max"),
        ];
        match that_end.iter().find(|(span, _)| span.is_never()) {
            Some(&(_, field)) => Err(ConfigError { field, must: "end" }),
            None => Ok(()),
        }
    }
}
