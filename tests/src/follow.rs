//! Compares what arrives with what was sent while it arrives, and keeps neither: for runs that last.
//!
//! [`align`](mod@crate::align) sees more, but needs both whole.

use core::ops::Range;

use crate::records::{RECORD, Records};

/// How far back the beginning of a connection is looked for if it holds no whole record: more than a bridge and two
/// TCP stacks hold.
const BACK: u64 = 4 * 1024 * 1024;

/// One direction, over all connections. Bytes.
#[derive(Clone, Debug)]
pub struct Follow {
    records: Records,
    /// The end of the furthest byte that has arrived.
    pub reached: u64,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after what was sent later.
    pub reordered: u64,
    /// Belongs nowhere.
    pub damaged: u64,
    /// Belongs to one of several places, because records are alike in part: what a connection has brought that ended within its first
    /// record, or what begins one and may come again or be the end of what is missing. It counts as the newest of them, so that what is
    /// lost, duplicated or out of order is known to within these.
    pub guessed: u64,
    /// What has not arrived before `reached`, in order.
    missing: Vec<(u64, u64)>,
}

/// Where a stream of bytes is: one for each connection.
#[derive(Clone, Debug)]
pub struct Place {
    /// The first byte of `held` is this one, if all goes on.
    next: Option<u64>,
    /// Or else it may be this one: until then, all went on.
    perhaps: Option<u64>,
    /// What has come and is not placed yet: less than a record, if all goes on. Records begin alike, so that a beginning alone
    /// does not say whose it is.
    held: Vec<u8>,
}

impl Place {
    /// At the beginning of what was sent.
    pub const fn start() -> Self {
        Self { next: Some(0), perhaps: None, held: Vec::new() }
    }

    /// Anywhere: a new connection.
    pub const fn anywhere() -> Self {
        Self { next: None, perhaps: None, held: Vec::new() }
    }
}

impl Follow {
    /// What was sent is these records, from the first.
    pub const fn new(records: Records) -> Self {
        Self { records, reached: 0, duplicated: 0, reordered: 0, damaged: 0, guessed: 0, missing: Vec::new() }
    }

    /// Bytes that have not arrived, of `sent`.
    pub fn lost(&self, sent: u64) -> u64 {
        self.holes() + sent.saturating_sub(self.reached)
    }

    /// These bytes come next.
    pub fn feed(&mut self, place: &mut Place, bytes: &[u8]) {
        place.held.extend_from_slice(bytes);
        while self.go_on(place) || self.locate(place) {}
    }

    /// Nothing more comes here, or not before something comes elsewhere.
    pub fn settle(&mut self, place: &mut Place) {
        if let Some(at) = place.next {
            let end = at + place.held.len() as u64;
            self.arrive(at, end);
            place.next = Some(end);
            place.held.clear();
            return;
        }
        self.begin(place, place.held.len());
        let held = core::mem::take(&mut place.held);
        if !held.is_empty() {
            place.next = self.fragment(self.recent(held.len()), &held);
        }
    }

    /// Where so many bytes are looked for that a connection begins with.
    fn recent(&self, len: usize) -> Range<u64> {
        self.reached.saturating_sub(BACK)..self.reached + len as u64
    }

    /// Too short for a record: the newest place within a range where it fits. What comes after it, if it fits at all.
    fn fragment(&mut self, within: Range<u64>, held: &[u8]) -> Option<u64> {
        if held.is_empty() {
            return None;
        }
        let highest = within.end.saturating_sub(held.len() as u64);
        let mut places =
            (within.start..=highest).rev().filter(|&at| self.common(at, held) == held.len()).take(2);
        let (newest, other) = (places.next(), places.next());
        if other.is_some() {
            self.guessed += held.len() as u64;
        }
        let end = newest.map(|at| at + held.len() as u64);
        match (newest, end) {
            (Some(at), Some(end)) => self.arrive(at, end),
            (None, _) | (_, None) => self.damaged += held.len() as u64,
        }
        end
    }

    /// Places whole records, if all goes on; true if it does not.
    fn go_on(&mut self, place: &mut Place) -> bool {
        let Some(at) = place.next else { return false };
        let same = self.common(at, &place.held);
        let whole = same.saturating_sub((at as usize + same) % RECORD);
        if whole > 0 {
            self.arrive(at, at + whole as u64);
            place.held.drain(..whole);
            place.next = Some(at + whole as u64);
        }
        if whole + place.held.len() == same {
            return false;
        }
        place.perhaps = place.next.take();
        true
    }

    /// A whole record says where it is, and where what came just before it belongs; true if there is one.
    fn locate(&mut self, place: &mut Place) -> bool {
        if place.next.is_some() {
            return false;
        }
        let found = place.held.windows(RECORD).enumerate();
        let Some((before, number)) =
            found.filter_map(|(before, bytes)| Some((before, self.records.number(bytes)?))).next()
        else {
            // Longer than the beginning of a record, the end of another, and what may become a whole one.
            let surplus = place.held.len().saturating_sub(3 * RECORD);
            if surplus > 0 {
                let surplus = surplus.saturating_sub(self.begin(place, surplus));
                self.damaged += surplus as u64;
                place.held.drain(..surplus);
            }
            return false;
        };
        let at = u64::from(number) * RECORD as u64;
        let tail = self.tail(at, &place.held[..before]);
        let begun = if let Some(from) = place.perhaps {
            let begun = self.begin(place, before - tail);
            // Between two things that are missing there may be less than a record.
            let (lowest, end) = (from + begun as u64, at - tail as u64);
            self.fragment(lowest..end, &place.held[..before - tail - begun]);
            begun
        } else if before > tail {
            // The connection began with the last bytes before something that is missing.
            let Range { start, end } = self.recent(before - tail);
            self.fragment(start..end.min(at - tail as u64), &place.held[..before - tail]);
            0
        } else {
            self.doubt(at - tail as u64, &place.held[before - tail..]);
            0
        };
        self.arrive(at - tail as u64, at);
        place.held.drain(..before - begun);
        place.next = Some(at);
        true
    }

    /// Where all had gone on so far, the first of the next `most` bytes still do: takes them, and says how many.
    fn begin(&mut self, place: &mut Place, most: usize) -> usize {
        let Some(at) = place.perhaps.take() else { return 0 };
        let same = self.common(at, &place.held[..most]);
        self.arrive(at, at + same as u64);
        place.held.drain(..same);
        same
    }

    /// How many bytes at the end of `bytes` are what was sent just before `at`.
    fn tail(&self, at: u64, bytes: &[u8]) -> usize {
        let most = bytes.len().min(RECORD).min(usize::try_from(at).unwrap_or(usize::MAX));
        let fits = |&len: &usize| self.common(at - len as u64, &bytes[bytes.len() - len..]) == len;
        (1..=most).rev().find(fits).unwrap_or(0)
    }

    /// A connection begins with `bytes`, at `from`. The first of them may as well be the last that have arrived, again, if nothing of
    /// what is between them has come.
    fn doubt(&mut self, from: u64, bytes: &[u8]) {
        let overlap = self.reached.saturating_sub(from);
        let most = bytes.len().min(2 * RECORD) as u64;
        let again = |&len: &u64| {
            let bytes = &bytes[..len as usize];
            self.common(self.reached - len, bytes) == bytes.len()
        };
        let again = (overlap + 1..=most.min(self.reached)).rev().find(again);
        self.guessed += again.map_or(0, |again| again - overlap);
    }

    /// How many of `bytes` are what was sent from `at` on.
    fn common(&self, at: u64, bytes: &[u8]) -> usize {
        let (mut same, mut number) = (0, at / RECORD as u64);
        let mut skip = (at % RECORD as u64) as usize;
        while same < bytes.len() {
            let record = self.records.at(number as u32);
            let rest = &bytes[same..];
            let here = record[skip..].iter().zip(rest).take_while(|(a, b)| a == b).count();
            same += here;
            if here < RECORD - skip {
                break;
            }
            (number, skip) = (number + 1, 0);
        }
        same
    }

    fn holes(&self) -> u64 {
        self.missing.iter().map(|(from, to)| to - from).sum()
    }

    /// Bytes `from..to` of what was sent are there.
    fn arrive(&mut self, from: u64, to: u64) {
        if from > self.reached {
            self.missing.push((self.reached, from));
        }
        let old = to.min(self.reached);
        if from < old {
            let before = self.holes();
            let cut = |&(start, end): &(u64, u64)| [(start, end.min(from)), (start.max(old), end)];
            self.missing = self.missing.iter().flat_map(cut).filter(|(a, b)| a < b).collect();
            let late = before - self.holes();
            self.reordered += late;
            self.duplicated += old - from - late;
        }
        self.reached = self.reached.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `streams`, one connection after another: lost, duplicated, reordered, damaged.
    fn follow(sent: &[u8], streams: &[&[u8]]) -> [u64; 4] {
        // In pieces of every size, the result is the same.
        let results: Vec<_> = [1, 7, 1000]
            .map(|piece| {
                let mut follow = Follow::new(Records::up());
                for stream in streams {
                    let mut place = Place::anywhere();
                    stream.chunks(piece).for_each(|bytes| follow.feed(&mut place, bytes));
                    follow.settle(&mut place);
                }
                [follow.lost(sent.len() as u64), follow.duplicated, follow.reordered, follow.damaged]
            })
            .into();
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0]
    }

    #[test]
    fn whole_streams_are_whole_wherever_they_are_cut() {
        let sent = Records::up().take(1024);
        assert_eq!(follow(&sent, &[&sent]), [0; 4]);
        for cut in 300..340 {
            assert_eq!(follow(&sent, &[&sent[..cut], &sent[cut..]]), [0; 4], "cut at {cut}");
            let short = [&sent[..cut], &sent[cut..cut + 3], &sent[cut + 3..]];
            assert_eq!(follow(&sent, &short), [0; 4], "cut at {cut}");
        }
    }

    #[test]
    fn a_connection_that_ends_later_than_the_next_begins_is_in_order() {
        let sent = Records::up().take(1024);
        let mut follow = Follow::new(Records::up());
        let (mut old, mut new) = (Place::anywhere(), Place::anywhere());
        follow.feed(&mut old, &sent[..7]);
        follow.settle(&mut old);
        follow.feed(&mut new, &sent[7..]);
        follow.settle(&mut old);
        assert_eq!((follow.lost(1024), follow.reordered, follow.duplicated), (0, 0, 0));
    }

    #[test]
    fn what_may_belong_to_several_records_is_known_to_be_a_guess() {
        let sent = Records::up().take(1024);
        let told = |beginning: usize| {
            let mut follow = Follow::new(Records::up());
            for stream in [&sent[..512], &sent[256..256 + beginning]] {
                let mut place = Place::anywhere();
                follow.feed(&mut place, stream);
                follow.settle(&mut place);
            }
            (follow.guessed, follow.duplicated, follow.lost(512))
        };
        // The beginning of the next record might be just that, or that of one which comes again.
        assert_eq!(told(2), (2, 0, 0));
        assert_eq!(told(RECORD), (0, RECORD as u64, 0));
        // Whole records are missing: two bytes may be those before, again, or the last of what is missing.
        let mut whole = Follow::new(Records::up());
        for stream in [&sent[..258], &[&sent[256..258], &sent[514..]].concat()] {
            let mut place = Place::anywhere();
            whole.feed(&mut place, stream);
            whole.settle(&mut place);
        }
        assert_eq!((whole.guessed, whole.lost(1024), whole.damaged), (2, 254, 0));
        let before_and_after: [&[u8]; 2] = [&sent[..300], &[&sent[270..300], &sent[520..]].concat()];
        assert_eq!(follow(&sent, &before_and_after), [220, 30, 0, 0]);
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        let sent = Records::up().take(1024);
        assert_eq!(follow(&sent, &[&sent[..1000]]), [24, 0, 0, 0]);
        assert_eq!(follow(&sent, &[&sent[..500], &sent[430..]]), [0, 70, 0, 0]);
        assert_eq!(follow(&sent, &[&sent[..500], &sent[530..]]), [30, 0, 0, 0]);
        assert_eq!(follow(&sent, &[&[&sent[..500], &sent[530..]].concat()]), [30, 0, 0, 0]);
        assert_eq!(follow(&sent, &[&[&sent[..160], &sent[320..]].concat()]), [160, 0, 0, 0]);
        let zeros = [&sent[..256], &[0; 100], &sent[256..]].concat();
        assert_eq!(follow(&sent, &[&zeros]), [0, 0, 0, 100]);
        let swapped = [&sent[..256], &sent[512..768], &sent[256..512], &sent[768..]].concat();
        assert_eq!(follow(&sent, &[&swapped]), [0, 0, 256, 0]);
        // One byte is another: it is no byte of what is missing.
        let flipped = [&sent[..261], b"!", &sent[262..]].concat();
        assert_eq!(follow(&sent, &[&flipped]), [1, 0, 0, 1]);
        let between = [&sent[..262], &sent[390..391], &sent[520..]].concat();
        let [lost, twice, swapped, damaged] = follow(&sent, &[&between]);
        assert_eq!((lost, twice, swapped, damaged), (128 + 129, 0, 0, 0));
        let again = [&sent[..256], &sent[128..]].concat();
        assert_eq!(follow(&sent, &[&again]), [0, 128, 0, 0]);
    }
}
