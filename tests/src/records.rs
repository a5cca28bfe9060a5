//! Numbered records: streams in which every loss, repetition and damage shows.

/// Bytes in a record: `U0000002a.K7q2Z\n`, direction, number in hex, filler made from the number, line feed.
pub const RECORD: usize = 16;

const HEX: &[u8; 16] = b"0123456789abcdef";
const FILLER: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A source of records, numbered from 0.
#[derive(Clone, Debug)]
pub struct Records {
    direction: u8,
    next: u32,
}

impl Records {
    /// Records sent up, by the device.
    pub const fn up() -> Self {
        Self { direction: b'U', next: 0 }
    }

    /// Records sent down, by a peer.
    pub const fn down() -> Self {
        Self { direction: b'D', next: 0 }
    }

    /// At least `bytes` bytes of whole records.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.next_multiple_of(RECORD));
        while out.len() < bytes {
            out.extend_from_slice(&self.at(self.next));
            self.next += 1;
        }
        out
    }

    /// Record number `number` of this direction.
    pub fn at(&self, number: u32) -> [u8; RECORD] {
        let mut record = [b'\n'; RECORD];
        record[0] = self.direction;
        for (place, digit) in record[1..9].iter_mut().enumerate() {
            *digit = HEX[(number >> (28 - 4 * place)) as usize & 15];
        }
        record[9] = b'.';
        // Fibonacci hashing spreads neighbouring numbers over the filler.
        let mut hash = number.wrapping_mul(0x9E37_79B1);
        for byte in &mut record[10..15] {
            *byte = FILLER[(hash >> 27) as usize];
            hash = hash.rotate_left(5);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole_numbered_and_different() {
        let bytes = Records::up().take(100);
        assert_eq!(bytes.len(), 112);
        assert_eq!(&bytes[16..26], b"U00000001.");
        assert!(bytes.chunks(RECORD).all(|record| record[15] == b'\n'));
        assert_ne!(bytes[10..15], bytes[26..31]);
    }
}
