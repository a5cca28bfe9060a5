//! Holds every byte that arrives against the one that is owed in its place.

use crate::covered::Covered;

/// One direction: what is owed is known byte for byte, and where each connection has to go on. Bytes, unless said otherwise.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// By their places. A server may well read an older connection after a newer one, as one that had paused does: late is not
    /// out of order, because no connection begins after what the ones before it have brought to the server's TCP.
    covered: Covered,
    /// Arrived again.
    pub(super) duplicated: u64,
    /// Not the byte that is owed there.
    pub(super) wrong: u64,
    /// The first of these: its place, what came, and what is owed.
    pub(super) first_wrong: Option<(u64, u8, Option<u8>)>,
}

impl Owed {
    /// `bytes` have come where `owed` goes on from `at`.
    pub(super) fn arrive(&mut self, at: u64, bytes: &[u8], owed: &[u8]) {
        let end = at + bytes.len() as u64;
        if !bytes.is_empty() && owed.get(at as usize..end as usize) != Some(bytes) {
            for (at, &byte) in (at..).zip(bytes) {
                let owed = owed.get(at as usize).copied();
                if owed != Some(byte) {
                    self.wrong += 1;
                    self.first_wrong.get_or_insert((at, byte, owed));
                }
            }
        }
        self.duplicated += self.covered.add(at, end).again;
    }

    /// Nothing more comes: what is missing.
    pub(super) fn lost(&self, owed: &[u8]) -> u64 {
        self.covered.lost(owed.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::Trail;

    /// Of these pieces: lost, twice, wrong.
    fn owed(pieces: &[(u64, &[u8])], sent: &[u8]) -> [u64; 3] {
        let mut owed = Owed::default();
        pieces.iter().for_each(|(at, bytes)| owed.arrive(*at, bytes, sent));
        assert_eq!(owed.first_wrong.is_some(), owed.wrong > 0);
        [owed.lost(sent), owed.duplicated, owed.wrong]
    }

    #[test]
    fn one_byte_is_enough() {
        let sent = Trail::up().take(1000);
        assert_eq!(owed(&[(0, &sent[..500]), (500, &sent[500..])], &sent), [0; 3]);
        assert_eq!(owed(&[(0, &sent[..500]), (480, &sent[480..])], &sent), [0, 20, 0]);
        assert_eq!(owed(&[(0, &sent[..999])], &sent), [1, 0, 0]);
        assert_eq!(owed(&[(0, &sent[..400]), (500, &sent[500..]), (400, &sent[400..501])], &sent), [0, 1, 0]);
        assert_eq!(owed(&[(0, &sent[..500]), (501, &sent[501..])], &sent), [1, 0, 0]);
        // Where a connection has to begin at 500, it begins a byte too late, or too early, and has only one.
        assert_eq!(owed(&[(0, &sent[..500]), (500, &sent[501..502])], &sent)[2], 1);
        assert_eq!(owed(&[(0, &sent[..500]), (500, &sent[499..500])], &sent)[2], 1);
        // One more than was ever read.
        assert_eq!(owed(&[(0, &sent), (1000, &[0])], &sent)[2], 1);
    }
}
