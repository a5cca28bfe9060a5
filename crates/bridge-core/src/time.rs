//! Points in time and spans, in microseconds. The core never reads a clock: every call brings `now`.
//!
//! Both are aligned like 32-bit numbers, so that a state with one of them takes 12 bytes on a small device and not 16.

/// A point in time: microseconds since any fixed start (boot, program start). Must not run backwards;
/// a `now` that does is taken as the latest one seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct Instant(u64);

/// A span of time in microseconds; [`Duration::NEVER`] switches a deadline off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct Duration(u64);

impl Instant {
    /// The start of the adapter's clock.
    pub const START: Self = Self(0);
    /// Later than every reachable instant: a deadline that is off.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The latest that a bridge's clock gets: at [`Instant::NEVER`] what is off would be due, again and again.
    pub(crate) const LAST: Self = Self(u64::MAX - 1);

    /// The instant `micros` µs after the start of the clock.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start of the clock.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The span since `earlier`, or zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, so that adding [`Duration::NEVER`] gives a deadline that is off.
    // Five instructions on a small device, in some twenty places: a call is shorter.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// A span that never ends: the rule that uses it is off.
    pub const NEVER: Self = Self(u64::MAX);

    /// `micros` µs.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// `millis` ms.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// `secs` s.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// The span in microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whether this is [`Duration::NEVER`].
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }
}

impl core::fmt::Display for Duration {
    /// `never`, `1.5 s`, `20 ms` or `300 µs`: the largest unit that shows the value whole.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.as_micros() {
            u64::MAX => f.write_str("never"),
            us if us >= 1_000_000 && us % 1_000_000 == 0 => write!(f, "{} s", us / 1_000_000),
            us if us >= 1_000_000 && us % 100_000 == 0 => {
                write!(f, "{}.{} s", us / 1_000_000, us / 100_000 % 10)
            }
            us if us % 1_000 == 0 => write!(f, "{} ms", us / 1_000),
            us => write!(f, "{us} µs"),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Instant {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u64:us}", self.as_micros());
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Duration {
    fn format(&self, f: defmt::Formatter<'_>) {
        if self.is_never() {
            defmt::write!(f, "never");
        } else {
            defmt::write!(f, "{=u64} ms", self.as_micros() / 1_000);
        }
    }
}
