//! Bytes of our own in the uplink stream: the greeting before everything else, and heartbeats.
//!
//! They are written before the ring's bytes and are no part of it, so acknowledgements must be reduced by them: see
//! [`Connection::base`](crate::link::Connection). A subtraction is enough, because own bytes are started only when nothing of the ring is outstanding: while the
//! peer has acknowledged only a part of them, the difference stays at or below what it had acknowledged before.

/// Own bytes of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnBytes<'c> {
    /// Still to be written.
    rest: &'c [u8],
}

impl<'c> OwnBytes<'c> {
    /// Starts a connection with `greeting`, which may be empty.
    pub(crate) const fn greet(greeting: &'c [u8]) -> Self {
        Self { rest: greeting }
    }

    /// Adds bytes; nothing of the ring may be outstanding, and no own bytes unwritten.
    pub(crate) const fn start(&mut self, bytes: &'c [u8]) {
        self.rest = bytes;
    }

    /// What is still to be written.
    pub(crate) const fn rest(&self) -> &'c [u8] {
        self.rest
    }

    /// `n` bytes of [`Self::rest`] were written.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.rest = &self.rest[n..];
    }
}
