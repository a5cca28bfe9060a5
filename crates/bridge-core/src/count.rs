//! A 64-bit count of bytes that is aligned like a 32-bit number, so that it pads nothing on a small device.

/// A count, or an offset. Wraps, which bytes do not live to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(Rust, packed(4))]
pub(crate) struct Count(u64);

impl Count {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn new(count: u64) -> Self {
        Self(count)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn add(&mut self, n: usize) {
        self.0 = self.0.wrapping_add(n as u64);
    }

    pub(crate) const fn subtract(&mut self, n: usize) {
        self.0 = self.0.wrapping_sub(n as u64);
    }
}
