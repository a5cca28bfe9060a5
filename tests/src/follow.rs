//! Compares what arrives with what was sent while it arrives, and keeps neither: for runs that last, and for programs of
//! which only the bytes are known.
//!
//! What was sent is a [`Trail`], so that a few bytes say where they stand, and nothing is guessed.
//! [`align`](mod@crate::align) takes any bytes, but needs both sides whole.

use core::ops::Range;

use crate::covered::{Covered, Old};
use crate::trail::{SURE, Trail};

/// How far around where a connection has to begin a short piece is looked for.
const NEAR: u64 = 256 * 1024;

/// One direction, over all connections. Bytes, unless said otherwise.
#[derive(Clone, Debug)]
pub struct Follow {
    trail: Trail,
    covered: Covered,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after what was sent later.
    pub reordered: u64,
    /// Belongs nowhere.
    pub damaged: u64,
    /// Pieces of less than [`SURE`] bytes, on a connection that brought no more, or before something that is missing: they fit,
    /// but it is not known where. They count as missing.
    pub unplaced: u64,
    /// How often something else came on a connection than what belongs there.
    pub breaks: u64,
}

/// Where a stream of bytes is: one for each connection.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The next byte, if all goes on; none if it is not known.
    next: Option<u64>,
    /// Up to here all went on.
    from: Option<u64>,
    /// What has come since then: less than [`SURE`] bytes, and before them as few that belong to none.
    held: Vec<u8>,
}

impl Follow {
    /// What is sent is this trail, from its first byte.
    pub const fn new(trail: Trail) -> Self {
        Self {
            trail,
            covered: Covered::new(),
            duplicated: 0,
            reordered: 0,
            damaged: 0,
            unplaced: 0,
            breaks: 0,
        }
    }

    /// The end of the furthest byte that has arrived.
    pub const fn reached(&self) -> u64 {
        self.covered.reached
    }

    /// Bytes that have not arrived, of `sent`.
    pub fn lost(&self, sent: u64) -> u64 {
        self.covered.lost(sent)
    }

    /// These bytes come next.
    pub fn feed(&mut self, place: &mut Place, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(at) = place.next {
                let same =
                    bytes.iter().zip(at..).take_while(|&(&byte, at)| byte == self.trail.at(at)).count();
                bytes = &bytes[same..];
                let end = at + same as u64;
                self.arrive(at, end);
                let broken = !bytes.is_empty();
                self.breaks += u64::from(broken);
                *place = Place { next: (!broken).then_some(end), from: Some(end), held: Vec::new() };
            } else {
                place.held.push(byte);
                bytes = rest;
                self.locate(place);
            }
        }
    }

    /// Nothing more comes here.
    pub fn settle(&mut self, place: &mut Place) {
        let held = core::mem::take(&mut place.held);
        let from = place.from.unwrap_or_else(|| self.reached().saturating_sub(NEAR));
        self.piece(from..self.reached().max(from) + NEAR, &held);
    }

    /// The last bytes may say where they stand.
    fn locate(&mut self, place: &mut Place) {
        let Some(before) = place.held.len().checked_sub(SURE) else { return };
        if let Some(at) = self.trail.locate(&place.held[before..], self.reached()) {
            let from = place.from.unwrap_or_else(|| self.reached().min(at).saturating_sub(NEAR));
            self.piece(from..at, &place.held[..before]);
            let end = at + SURE as u64;
            self.arrive(at, end);
            *place = Place { next: Some(end), from: Some(end), held: Vec::new() };
        } else if before + 1 == SURE {
            // So many would have said it.
            place.held.remove(0);
            self.damaged += 1;
        }
    }

    /// Too short to say where it stands, but it must be within a range.
    fn piece(&mut self, within: Range<u64>, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let fits = |at: u64| (at..).zip(bytes).all(|(at, &byte)| byte == self.trail.at(at));
        if (within.start..=within.end.saturating_sub(len)).any(fits) {
            self.unplaced += len;
        } else {
            self.damaged += len;
        }
    }

    /// Bytes `from..to` of what was sent are there.
    fn arrive(&mut self, from: u64, to: u64) {
        let Old { late, again } = self.covered.add(from, to);
        self.reordered += late;
        self.duplicated += again;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `streams`, one connection after another: lost, duplicated, reordered, damaged, breaks.
    fn follow(sent: &[u8], streams: &[&[u8]]) -> [u64; 5] {
        // In pieces of every size, the result is the same.
        let results = [1, 7, 1000].map(|piece| {
            let mut follow = Follow::new(Trail::up());
            for stream in streams {
                let mut place = Place::default();
                stream.chunks(piece).for_each(|bytes| follow.feed(&mut place, bytes));
                follow.settle(&mut place);
            }
            let lost = follow.lost(sent.len() as u64);
            [lost, follow.duplicated, follow.reordered, follow.damaged, follow.breaks]
        });
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0]
    }

    #[test]
    fn whole_streams_are_whole_wherever_they_are_cut() {
        let sent = Trail::up().take(1024);
        assert_eq!(follow(&sent, &[&sent]), [0; 5]);
        for cut in 300..340 {
            assert_eq!(follow(&sent, &[&sent[..cut], &sent[cut..]]), [0; 5], "cut at {cut}");
            let short = [&sent[..cut], &sent[cut..cut + SURE], &sent[cut + SURE..]];
            assert_eq!(follow(&sent, &short), [0; 5], "cut at {cut}");
        }
    }

    #[test]
    fn each_byte_lost_or_twice_at_a_reconnect_is_counted() {
        let sent = Trail::up().take(8192);
        for cut in 4000..4010 {
            for span in [1, 2, 3, 4, 5, 15, 256, 3000] {
                let lost = [&sent[..cut], &sent[cut + span..]];
                assert_eq!(follow(&sent, &lost), [span as u64, 0, 0, 0, 0], "{span} at {cut}");
                let twice = [&sent[..cut], &sent[cut - span..]];
                assert_eq!(follow(&sent, &twice), [0, span as u64, 0, 0, 0], "{span} at {cut}");
                let gap = [&sent[..cut], &sent[cut + span..]].concat();
                assert_eq!(follow(&sent, &[&gap]), [span as u64, 0, 0, 0, 1], "{span} at {cut}");
            }
        }
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        let sent = Trail::up().take(1024);
        assert_eq!(follow(&sent, &[&sent[..1000]]), [24, 0, 0, 0, 0]);
        let noise = [&sent[..257], &[0xff; 100], &sent[257..]].concat();
        assert_eq!(follow(&sent, &[&noise]), [0, 0, 0, 100, 1]);
        let swapped = [&sent[..256], &sent[512..768], &sent[256..512], &sent[768..]].concat();
        assert_eq!(follow(&sent, &[&swapped]), [0, 0, 256, 0, 3]);
        let again = [&sent[..256], &sent[128..]].concat();
        assert_eq!(follow(&sent, &[&again]), [0, 128, 0, 0, 1]);
        let flipped = [&sent[..261], b"!", &sent[262..]].concat();
        assert_eq!(follow(&sent, &[&flipped]), [1, 0, 0, 1, 1]);
        // A piece that is too short to stand for itself is not placed.
        let between = [&sent[..262], &sent[388..389], &sent[520..]].concat();
        assert_eq!(follow(&sent, &[&between]), [258, 0, 0, 0, 1]);
        assert_eq!(follow(&sent, &[&sent, &sent[512..516]]), [0; 5]);
        assert_eq!(follow(&sent, &[&sent, b"!!!!"]), [0, 0, 0, 4, 0]);
    }
}
