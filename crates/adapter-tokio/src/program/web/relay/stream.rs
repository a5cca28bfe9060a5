//! Both directions of one relay: what waits, what has gone, and who may send how much.

use std::collections::VecDeque;

use axum::body::Bytes;

/// How much the page may send beyond what the peer has taken, in bytes.
pub(super) const WINDOW: u64 = 256 << 10;
/// What the relay may send before the page has granted more.
const FIRST_CREDIT: u64 = 65_536;

/// From the page to the peer. `acked ≤ written ≤ received ≤ written + WINDOW`, where the page keeps to its credit.
#[derive(Debug, Default)]
pub(super) struct Up {
    waiting: VecDeque<Bytes>,
    received: u64,
    pub(super) written: u64,
    granted: u64,
}

/// From the peer to the page. `sent ≤ credit`, if the page grants any.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) sent: u64,
    credit: u64,
}

impl Up {
    /// Takes bytes from the page.
    pub(super) fn take(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.received += bytes.len() as u64;
            self.waiting.push_back(bytes);
        }
    }

    /// What is to be written next; empty if there is nothing.
    pub(super) fn next(&self) -> &[u8] {
        self.waiting.front().map_or(&[], |bytes| bytes)
    }

    /// So much of [`Self::next`] was written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
        if let Some(front) = self.waiting.front_mut() {
            if bytes < front.len() {
                *front = front.slice(bytes..);
            } else {
                self.waiting.pop_front();
            }
        }
    }

    /// Whether to read on. A page that overdraws its credit waits.
    pub(super) fn has_room(&self) -> bool {
        self.received - self.written < WINDOW
    }

    /// The peer takes no more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// A new total for the page, once it is worth a message.
    pub(super) fn grant(&mut self) -> Option<u64> {
        let total = self.written + WINDOW;
        let worth = total - self.granted >= WINDOW / 4;
        worth.then(|| {
            self.granted = total;
            total
        })
    }
}

impl Down {
    /// For a page that grants, or for one that takes what comes.
    pub(super) fn new(grants: bool) -> Self {
        Self { sent: 0, credit: if grants { FIRST_CREDIT } else { u64::MAX } }
    }

    /// How much may be sent now, and be read for that.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.credit.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }

    /// The page may be sent so much in all; an old message does not take anything back.
    pub(super) fn grant(&mut self, total: u64) {
        self.credit = self.credit.max(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_gets_credit_for_what_the_peer_takes() {
        let mut up = Up::default();
        assert_eq!(up.grant(), Some(WINDOW), "at first a window");
        assert_eq!(up.grant(), None);
        for _ in 0..4 {
            assert!(up.has_room());
            up.take(Bytes::from(vec![7; WINDOW as usize / 4]));
        }
        up.take(Bytes::new());
        assert!(!up.has_room());
        up.wrote(1);
        assert_eq!((up.next().len() as u64, up.grant()), (WINDOW / 4 - 1, None), "not worth a message yet");
        up.wrote(up.next().len());
        assert_eq!(up.grant(), Some(WINDOW + WINDOW / 4));
        assert!(up.has_room());
        while !up.next().is_empty() {
            up.wrote(up.next().len());
        }
        assert_eq!((up.written, up.grant()), (WINDOW, Some(2 * WINDOW)));
    }

    #[test]
    fn credit_is_never_taken_back() {
        let mut down = Down::new(true);
        assert_eq!(down.room(), 65_536);
        down.sent = 65_536;
        assert_eq!(down.room(), 0);
        down.grant(65_540);
        down.grant(10);
        assert_eq!(down.room(), 4);
        assert!(Down::new(false).room() > 1 << 30);
    }
}
