//! The cursors of a linear buffer: bytes enter at the end and leave at the front.

/// Holds `start..end` of a storage that is handed in with each call. Always `start ≤ end ≤ storage.len()`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// What is held.
    pub(crate) fn held<'a>(&self, storage: &'a [u8]) -> &'a [u8] {
        &storage[self.start..self.end]
    }

    /// What is held, for decryption in place.
    pub(crate) fn held_mut<'a>(&self, storage: &'a mut [u8]) -> &'a mut [u8] {
        &mut storage[self.start..self.end]
    }

    /// Room behind what is held. Once that is less than half of the storage, bytes are moved to the front, so the whole
    /// storage serves in the end, and a large one is moved seldom.
    pub(crate) fn vacant<'a>(&mut self, storage: &'a mut [u8]) -> &'a mut [u8] {
        if self.start > 0 && storage.len() - self.end < storage.len() / 2 {
            storage.copy_within(self.start..self.end, 0);
            *self = Self { start: 0, end: self.len() };
        }
        &mut storage[self.end..]
    }

    /// `count` bytes were written into [`vacant`](Self::vacant).
    pub(crate) fn fill(&mut self, count: usize) {
        self.end += count;
    }

    /// `count` bytes have left at the front.
    pub(crate) fn drain(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_they_came_and_room_comes_back() {
        let mut storage = *b"......";
        let mut linear = Linear::default();
        linear.vacant(&mut storage)[..4].copy_from_slice(b"abcd");
        linear.fill(4);
        linear.drain(3);
        assert_eq!(linear.held(&storage), b"d");
        assert_eq!(linear.vacant(&mut storage).len(), 5);
        linear.vacant(&mut storage).copy_from_slice(b"efghi");
        linear.fill(5);
        assert_eq!(linear.held(&storage), b"defghi");
        assert!(linear.vacant(&mut storage).is_empty());
        linear.drain(6);
        assert!(linear.is_empty());
    }
}
