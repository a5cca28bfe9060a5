//! One direction of a TCP connection: the sender's buffer and its acknowledgements, the receiver's window.
//! Loss is repaired by going back to the first unacknowledged byte when the retransmission timer runs out.

use std::collections::VecDeque;

use super::dice::Dice;

/// The first retransmission timeout, and the longest, in µs.
const RTO: (u64, u64) = (200_000, 8_000_000);

/// Bytes under way.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) seq: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fin: bool,
}

/// What the receiver has, and up to where it has room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) acked: u64,
    pub(crate) edge: u64,
    pub(crate) fin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fin {
    No,
    Queued,
    Sent,
    Acked,
}

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    capacity: usize,
    /// From `acked` on.
    data: VecDeque<u8>,
    acked: u64,
    /// Always in `acked ..= acked + data.len()`.
    sent: u64,
    edge: u64,
    fin: Fin,
    rto: u64,
    /// When the retransmission timer runs out, if it runs; and whether an event is on its way that looks.
    pub(crate) due: Option<u64>,
    pub(crate) watched: bool,
    /// Received, not yet read.
    pub(crate) arrived: VecDeque<u8>,
    next: u64,
    pub(crate) fin_arrived: bool,
}

impl Pipe {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            data: VecDeque::new(),
            acked: 0,
            sent: 0,
            edge: capacity as u64,
            fin: Fin::No,
            rto: RTO.0,
            due: None,
            watched: false,
            arrived: VecDeque::new(),
            next: 0,
            fin_arrived: false,
        }
    }

    /// What the sender can still write.
    pub(crate) fn room(&self) -> usize {
        if self.fin == Fin::No { self.capacity - self.data.len() } else { 0 }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.data.extend(bytes);
    }

    /// A FIN follows the last byte.
    pub(crate) fn finish(&mut self) {
        self.fin = self.fin.max(Fin::Queued);
    }

    /// Bytes that the receiver's TCP holds.
    pub(crate) const fn acked(&self) -> u64 {
        self.acked
    }

    /// The segments that may leave now, of at most `largest` bytes each.
    pub(crate) fn segments(&mut self, now: u64, dice: &mut Dice, largest: usize) -> Vec<Segment> {
        let mut segments = Vec::new();
        let end = self.acked + self.data.len() as u64;
        while self.sent < end.min(self.edge) {
            let most = largest.min((end.min(self.edge) - self.sent) as usize);
            segments.push(self.segment(dice.between(most.div_ceil(2), most)));
        }
        if self.fin == Fin::Queued && self.sent == end {
            self.fin = Fin::Sent;
            segments.push(Segment { seq: end, bytes: Vec::new(), fin: true });
        }
        self.arm(now);
        segments
    }

    fn segment(&mut self, len: usize) -> Segment {
        let from = (self.sent - self.acked) as usize;
        let segment = Segment {
            seq: self.sent,
            bytes: self.data.range(from..from + len).copied().collect(),
            fin: false,
        };
        self.sent += len as u64;
        segment
    }

    fn arm(&mut self, now: u64) {
        let waits = !self.data.is_empty() || self.fin == Fin::Sent;
        self.due = if waits { self.due.or(Some(now + self.rto)) } else { None };
    }

    /// The timer has run out: everything unacknowledged goes again, beginning with a probe of one byte that no
    /// window holds back.
    pub(crate) fn expired(&mut self, now: u64) -> Option<Segment> {
        self.rto = (self.rto * 2).min(RTO.1);
        self.due = Some(now + self.rto);
        self.sent = self.acked;
        if self.fin == Fin::Sent {
            self.fin = Fin::Queued;
        }
        (!self.data.is_empty()).then(|| self.segment(1))
    }

    /// Nothing goes any more.
    pub(crate) fn kill(&mut self) {
        self.data.clear();
        (self.sent, self.fin, self.due) = (self.acked, Fin::Acked, None);
    }

    pub(crate) fn on_ack(&mut self, now: u64, ack: Ack) {
        if ack.acked > self.acked && !self.data.is_empty() {
            let fresh = (ack.acked - self.acked) as usize;
            self.data.drain(..fresh.min(self.data.len()));
            self.acked = ack.acked;
            self.sent = self.sent.max(self.acked);
            self.rto = RTO.0;
            self.due = Some(now + self.rto);
        }
        self.edge = self.edge.max(ack.edge);
        if ack.fin {
            self.fin = Fin::Acked;
        }
        self.arm(now);
    }

    /// Takes in what is in order and fits.
    pub(crate) fn on_segment(&mut self, segment: &Segment) -> Ack {
        let end = segment.seq + segment.bytes.len() as u64;
        if segment.seq <= self.next {
            let known = ((self.next - segment.seq) as usize).min(segment.bytes.len());
            let fresh = &segment.bytes[known..];
            let fits = fresh.len().min(self.capacity - self.arrived.len());
            self.arrived.extend(&fresh[..fits]);
            self.next += fits as u64;
            self.fin_arrived |= segment.fin && self.next == end;
        }
        self.ack()
    }

    /// Whether this segment brings something that has not arrived.
    pub(crate) fn is_news(&self, segment: &Segment) -> bool {
        segment.seq + segment.bytes.len() as u64 > self.next
    }

    /// Takes up to `most` bytes out; the receiver then tells its window if it was nearly shut.
    pub(crate) fn read(&mut self, most: usize) -> (Vec<u8>, Option<Ack>) {
        let tight = self.arrived.len() > self.capacity / 2;
        let bytes: Vec<u8> = self.arrived.drain(..most.min(self.arrived.len())).collect();
        let news = (tight && !bytes.is_empty()).then(|| self.ack());
        (bytes, news)
    }

    fn ack(&self) -> Ack {
        let room = (self.capacity - self.arrived.len()) as u64;
        Ack { acked: self.next, edge: self.next + room, fin: self.fin_arrived }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_goes_again_and_arrives_once() {
        let mut pipe = Pipe::new(100);
        let mut dice = Dice::new(1);
        pipe.write(b"hello world");
        pipe.finish();
        let mut lost = pipe.segments(0, &mut dice, 4);
        let last = lost.pop().expect("a FIN");
        assert!(last.fin);
        assert!(!pipe.on_segment(&last).fin, "a FIN ahead of its bytes does not count");
        let probe = pipe.expired(200_000).expect("a probe");
        let mut ack = pipe.on_segment(&probe);
        for segment in pipe.segments(200_000, &mut dice, 4) {
            ack = pipe.on_segment(&segment);
        }
        pipe.on_ack(300_000, ack);
        assert_eq!((pipe.acked(), pipe.due, pipe.fin), (11, None, Fin::Acked));
        assert_eq!(pipe.read(50).0, b"hello world");
    }

    #[test]
    fn a_full_receiver_stops_the_sender() {
        let mut pipe = Pipe::new(8);
        let mut dice = Dice::new(1);
        pipe.write(b"12345678");
        for segment in pipe.segments(0, &mut dice, 100) {
            let ack = pipe.on_segment(&segment);
            pipe.on_ack(1, ack);
        }
        pipe.write(b"9");
        assert!(pipe.segments(1, &mut dice, 100).is_empty());
        let (bytes, news) = pipe.read(8);
        assert_eq!(bytes, b"12345678");
        pipe.on_ack(2, news.expect("a window"));
        assert_eq!(pipe.segments(2, &mut dice, 100).len(), 1);
    }
}
