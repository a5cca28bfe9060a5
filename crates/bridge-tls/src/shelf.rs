//! Where what the engine makes is put.

use crate::engine::Sink;
use crate::linear::Linear;
use alloc::vec;
use alloc::vec::Vec;

/// Ciphertext goes into the output buffer, or what follows it; plaintext to the reader, or what waits for one.
pub(crate) struct Shelf<'a> {
    pub(crate) output: &'a mut [u8],
    pub(crate) ready: &'a mut Linear,
    pub(crate) spilled: &'a mut Vec<u8>,
    /// Bytes of ciphertext made on this connection.
    pub(crate) total: &'a mut u64,
    pub(crate) plain: &'a mut [u8],
    pub(crate) taken: usize,
    /// Plaintext that found no room in `plain`, of which `taken` bytes are filled.
    pub(crate) pending: &'a mut Vec<u8>,
    /// Bytes of ciphertext that were received and not yet decrypted: no more plaintext than that can come now.
    pub(crate) received: usize,
    /// Whether there was plaintext at all.
    pub(crate) data: bool,
}

impl Sink for Shelf<'_> {
    fn ciphertext(&mut self, write: &mut dyn FnMut(&mut [u8]) -> Result<usize, usize>) {
        let room = if self.spilled.is_empty() { self.ready.vacant(self.output) } else { &mut [] };
        match write(room) {
            Ok(written) => {
                self.ready.fill(written);
                *self.total += written as u64;
            }
            Err(needed) => {
                let mut message = vec![0; needed];
                if let Ok(written) = write(&mut message) {
                    self.spilled.extend_from_slice(&message[..written]);
                    *self.total += written as u64;
                }
            }
        }
    }

    fn plaintext(&mut self, bytes: &[u8]) {
        let room = if self.pending.is_empty() { &mut self.plain[self.taken..] } else { &mut [] };
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.taken += count;
        if count < bytes.len() && self.pending.is_empty() {
            // For all that can follow before the reader comes: growing step by step takes up to three times the memory.
            self.pending.reserve_exact(self.received);
        }
        self.pending.extend_from_slice(&bytes[count..]);
        self.data |= !bytes.is_empty();
    }
}
