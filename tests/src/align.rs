//! Compares what has arrived with what was sent, byte for byte, over all connections.

use crate::records::RECORD;

/// Bytes that must agree before a position counts as found again: long enough to be unique among records.
const SURE: usize = 24;

/// What the bridge adds to the uplink by itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// At the start of each connection.
    pub greeting: Vec<u8>,
    /// Anywhere later.
    pub heartbeat: Vec<u8>,
}

/// How what has arrived differs from what was sent. Bytes, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The end of the furthest byte that has arrived.
    pub reached: usize,
    /// Ranges of what was sent, before `reached`, that have not arrived.
    pub missing: Vec<(usize, usize)>,
    /// Arrived again on a later connection.
    pub duplicated: usize,
    /// Arrived again, or out of order, on the same connection.
    pub reordered: usize,
    /// Belongs nowhere.
    pub corrupt: usize,
    /// The first corrupt bytes, for the report.
    pub example: Vec<u8>,
    /// Heartbeats seen.
    pub heartbeats: usize,
    /// Connections that did not start with the greeting.
    pub ungreeted: usize,
}

impl Tally {
    /// How many bytes are missing.
    pub fn lost(&self) -> usize {
        self.missing.iter().map(|(from, to)| to - from).sum()
    }
}

/// Compares `sent` with the streams of the connections, oldest first.
pub fn align(sent: &[u8], streams: &[&[u8]], own: &Own) -> Tally {
    let mut tally = Tally::default();
    for stream in streams.iter().filter(|stream| !stream.is_empty()) {
        let rest = match stream.strip_prefix(own.greeting.as_slice()) {
            Some(rest) => rest,
            None => {
                let cut_short = own.greeting.starts_with(stream);
                tally.ungreeted += usize::from(!cut_short);
                if cut_short { &[][..] } else { stream }
            }
        };
        align_connection(sent, rest, own, &mut tally);
    }
    tally
}

fn align_connection(sent: &[u8], stream: &[u8], own: &Own, tally: &mut Tally) {
    let mut at = tally.reached;
    let (mut read, mut fresh) = (0, true);
    while read < stream.len() {
        let rest = &stream[read..];
        let same = common(&sent[at..], rest);
        if same >= SURE.min(rest.len()) || !fresh && same > 0 {
            arrive(tally, at, at + same);
            (at, read, fresh) = (at + same, read + same, false);
        } else if !own.heartbeat.is_empty() && rest.starts_with(&own.heartbeat) {
            tally.heartbeats += 1;
            read += own.heartbeat.len();
        } else if !own.heartbeat.is_empty() && own.heartbeat.starts_with(rest) {
            // The connection broke in the middle of one.
            return;
        } else if let Some(mut found) = find(sent, rest, at) {
            let back = at.saturating_sub(found);
            if fresh {
                tally.duplicated += back;
            } else {
                tally.reordered += back;
            }
            if !fresh {
                let overlap = shared_beginning(sent, at, found);
                (found, read) = (found - overlap, read - overlap);
                if at == tally.reached {
                    tally.reached -= overlap;
                }
            }
            let same = common(&sent[found..], &stream[read..]);
            arrive(tally, found, found + same);
            (at, read, fresh) = (found + same, read + same, false);
        } else {
            tally.corrupt += 1;
            if tally.example.len() < SURE {
                tally.example.push(rest[0]);
            }
            read += 1;
        }
    }
}

/// Records begin alike: how many bytes just before `at` may as well be those just before `found`. The hole between
/// them is taken to begin with a record if it can.
fn shared_beginning(sent: &[u8], at: usize, found: usize) -> usize {
    let overlap = at % RECORD;
    if found >= overlap && sent[at - overlap..at] == sent[found - overlap..found] { overlap } else { 0 }
}

/// Bytes `from..to` of what was sent are there.
fn arrive(tally: &mut Tally, from: usize, to: usize) {
    if from > tally.reached {
        tally.missing.push((tally.reached, from));
    }
    // A later copy fills what an earlier one left out.
    let mut left = Vec::new();
    for &(start, end) in &tally.missing {
        left.extend([(start, end.min(from)), (start.max(to), end)].into_iter().filter(|(a, b)| a < b));
    }
    left.dedup();
    tally.missing = left;
    tally.reached = tally.reached.max(to);
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Where the beginning of `stream` is among what was sent; of several places the nearest to `near`, and of two
/// equally near the earlier.
fn find(sent: &[u8], stream: &[u8], near: usize) -> Option<usize> {
    let needle = &stream[..stream.len().min(SURE)];
    let exact = sent
        .windows(needle.len())
        .enumerate()
        .filter(|(_, window)| window == &needle)
        .map(|(at, _)| at)
        .min_by_key(|&at| (at.abs_diff(near), at));
    // At the end of what was sent, or before a gap, a shorter piece has to do.
    exact.or_else(|| {
        let from = sent.len().saturating_sub(SURE);
        (from..sent.len()).find(|&at| stream.starts_with(&sent[at..]) && sent.len() - at >= 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Records;

    fn tally(sent: &[u8], streams: &[&[u8]]) -> Tally {
        align(sent, streams, &Own::default())
    }

    #[test]
    fn a_whole_stream_is_whole() {
        let sent = Records::up().take(1000);
        let expected = Tally { reached: sent.len(), ..Tally::default() };
        assert_eq!(tally(&sent, &[&sent]), expected);
        assert_eq!(tally(&sent, &[&sent[..333], &sent[333..]]), expected);
    }

    #[test]
    fn a_replay_counts_as_duplicated_and_a_hole_as_lost() {
        let sent = Records::up().take(1000);
        let replay = tally(&sent, &[&sent[..500], &sent[430..]]);
        assert_eq!((replay.duplicated, replay.lost(), replay.reached), (70, 0, sent.len()));
        let hole = tally(&sent, &[&sent[..500], &sent[530..]]);
        assert_eq!((hole.duplicated, hole.missing), (0, vec![(500, 530)]));
        let within = tally(&sent, &[&[&sent[..500], &sent[530..]].concat()]);
        assert_eq!((within.lost(), within.reordered, within.corrupt), (30, 0, 0));
    }

    #[test]
    fn a_lost_record_is_lost_as_a_whole() {
        let sent = Records::up().take(640);
        let hole = tally(&sent, &[&[&sent[..160], &sent[320..]].concat()]);
        assert_eq!(hole.missing, vec![(160, 320)]);
        assert_eq!((hole.corrupt, hole.reordered), (0, 0));
    }

    #[test]
    fn disorder_and_damage_are_told_apart() {
        let sent = Records::up().take(1024);
        let swapped = [&sent[..256], &sent[512..768], &sent[256..512], &sent[768..]].concat();
        let swapped = tally(&sent, &[&swapped]);
        assert_eq!((swapped.lost(), swapped.corrupt), (0, 0));
        assert_eq!(swapped.reordered, 512);
        let zeros = tally(&sent, &[&sent[..256], &[0; 100], &sent[256..]]);
        assert_eq!((zeros.corrupt, zeros.lost(), zeros.duplicated), (100, 0, 0));
    }

    #[test]
    fn own_bytes_are_taken_out() {
        let own = Own { greeting: b"HELLO".to_vec(), heartbeat: b"<hb>".to_vec() };
        let sent = Records::up().take(64);
        let first = [b"HELLO", &sent[..40], b"<hb>", &sent[40..50]].concat();
        let second = [b"HELLO", &sent[50..], b"<hb><h"].concat();
        let tally = align(&sent, &[&first, b"HE", &second], &own);
        assert_eq!(tally, Tally { reached: 64, heartbeats: 2, ..Tally::default() });
        assert_eq!(align(&sent, &[&sent], &own).ungreeted, 1);
    }
}
