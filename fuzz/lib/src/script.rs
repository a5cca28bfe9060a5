//! The fuzzer's bytes, read as decisions. Where they end, there are zeros.

pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn ended(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// From 0 to 65 535; small numbers in one byte, since they are what matters most.
    pub(crate) fn size(&mut self) -> usize {
        match self.byte() {
            small @ 0..=199 => usize::from(small),
            large => usize::from(large - 200) * 300 + usize::from(self.byte()),
        }
    }

    /// Of any size, small ones in one byte.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => small.into(),
            // Powers of two, their neighbours, and eight bytes of anything.
            255 => self.take(8).iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)),
            large => (1_u64 << (large % 64)).wrapping_add(u64::from(self.byte())).wrapping_sub(128),
        }
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
