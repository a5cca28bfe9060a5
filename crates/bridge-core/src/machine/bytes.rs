//! A byte's way: what may move on each port, and what follows from what has moved.

use super::Machine;
use crate::event::{Acks, CloseCause, Misuse};
use crate::flow::Overflowing;
use crate::link::{Input, Link};
use crate::pack::Keep;

/// A datagram from the peer is read only when there is room for this many bytes, or the ring is empty.
const DATAGRAM_ROOM: usize = 2048;

impl<const P: usize> Machine<'_, P> {
    /// How many bytes may go to the socket at a time: a datagram goes alone. `None` if none may.
    pub(crate) fn may_write(&self) -> Option<usize> {
        let writes = matches!(&self.link, Link::Up(connection) if connection.writes());
        writes.then(|| match self.keep {
            Keep::Exactly => self.packer.next_to_send(&self.up).map_or(0, |end| end - self.up.in_flight()),
            Keep::No | Keep::Roughly => usize::MAX,
        })
    }

    /// What the connection has to say for itself, before any byte of the UART.
    pub(crate) fn own_bytes(&self) -> &[u8] {
        match &self.link {
            Link::Up(connection) => connection.own.rest(),
            Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Dialing { .. }
            | Link::Abandoning { .. }
            | Link::Finished => &[],
        }
    }

    pub(crate) fn may_read_uart(&self) -> bool {
        self.uart.reads() && self.draining.is_none() && self.packer.has_place(self.keep)
    }

    pub(crate) fn may_read_socket(&self) -> bool {
        let reads = matches!(&self.link, Link::Up(connection) if connection.reads());
        let roomy = if self.config.packing.datagrams {
            self.down.is_empty() || self.down.vacant() >= DATAGRAM_ROOM
        } else {
            // Half of the ring: reading each few bytes that the UART has made room for would cost a call each,
            // and have the peer send them in a packet each (RFC 9293 §3.8.6.2.2, silly window syndrome).
            (self.down.capacity() - self.down.len()) >= self.down.capacity().div_ceil(2)
        };
        reads && roomy
    }

    pub(super) fn uart_rx(&mut self, n: usize, storage: &mut [u8]) -> Result<(), Misuse> {
        let lent = if self.may_read_uart() { self.up.vacant() } else { 0 };
        within(n, lent)?;
        if n == 0 {
            return Ok(());
        }
        self.moved = self.now;
        self.up.push(n);
        let packing = &self.config.packing;
        let skipped = self.packer.arrived(self.now, packing, self.keep, &mut self.up, storage);
        self.dropped.newest.add(skipped);
        self.make_room(storage);
        Ok(())
    }

    /// Overflow takes what is too much, if it may. Not inlined: it would be there twice.
    #[inline(never)]
    pub(super) fn make_room(&mut self, storage: &[u8]) {
        let unsent = Overflowing {
            policy: self.config.overflow,
            packing: &self.config.packing,
            keep: self.keep,
            ring: &mut self.up,
            packer: &mut self.packer,
            dropped: &mut self.dropped,
        }
        .make_room(storage);
        if let Some(connection) = self.link.connection() {
            connection.base.add(unsent);
        }
    }

    pub(super) fn sock_rx(&mut self, n: usize) -> Result<(), Misuse> {
        let lent = if self.may_read_socket() { self.down.vacant() } else { 0 };
        let Link::Up(connection) = &mut self.link else {
            return Err(Misuse::NoConnection);
        };
        within(n, lent)?;
        self.down.push(n);
        self.down.release(n);
        connection.heard(self.now, self.config);
        self.moved = self.now;
        Ok(())
    }

    pub(super) fn tx_done(&mut self, n: usize) -> Result<(), Misuse> {
        let limit = self.may_write();
        let Link::Up(connection) = &mut self.link else {
            return Err(Misuse::NoConnection);
        };
        let own = connection.own.rest().len();
        let lent = match (limit, own) {
            (None, _) => 0,
            (Some(limit), 0) => self.up.unsent().min(limit),
            (Some(_), own) => own,
        };
        within(n, lent)?;
        if self.keep == Keep::Exactly && n != lent {
            return Err(Misuse::SplitDatagram);
        }
        if n == 0 {
            return Ok(());
        }
        connection.wrote(self.now, n);
        if own > 0 {
            connection.own.wrote(n);
            connection.base.subtract(n);
            connection.watch.own_outstanding(self.now, &self.up, connection.written.get());
            return Ok(());
        }
        self.moved = self.now;
        connection.watch.outstanding(self.now, &self.up);
        self.up.take(n);
        if connection.watch.acks == Acks::OnWrite {
            self.up.ack(n);
            self.packer.forget_front(&self.up);
        }
        Ok(())
    }

    pub(super) fn tx_acked(&mut self, total: u64) -> Result<(), Misuse> {
        let Link::Up(connection) = &mut self.link else {
            return Err(Misuse::NoConnection);
        };
        if total > connection.written.get() {
            return Err(Misuse::AckedUnwritten);
        }
        // Negative while the peer has only a part of our own bytes, which come before those of the ring.
        let ahead = connection.base.get().wrapping_add(total).wrapping_sub(self.up.acked()) as i64;
        let advance = ahead.max(0).min(self.up.in_flight() as i64);
        // No more than is in flight, which is a `usize`.
        self.up.ack(advance as usize);
        self.packer.forget_front(&self.up);
        let advanced = connection.watch.own_acked(total, connection.written.get()) || advance > 0;
        let dead = connection.watch.answered(self.now, &self.config.supervise, &self.up, advanced);
        if dead { self.step(Input::GiveUp(CloseCause::Unacked)) } else { Ok(()) }
    }

    pub(super) fn uart_tx_done(&mut self, n: usize) -> Result<(), Misuse> {
        within(n, if self.uart.writes() { self.down.unsent_whole() } else { 0 })?;
        self.down.take(n);
        self.down.ack(n);
        self.moved = self.now;
        Ok(())
    }
}

/// Holds the adapter to what was lent.
const fn within(reported: usize, lent: usize) -> Result<(), Misuse> {
    if reported <= lent { Ok(()) } else { Err(Misuse::MoreThanLent) }
}
