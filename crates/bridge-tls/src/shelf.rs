//! Where what the engine makes is put.

use crate::engine::Sink;
use crate::linear::Linear;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Ciphertext goes into the output buffer, or what follows it; plaintext to the reader, or
/// to the front of the input buffer, where it waits for one.
pub(crate) struct Shelf<'a> {
    pub(crate) output: &'a mut [u8],
    pub(crate) ready: &'a mut Linear,
    pub(crate) spilled: &'a mut Vec<u8>,
    /// Bytes of ciphertext made on this connection.
    pub(crate) total: &'a mut u64,
    pub(crate) plain: &'a mut [u8],
    pub(crate) taken: usize,
    /// Bytes at the front of the input buffer that are plaintext which found no room in `plain`, of which `taken` bytes
    /// are filled.
    pub(crate) unread: &'a mut usize,
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

    fn plaintext(&mut self, bytes: &[u8], held: &mut [u8]) {
        let rest = &bytes[self.take(bytes)..];
        held[*self.unread..][..rest.len()].copy_from_slice(rest);
        *self.unread += rest.len();
    }

    fn plaintext_in_place(&mut self, held: &mut [u8], mut place: Range<usize>) {
        place.start += self.take(&held[place.clone()]);
        held.copy_within(place.clone(), *self.unread);
        *self.unread += place.len();
    }
}

impl Shelf<'_> {
    /// Gives the reader what it has room for, unless older bytes wait; how many that were.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let room = if *self.unread == 0 { &mut self.plain[self.taken..] } else { &mut [] };
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.taken += count;
        self.data |= !bytes.is_empty();
        count
    }
}
