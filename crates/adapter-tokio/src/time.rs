//! The clock: the system's monotonic one, as the core counts time.

use uartbridge_core::Instant;

/// Counts from its creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(tokio::time::Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    pub(crate) fn now(&self) -> Instant {
        // 2^64 µs are half a million years.
        Instant::from_micros(self.0.elapsed().as_micros() as u64)
    }

    /// The same instant for tokio's timers.
    pub(crate) fn to_tokio(self, at: Instant) -> tokio::time::Instant {
        self.0 + std::time::Duration::from_micros(at.as_micros())
    }
}
