//! Rings whose size a case chooses, without a heap: states are copied all the time.

/// The largest ring, in bytes.
const MOST: usize = 16;

/// The storage of a ring.
#[derive(Clone)]
pub(crate) struct Storage {
    bytes: [u8; MOST],
    len: u8,
}

impl Storage {
    /// `len` is at most 16 bytes.
    pub(crate) fn new(len: usize) -> Self {
        assert!(len <= MOST, "a ring of {len} bytes");
        Self { bytes: [0xEE; MOST], len: len as u8 }
    }
}

impl AsRef<[u8]> for Storage {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsMut<[u8]> for Storage {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Letters, so that nobody takes bytes for counts.
        self.as_ref().iter().try_for_each(|&byte| f.write_str(BYTES[usize::from(byte)]))
    }
}

/// Two letters for each byte.
static BYTES: [&str; 256] = {
    const LETTERS: &[u8; 512] = &{
        let mut letters = [0; 512];
        let mut byte = 0;
        while byte < 256 {
            letters[2 * byte] = b'a' + (byte >> 4) as u8;
            letters[2 * byte + 1] = b'a' + (byte & 15) as u8;
            byte += 1;
        }
        letters
    };
    let mut bytes = [""; 256];
    let mut byte = 0;
    while byte < 256 {
        let (_, rest) = LETTERS.split_at(2 * byte);
        let (two, _) = rest.split_at(2);
        bytes[byte] = match core::str::from_utf8(two) {
            Ok(text) => text,
            Err(_) => "",
        };
        byte += 1;
    }
    bytes
};
