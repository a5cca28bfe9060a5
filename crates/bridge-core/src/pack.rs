//! Packing: where the uplink stream is cut into packets, by length, gap or delimiter.
//!
//! A packet is *open* while its bytes may still be joined by more; cutting it releases it. The ends of released
//! packets are remembered where they matter: for datagrams, and where overflow drops whole packets.

use core::num::NonZeroUsize;

use heapless::Deque;

use crate::config::{Overflow, Packing};
use crate::ring::Ring;
use crate::time::Instant;

/// The packets of one up ring. `P` is how many ends are remembered.
#[derive(Clone, Debug)]
pub(crate) struct Packer<const P: usize> {
    /// Ends of released packets, as the low 32 bits of their absolute offsets: always in `acked+1 ..= released`.
    ends: Deque<u32, P>,
    /// When the UART brought the last byte.
    last_rx: Instant,
    /// How many bytes of the open packet have been searched for the delimiter. Always `≤ ring.open()`.
    searched: usize,
    /// The last four bytes searched, the newest lowest.
    history: u32,
    /// Bytes of the packet that overflow is dropping: what comes before its end goes too.
    skipping: Option<NonZeroUsize>,
}

impl<const P: usize> Packer<P> {
    pub(crate) const fn new() -> Self {
        Self { ends: Deque::new(), last_rx: Instant::START, searched: 0, history: 0, skipping: None }
    }

    /// Bytes have arrived in `ring`: releases every packet that they complete.
    /// Returns how many bytes of a packet that is being dropped were dropped.
    pub(crate) fn arrived(
        &mut self,
        now: Instant,
        config: &Packing,
        keep: Keep,
        ring: &mut Ring,
        storage: &mut [u8],
    ) -> usize {
        self.last_rx = now;
        let mut dropped = 0;
        if let Some(already) = self.skipping {
            let (fresh, already) = (ring.open(), already.get());
            let rest = self.find_end(config, ring, storage, limit(config, ring).saturating_sub(already));
            dropped = rest.unwrap_or(fresh);
            ring.drop_open(storage, dropped);
            self.searched = 0;
            self.skipping = if rest.is_some() { None } else { NonZeroUsize::new(already + dropped) };
        }
        self.cut(config, keep, ring, storage);
        dropped
    }

    /// Releases every complete packet of the open bytes, as far as their ends can be remembered.
    pub(crate) fn cut(&mut self, config: &Packing, keep: Keep, ring: &mut Ring, storage: &[u8]) {
        while ring.open() > 0 && self.has_place(keep) {
            match self.find_end(config, ring, storage, limit(config, ring)) {
                Some(len) => self.end_packet(keep, ring, len),
                None => return,
            }
        }
    }

    /// The line has been quiet, or nothing more will come: the open packet ends here.
    pub(crate) fn flush(&mut self, config: &Packing, keep: Keep, ring: &mut Ring, storage: &[u8]) {
        self.skipping = None;
        self.cut(config, keep, ring, storage);
        if ring.open() > 0 && self.has_place(keep) {
            self.end_packet(keep, ring, ring.open());
        }
    }

    /// When the open packet ends because the line is quiet.
    pub(crate) fn gap_deadline(&self, config: &Packing, keep: Keep, ring: &Ring) -> Instant {
        let waiting = ring.open() > 0 && self.has_place(keep) || self.skipping.is_some();
        if waiting { self.last_rx + config.gap } else { Instant::NEVER }
    }

    /// Whether the end of one more packet can be remembered.
    pub(crate) fn has_place(&self, keep: Keep) -> bool {
        keep != Keep::Exactly || !self.ends.is_full()
    }

    /// Bytes were acknowledged or dropped at the front of `ring`: forgets their ends.
    pub(crate) fn forget_front(&mut self, ring: &Ring) {
        while self.ends.front().is_some_and(|&end| !lies_after(ring.acked(), end)) {
            self.ends.pop_front();
        }
    }

    /// The length of the first packet held (from `acked`), if its end is remembered.
    pub(crate) fn first(&self, ring: &Ring) -> Option<usize> {
        self.ends.front().map(|&end| distance(ring.acked(), end))
    }

    /// The end, in bytes after `acked`, of the first packet that is not wholly sent.
    pub(crate) fn next_to_send(&self, ring: &Ring) -> Option<usize> {
        self.ends.iter().map(|&end| distance(ring.acked(), end)).find(|&end| end > ring.in_flight())
    }

    /// Takes back the last packet released, or the open one if there is any, unless some of it is sent.
    /// Returns its length, 0 if there is none to take.
    pub(crate) fn drop_last(&mut self, config: &Packing, ring: &mut Ring) -> usize {
        let open = ring.open();
        if open > 0 {
            self.skipping = if config.passes_through() { None } else { NonZeroUsize::new(open) };
            self.searched = 0;
            ring.drop_back(open);
            return open;
        }
        let mut ends = self.ends.iter().rev().map(|&end| distance(ring.acked(), end));
        let (Some(end), before) = (ends.next(), ends.next()) else {
            return 0;
        };
        let start = before.unwrap_or(0);
        if start < ring.in_flight() {
            return 0;
        }
        self.ends.pop_back();
        ring.drop_back(end - start);
        end - start
    }

    /// Takes back the last `n` bytes of the last packet released; none of them may be sent.
    pub(crate) fn shorten_last(&mut self, ring: &mut Ring, n: usize) {
        ring.drop_back(n);
        if let Some(end) = self.ends.back_mut() {
            *end = ring.released() as u32;
        }
        self.forget_front(ring);
    }

    fn end_packet(&mut self, keep: Keep, ring: &mut Ring, len: usize) {
        ring.release(len);
        self.searched = 0;
        if keep == Keep::No {
            return;
        }
        if self.ends.is_full() {
            // Only where a coarser drop is harmless: the packet joins the one before it.
            self.ends.pop_back();
        }
        // Cannot fail: a place was made or `has_place` was asked. The low 32 bits are what is kept.
        let _ = self.ends.push_back(ring.released() as u32);
    }

    /// The length of the first packet of the open bytes, if it is complete.
    fn find_end(&mut self, config: &Packing, ring: &Ring, storage: &[u8], limit: usize) -> Option<usize> {
        let open = ring.open();
        if config.passes_through() {
            return Some(open.min(limit));
        }
        if let Some(mark) = config.delimiter {
            while self.searched < open.min(limit) {
                self.history = self.history << 8 | u32::from(ring.open_byte(storage, self.searched));
                self.searched += 1;
                let whole = self.searched >= usize::from(mark.len) || self.skipping.is_some();
                if whole && mark.ends(self.history) {
                    self.history = 0;
                    return Some(self.searched);
                }
            }
        }
        (open >= limit).then_some(limit)
    }
}

/// Whether the ends of packets are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nobody asks for them.
    No,
    /// As far as there is place: packets beyond are joined.
    Roughly,
    /// Each one: they are datagrams.
    Exactly,
}

impl Keep {
    pub(crate) fn of(config: &Packing, overflow: Overflow) -> Self {
        match overflow {
            _ if config.datagrams => Self::Exactly,
            Overflow::DropOldest | Overflow::DropNewest if !config.passes_through() => Self::Roughly,
            Overflow::Block | Overflow::DropOldest | Overflow::DropNewest => Self::No,
        }
    }
}

impl Packing {
    /// Whether bytes are released as they come.
    pub(crate) const fn passes_through(&self) -> bool {
        self.gap.is_never() && self.delimiter.is_none() && (self.datagrams || self.max_len == 0)
    }
}

impl crate::config::Delimiter {
    /// Whether the newest bytes of `history` are this mark.
    fn ends(self, history: u32) -> bool {
        let mark = u32::from_be_bytes(self.bytes) >> (32 - 8 * u32::from(self.len));
        history & (u32::MAX >> (32 - 8 * u32::from(self.len))) == mark
    }
}

/// The longest packet: what does not fit the ring whole is cut.
fn limit(config: &Packing, ring: &Ring) -> usize {
    if config.max_len > 0 { config.max_len } else { ring.capacity() }
}

/// Whether `end`, the low 32 bits of an offset, lies after `acked`: rings hold less than 2^31 bytes.
const fn lies_after(acked: u64, end: u32) -> bool {
    end.wrapping_sub(acked as u32) as i32 > 0
}

/// How far `end`, the low 32 bits of an offset, lies after `acked`, which it does.
const fn distance(acked: u64, end: u32) -> usize {
    end.wrapping_sub(acked as u32) as usize
}
