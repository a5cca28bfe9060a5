//! Flow control towards the device on the UART, and what happens when it does not help.

use crate::config::{Overflow, Packing};
use crate::count::Count;
use crate::event::Flow;
use crate::pack::{Keep, Packer};
use crate::ring::Ring;

/// What the device on the UART has been told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Throttle {
    told: Flow,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self { told: Flow::Go }
    }

    /// What to tell the device now, if that is news. It is stopped when the ring is three quarters full and goes on
    /// when it is half empty: what is still under way fits, and the line does not flap.
    pub(crate) fn news(&mut self, up: &Ring, overflow: Overflow) -> Option<Flow> {
        let wanted = match (self.told, overflow) {
            (_, Overflow::DropOldest | Overflow::DropNewest) => Flow::Go,
            (Flow::Go, Overflow::Block) if up.len() >= up.capacity() - up.capacity() / 4 => Flow::Stop,
            (Flow::Stop, Overflow::Block) if up.len() <= up.capacity() / 2 => Flow::Go,
            (told, Overflow::Block) => told,
        };
        (wanted != self.told).then(|| {
            self.told = wanted;
            wanted
        })
    }
}

/// What overflow has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Dropped {
    /// Bytes dropped from the front of the ring: they had been accepted.
    pub(crate) oldest: Count,
    /// Bytes dropped on arrival, or taken back.
    pub(crate) newest: Count,
    pub(crate) packets: u32,
}

/// The up ring and its packets, with what overflow has cost.
pub(crate) struct Overflowing<'a, const P: usize> {
    pub(crate) policy: Overflow,
    pub(crate) packing: &'a Packing,
    pub(crate) keep: Keep,
    pub(crate) ring: &'a mut Ring,
    pub(crate) packer: &'a mut Packer<P>,
    pub(crate) dropped: &'a mut Dropped,
}

impl<const P: usize> Overflowing<'_, P> {
    /// Brings the ring back under its limit after bytes have arrived. Returns how many bytes at its front were
    /// dropped without having been sent.
    pub(crate) fn make_room(&mut self, storage: &[u8]) -> usize {
        let mut unsent = 0;
        while self.excess() > 0 {
            let oldest = self.oldest();
            if oldest > 0 {
                unsent += oldest.saturating_sub(self.ring.in_flight());
                self.ring.drop_front(oldest);
                self.packer.forget_front(self.ring);
                self.packer.cut(self.packing, self.keep, self.ring, storage);
                self.dropped.oldest.add(oldest);
            } else {
                let newest = self.drop_newest();
                if newest == 0 {
                    break;
                }
                self.dropped.newest.add(newest);
            }
            self.dropped.packets = self.dropped.packets.saturating_add(1);
        }
        unsent
    }

    /// By how many bytes the ring is too full. The policies that drop keep a sixteenth of it free, so that there is
    /// always room for the next read, and one place for a packet's end.
    fn excess(&self) -> usize {
        if self.policy == Overflow::Block {
            return 0;
        }
        let spare = self.ring.capacity().div_ceil(16);
        let excess = (self.ring.len() + spare).saturating_sub(self.ring.capacity());
        if self.packer.has_place(self.keep) { excess } else { excess.max(1) }
    }

    /// How many bytes at the front may go: enough of them, or the first whole packet. Never the rest of a packet
    /// whose beginning is on this connection already.
    fn oldest(&self) -> usize {
        match (self.policy, self.keep) {
            (Overflow::Block | Overflow::DropNewest, _) => 0,
            (Overflow::DropOldest, Keep::No) => self.excess(),
            (Overflow::DropOldest, Keep::Roughly | Keep::Exactly) => {
                let first = self.packer.first(self.ring).unwrap_or(0);
                let partly_sent = (1..first).contains(&self.ring.in_flight());
                if partly_sent { 0 } else { first }
            }
        }
    }

    /// Drops the last packet, or the bytes too many of it if its beginning is on this connection already.
    fn drop_newest(&mut self) -> usize {
        let whole = match self.keep {
            Keep::No => 0,
            Keep::Roughly | Keep::Exactly => self.packer.drop_last(self.packing, self.ring),
        };
        if whole > 0 {
            return whole;
        }
        let tail = self.excess().min(self.ring.unsent());
        self.packer.shorten_last(self.ring, tail);
        tail
    }
}
