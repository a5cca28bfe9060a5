//! Bytes in one direction, each checked on arrival.

use std::os::fd::BorrowedFd;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use rustix::io::Errno;

/// The most that one call moves, in bytes.
pub(super) const MOST: usize = 64 * 1024;

/// The pattern repeats after a prime number of bytes, so that a loss shifts it against every block size in use.
const PERIOD: usize = 1_048_573;

/// Random bytes; the first `MOST` of them again at the end, so that every slice is whole.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(PERIOD)
    .collect();
    bytes.extend_from_within(..MOST);
    bytes
});

/// One direction of a line: `received ≤ sent`, and the two ends agree on what byte number n is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    /// Bytes handed to the program under test.
    pub(super) sent: u64,
    /// Bytes that came out of it, each as it was sent.
    pub(super) received: u64,
}

impl Stream {
    /// Bytes on their way.
    pub(super) fn in_flight(&self) -> u64 {
        self.sent - self.received
    }

    /// One write of at most `len` bytes; the count that was taken, 0 if there is no room.
    ///
    /// # Errors
    /// The other end has gone.
    pub(super) fn send(&mut self, to: BorrowedFd<'_>, len: usize) -> Result<usize> {
        match rustix::io::write(to, pattern(self.sent, len)) {
            Ok(taken) => {
                self.sent += taken as u64;
                Ok(taken)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => bail!("write: {error}"),
        }
    }

    /// One read of at most `buffer`; the count, 0 if there is nothing.
    ///
    /// # Errors
    /// The other end has gone, or a byte is not the one that was sent.
    pub(super) fn receive(&mut self, from: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
        let read = match rustix::io::read(from, &mut *buffer) {
            Ok(0) => bail!("closed the connection"),
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(error) => bail!("read: {error}"),
        };
        self.check(&buffer[..read])?;
        Ok(read)
    }

    fn check(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.in_flight() {
            bail!(
                "more bytes came out ({}) than went in ({})",
                self.received + bytes.len() as u64,
                self.sent
            );
        }
        let expected = pattern(self.received, bytes.len());
        if bytes != expected {
            let at = bytes.iter().zip(expected).position(|(a, b)| a != b).unwrap_or_default();
            bail!("byte {} is wrong: lost, doubled or changed", self.received + at as u64);
        }
        self.received += bytes.len() as u64;
        Ok(())
    }
}

fn pattern(offset: u64, len: usize) -> &'static [u8] {
    let start = (offset % PERIOD as u64) as usize;
    &PATTERN[start..start + len.min(MOST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: u64) -> Stream {
        Stream { sent: bytes, received: 0 }
    }

    #[test]
    fn what_was_sent_is_accepted_over_the_end_of_the_pattern() {
        let start = PERIOD as u64 - 10;
        let mut stream = Stream { sent: start + 100, received: start };
        let bytes = pattern(start, 100).to_vec();
        stream.check(&bytes).expect("as sent");
        assert_eq!(stream.in_flight(), 0);
    }

    #[test]
    fn a_lost_a_doubled_and_a_changed_byte_are_seen() {
        let whole = pattern(0, 100);
        let lost = [&whole[..50], &whole[51..]].concat();
        let doubled = [&whole[..50], &whole[49..99]].concat();
        let mut changed = whole.to_vec();
        changed[50] ^= 1;
        for bytes in [lost, doubled, changed] {
            let error = sent(100).check(&bytes).expect_err("damaged").to_string();
            assert!(error.contains("is wrong"), "{error}");
        }
    }

    #[test]
    fn bytes_from_nowhere_are_seen() {
        assert!(sent(10).check(pattern(0, 11)).is_err());
    }
}
