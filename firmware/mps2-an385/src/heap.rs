//! The heap, which TLS alone uses: rustls' state of one connection, and certificates.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;
use static_cell::ConstStaticCell;

/// Its size in bytes. An allocation that does not fit is a panic, so what a server can cause is bounded: see `tls::HANDSHAKE`.
const SIZE: usize = 12 * 1024;

/// The most bytes that were ever in use; `cargo xtask firmware size` reads it from outside.
#[unsafe(export_name = "HEAP_PEAK")]
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The first fit among the free parts, and a look at how much is in use.
struct Heap(LlffHeap);

#[global_allocator]
static HEAP: Heap = Heap(LlffHeap::empty());

/// Gives the heap its memory.
pub(crate) fn start() {
    static MEMORY: ConstStaticCell<[MaybeUninit<u8>; SIZE]> =
        ConstStaticCell::new([MaybeUninit::uninit(); SIZE]);
    let memory = MEMORY.take();
    // SAFETY: the memory is the heap's alone from now on, and `take` gives it once.
    unsafe { HEAP.0.init(memory.as_mut_ptr().addr(), SIZE) };
}

// SAFETY: every call goes through to an allocator.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let given = unsafe { self.0.alloc(layout) };
        PEAK.fetch_max(self.0.used(), Ordering::Relaxed);
        given
    }

    unsafe fn dealloc(&self, given: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(given, layout) }
    }
}
