//! The fuzzer's bytes, read as decisions. Where they end, there are zeros.

pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn ended(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// From 0 to 65 535; small numbers in one byte, since they are what matters most.
    pub(super) fn size(&mut self) -> usize {
        match self.byte() {
            small @ 0..=199 => usize::from(small),
            large => usize::from(large - 200) * 300 + usize::from(self.byte()),
        }
    }

    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
