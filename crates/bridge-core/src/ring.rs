//! A ring of bytes on their way, with four cursors. Each has one mover:
//!
//! ```text
//!       acked ≤ sent ≤ released ≤ end ≤ acked + capacity
//!         │       │        │        └ reads from the source
//!         │       │        └ packing: a packet is complete
//!         │       └ writes to the sink; goes back to `acked` when a connection is lost
//!         └ the sink's acknowledgement: the bytes before it are forgotten
//! ```
//!
//! `acked` is an absolute 64-bit offset; the others are kept as distances from it. The storage belongs to the
//! caller, so that nothing here depends on its type.

use crate::count::Count;

/// How far a ring goes at least before what it holds is moved back to its start: a quarter of a page of memory.
const LAP: usize = 1024;

/// The cursors over a storage of `capacity` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ring {
    capacity: usize,
    /// Index in the storage of the byte at `acked`. Always `< capacity`.
    head: usize,
    acked: Count,
    /// `sent - acked`. Always `≤ released`.
    sent: usize,
    /// `released - acked`. Always `≤ len`.
    released: usize,
    /// `end - acked`. Always `≤ capacity`.
    len: usize,
}

/// Parts of the storage, lent together: they never overlap.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    /// Room for the next bytes, contiguous.
    pub(crate) vacant: &'a mut [u8],
    /// Released bytes that are not sent, in two parts because the ring wraps; the first is empty only if both are.
    pub(crate) ready: [&'a [u8]; 2],
}

impl Ring {
    /// An empty ring. `capacity` must not be 0.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, head: 0, acked: Count::ZERO, sent: 0, released: 0, len: 0 }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The absolute offset that the sink has acknowledged.
    pub(crate) const fn acked(&self) -> u64 {
        self.acked.get()
    }

    /// The absolute offset after the last byte.
    pub(crate) const fn end(&self) -> u64 {
        self.acked.get().wrapping_add(self.len as u64)
    }

    /// The absolute offset after the last byte released.
    pub(crate) const fn released(&self) -> u64 {
        self.acked.get().wrapping_add(self.released as u64)
    }

    /// Bytes held.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes sent and not acknowledged.
    pub(crate) const fn in_flight(&self) -> usize {
        self.sent
    }

    /// Bytes released and not sent.
    pub(crate) const fn unsent(&self) -> usize {
        self.released - self.sent
    }

    /// How many of the bytes released and not sent lie in one piece: as many as [`Lent::ready`] has in its first part.
    pub(crate) const fn unsent_whole(&self) -> usize {
        let start = self.index(self.sent);
        let (unsent, before_fold) = (self.unsent(), self.capacity - start);
        if unsent < before_fold { unsent } else { before_fold }
    }

    /// Bytes not released: the packet still open.
    pub(crate) const fn open(&self) -> usize {
        self.len - self.released
    }

    /// How many of the free bytes lie in one piece behind `end`.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) const fn vacant(&self) -> usize {
        if self.len == 0 {
            return self.capacity;
        }
        let tail = self.head + self.len;
        if tail < self.capacity { self.capacity - tail } else { self.capacity - self.len }
    }

    /// `n` bytes were put behind `end`; `n ≤ vacant()`.
    pub(crate) const fn push(&mut self, n: usize) {
        self.len += n;
    }

    /// The next `n` bytes may be sent; `n ≤ open()`.
    pub(crate) const fn release(&mut self, n: usize) {
        self.released += n;
    }

    /// `n` bytes were sent; `n ≤ unsent()`.
    pub(crate) const fn take(&mut self, n: usize) {
        self.sent += n;
    }

    /// `n` bytes more are acknowledged; `n ≤ in_flight()`.
    pub(crate) const fn ack(&mut self, n: usize) {
        self.drop_front(n);
    }

    /// The connection is lost: what was in flight will be sent again.
    pub(crate) const fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Forgets the oldest `n` bytes, sent or not; `n ≤ len()`.
    pub(crate) const fn drop_front(&mut self, n: usize) {
        self.acked.add(n);
        self.head += n;
        if self.head >= self.capacity {
            self.head -= self.capacity;
        }
        self.len -= n;
        self.sent = self.sent.saturating_sub(n);
        self.released = self.released.saturating_sub(n);
    }

    /// Forgets the newest `n` bytes; none of them may be sent.
    pub(crate) fn drop_back(&mut self, n: usize) {
        self.len -= n;
        self.released = self.released.min(self.len);
    }

    /// Forgets the first `n` bytes of the open packet, and moves the rest of it up.
    pub(crate) fn drop_open(&mut self, storage: &mut [u8], n: usize) {
        for at in self.released..self.len - n {
            storage[self.index(at)] = storage[self.index(at + n)];
        }
        self.len -= n;
    }

    /// The byte `at` bytes into the open packet; `at < open()`.
    pub(crate) fn open_byte(&self, storage: &[u8], at: usize) -> u8 {
        storage[self.index(self.released + at)]
    }

    /// Lends the room behind `end`, contiguous.
    pub(crate) fn room<'a>(&mut self, storage: &'a mut [u8]) -> &'a mut [u8] {
        self.start_again(storage);
        let tail = self.head + self.len;
        if tail < self.capacity {
            &mut storage[tail..self.capacity]
        } else {
            &mut storage[tail - self.capacity..self.head]
        }
    }

    /// Lends at most `limit` of the bytes that are released and not sent, as [`Lent::ready`].
    pub(crate) fn ready<'a>(&self, storage: &'a [u8], limit: usize) -> [&'a [u8]; 2] {
        let fold = self.capacity;
        let start = self.head + self.sent;
        let end = start + self.unsent().min(limit);
        if end <= fold {
            [&storage[start..end], &[]]
        } else if start < fold {
            [&storage[start..fold], &storage[..end - fold]]
        } else {
            [&storage[start - fold..end - fold], &[]]
        }
    }

    /// Lends both: room and bytes that are ready never overlap.
    pub(crate) fn lend<'a>(&mut self, storage: &'a mut [u8], limit: usize) -> Lent<'a> {
        self.start_again(storage);
        let ready = self.sent..self.sent + self.unsent().min(limit);
        let tail = self.head + self.len;
        if tail < self.capacity {
            let (held, vacant) = storage[self.head..self.capacity].split_at_mut(self.len);
            Lent { vacant, ready: [&held[ready], &[]] }
        } else {
            let (second, rest) = storage[..self.capacity].split_at_mut(tail - self.capacity);
            let (vacant, first) = rest.split_at_mut(self.capacity - self.len);
            let fold = first.len();
            let ready = if ready.start < fold {
                [&first[ready.start..ready.end.min(fold)], &second[..ready.end.saturating_sub(fold)]]
            } else {
                [&second[ready.start - fold..ready.end - fold], &[]]
            };
            Lent { vacant, ready }
        }
    }

    /// An empty ring starts again at the first byte of its storage: its slices stay whole, the cache warm, and memory that
    /// was never needed is never touched. So does one that is nearly empty, because a peer's acknowledgement may always
    /// be a little late; what it holds is moved, once in at least [`LAP`] bytes and a quarter of them at most.
    fn start_again(&mut self, storage: &mut [u8]) {
        if self.len == 0 {
            self.head = 0;
        } else if self.head >= LAP && self.head / 4 >= self.len && self.head + self.len <= self.capacity {
            storage.copy_within(self.head..self.head + self.len, 0);
            self.head = 0;
        }
    }

    /// The index in the storage of the byte `at` bytes after `acked`; `at < capacity`.
    const fn index(&self, at: usize) -> usize {
        let index = self.head + at;
        if index < self.capacity { index } else { index - self.capacity }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    /// A ring of 4096 bytes that has gone `head` bytes far and holds the `len` after them, which are returned with it.
    fn gone(head: usize, len: usize) -> (Ring, vec::Vec<u8>, vec::Vec<u8>) {
        let mut ring = Ring { head, ..Ring::new(4096) };
        let mut storage = vec![0; 4096];
        ring.push(len);
        ring.release(len);
        let held: vec::Vec<u8> = (0..len).map(|at| at as u8).collect();
        for (at, byte) in held.iter().enumerate() {
            storage[ring.index(at)] = *byte;
        }
        (ring, storage, held)
    }

    #[test]
    fn a_ring_that_is_nearly_empty_and_has_gone_far_starts_again() {
        for (head, len, starts_again) in [
            (LAP, LAP / 4, true),
            (LAP, LAP / 4 + 1, false),
            (LAP - 1, 1, false),
            (4000, 96, true),
            (4000, 97, false),
            (3999, 1000, false),
            (2000, 400, true),
            (2000, 600, false),
        ] {
            let (mut ring, mut storage, held) = gone(head, len);
            let ready = ring.lend(&mut storage, usize::MAX).ready.concat();
            assert_eq!(ready, held, "{head}, {len}");
            assert_eq!(ring.head, if starts_again { 0 } else { head }, "{head}, {len}");
        }
    }

    /// An offset that gets past `edge` within the test.
    fn near(edge: u64) -> impl Strategy<Value = u64> {
        (0..2_000_u64).prop_map(move |before| edge - before)
    }

    proptest! {
        /// Every way to move the cursors, from anywhere, against a queue that holds what the ring must hold.
        #[test]
        fn bytes_leave_as_they_came(
            capacity in prop_oneof![1..80usize, 8_000..9_000usize],
            start in prop_oneof![Just(0), near(1 << 31), near(1 << 32), near(1 << 63), near(u64::MAX)],
            steps in prop::collection::vec((0..8u8, 0..3_000usize), 1..400),
        ) {
            let mut ring = Ring { acked: Count::new(start), ..Ring::new(capacity) };
            let mut storage = vec![0; capacity];
            let mut acked = start;
            let mut held = VecDeque::new();
            let mut next = 0u8;
            for (step, size) in steps {
                match step {
                    0..=2 => {
                        let vacant = ring.lend(&mut storage, usize::MAX).vacant;
                        let n = size.min(vacant.len());
                        for byte in &mut vacant[..n] {
                            *byte = next;
                            held.push_back(next);
                            next = next.wrapping_add(1);
                        }
                        prop_assert!(n <= ring.vacant());
                        ring.push(n);
                    }
                    3 => ring.release(size.min(ring.open())),
                    4 => ring.take(size.min(ring.unsent())),
                    5 => {
                        let n = size.min(ring.in_flight());
                        held.drain(..n);
                        ring.ack(n);
                        acked = acked.wrapping_add(n as u64);
                    }
                    6 => ring.rewind(),
                    _ => {
                        let n = size.min(ring.open());
                        ring.drop_open(&mut storage, n);
                        held.drain(ring.len() - ring.open()..ring.len() - ring.open() + n);
                    }
                }
                let (sent, unsent) = (ring.in_flight(), ring.unsent());
                let ready = ring.lend(&mut storage, usize::MAX).ready.concat();
                prop_assert_eq!(&ready, &held.range(sent..sent + unsent).copied().collect::<vec::Vec<_>>());
                prop_assert_eq!(ring.len(), held.len());
                let offset = |n: usize| acked.wrapping_add(n as u64);
                let cursors = (ring.acked(), ring.released(), ring.end());
                prop_assert_eq!(cursors, (acked, offset(held.len() - ring.open()), offset(held.len())));
            }
        }
    }
}
