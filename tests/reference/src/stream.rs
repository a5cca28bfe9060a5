//! One connection, as the peer sees it.

use std::collections::VecDeque;

use uartbridge_core::Acks;

use crate::said;

/// What was written to a connection, and how far into the device's stream that reaches.
pub(crate) struct Stream<'c> {
    pub(crate) acks: Acks,
    /// Greeting or heartbeat, as far as it is not written.
    pub(crate) own: &'c [u8],
    /// For each byte that is written and not acknowledged: how far into the device's stream its acknowledgement reaches.
    sent: VecDeque<Reach>,
    pub(crate) written: u64,
    pub(crate) acked: u64,
    /// The byte of the device that comes next, or if some may be missing, the first that may.
    next: u64,
}

#[derive(Clone, Copy)]
struct Reach {
    to: u64,
    own: bool,
}

impl<'c> Stream<'c> {
    /// A connection that starts after the first `reached` bytes of the device.
    pub(crate) fn new(acks: Acks, greeting: &'c [u8], reached: u64) -> Self {
        Self { acks, own: greeting, sent: VecDeque::new(), written: 0, acked: 0, next: reached }
    }

    /// `bytes` are written, and nothing but what must come now.
    ///
    /// # Panics
    /// Something else came.
    pub(crate) fn write(&mut self, bytes: &[u8], exactly: bool) {
        self.written += bytes.len() as u64;
        if !self.own.is_empty() {
            assert!(self.own.starts_with(bytes), "greeting or heartbeat: {bytes:?}, and not {:?}", self.own);
            self.own = &self.own[bytes.len()..];
            self.sent.extend(bytes.iter().map(|_| Reach { to: self.next, own: true }));
            return;
        }
        for &byte in bytes {
            if exactly {
                assert_eq!(byte, said(self.next), "lost, doubled or out of order: byte {}", self.next);
            }
            // The values repeat: a byte out of order would need a lap of them each time.
            self.next += (u64::from(byte) + 251 - self.next % 251) % 251 + 1;
            self.sent.push_back(Reach { to: self.next, own: false });
        }
    }

    /// The peer has the first `total` bytes: how far into the device's stream that reaches, if any of those were new.
    pub(crate) fn ack(&mut self, total: u64) -> Option<u64> {
        let new = usize::try_from(total.saturating_sub(self.acked)).unwrap_or(usize::MAX);
        self.acked = self.acked.max(total);
        self.sent.drain(..new.min(self.sent.len())).rfind(|reach| !reach.own).map(|reach| reach.to)
    }

    /// Bytes of the device that are written and not acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        self.sent.iter().filter(|reach| !reach.own).count() as u64
    }

    /// What came last, or may have.
    pub(crate) fn reaches(&self) -> u64 {
        self.next
    }
}
