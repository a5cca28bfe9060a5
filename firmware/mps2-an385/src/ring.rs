//! Bytes between an interrupt and a task: one writes, one reads, neither waits for the other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A ring of `N` bytes, a power of two. `tail ≤ head ≤ tail + N`; both count from the start of time and wrap.
pub(crate) struct Ring<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    /// Moved by the writer alone.
    head: AtomicUsize,
    /// Moved by the reader alone.
    tail: AtomicUsize,
}

// SAFETY: the writer touches only the `N - len` bytes from `head`, the reader only the `len` bytes from `tail`, and each
// publishes what it has done by moving its own cursor, last.
unsafe impl<const N: usize> Sync for Ring<N> {}

impl<const N: usize> Ring<N> {
    /// An empty ring.
    pub(crate) const fn new() -> Self {
        assert!(N.is_power_of_two());
        Self { bytes: UnsafeCell::new([0; N]), head: AtomicUsize::new(0), tail: AtomicUsize::new(0) }
    }

    /// Bytes held.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.head.load(Ordering::Acquire).wrapping_sub(self.tail.load(Ordering::Acquire))
    }

    /// Bytes written since the start of time.
    #[inline(always)]
    pub(crate) fn written(&self) -> usize {
        self.head.load(Ordering::Relaxed)
    }

    /// The writer's: adds a byte; `false` if there is no room.
    #[inline(always)]
    pub(crate) fn push(&self, byte: u8) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        if head.wrapping_sub(self.tail.load(Ordering::Acquire)) == N {
            return false;
        }
        // SAFETY: the index is below N, and the byte is the writer's until `head` has passed it.
        unsafe { self.start().add(head % N).write(byte) };
        self.head.store(head.wrapping_add(1), Ordering::Release);
        true
    }

    /// The writer's: adds as many of `bytes` as there is room for, and says how many.
    pub(crate) fn extend(&self, bytes: &[u8]) -> usize {
        let head = self.head.load(Ordering::Relaxed);
        let room = N - head.wrapping_sub(self.tail.load(Ordering::Acquire));
        let count = room.min(bytes.len());
        let (first, second) = bytes[..count].split_at(count.min(N - head % N));
        // SAFETY: both parts lie within the N bytes, and they are the writer's until `head` has passed them.
        unsafe {
            self.start().add(head % N).copy_from_nonoverlapping(first.as_ptr(), first.len());
            self.start().copy_from_nonoverlapping(second.as_ptr(), second.len());
        }
        self.head.store(head.wrapping_add(count), Ordering::Release);
        count
    }

    /// The reader's: what is held, up to the fold of the ring.
    pub(crate) fn held(&self) -> &[u8] {
        let tail = self.tail.load(Ordering::Relaxed);
        let len = self.head.load(Ordering::Acquire).wrapping_sub(tail);
        // SAFETY: within the N bytes, and the writer leaves them alone until `tail` has passed them: `consume` is the
        // reader's too, and the caller's slice ends before it.
        unsafe { core::slice::from_raw_parts(self.start().add(tail % N), len.min(N - tail % N)) }
    }

    /// The reader's: takes the next byte.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if self.head.load(Ordering::Acquire) == tail {
            return None;
        }
        // SAFETY: the index is below N, and the byte is the reader's until `tail` has passed it.
        let byte = unsafe { self.start().add(tail % N).read() };
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    /// The reader's: gives up the first `count` bytes of what is held.
    pub(crate) fn consume(&self, count: usize) {
        let tail = self.tail.load(Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(count.min(self.len())), Ordering::Release);
    }

    fn start(&self) -> *mut u8 {
        self.bytes.get().cast()
    }
}
