//! Storage for the rings that takes memory only as far as it is used.

use std::io;

use memmap2::MmapMut;

/// A ring's storage: pages of its own, zero without having been written (mmap(2), `MAP_ANONYMOUS`), each of which
/// takes memory only once a byte has been in it. With a thousand bridges, buffers that never fill would otherwise be most
/// of what they take: the C library's allocator clears what it hands out again.
#[derive(Debug)]
pub struct Storage(MmapMut);

impl Storage {
    /// `len` zero bytes.
    ///
    /// # Errors
    /// The kernel has no room for them, or `len` is 0.
    pub fn new(len: usize) -> io::Result<Self> {
        MmapMut::map_anon(len).map(Self)
    }
}

impl AsRef<[u8]> for Storage {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Storage {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
