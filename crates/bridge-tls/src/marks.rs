//! From acknowledged ciphertext to acknowledged plaintext.

/// How many records can be told apart.
const MARKS: usize = 64;

/// The end of a record on both sides, as totals of the connection in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    cipher: u64,
    plain: u64,
}

/// Where the records lie that the peer's TCP has not acknowledged.
///
/// A record counts when its last byte is acknowledged. When there are more records than entries, neighbours are joined
/// in pairs and count when the later one does: never too early.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    /// `open[..len]`, both members strictly increasing.
    open: [Mark; MARKS],
    len: usize,
    acked: u64,
}

impl Marks {
    pub(crate) const fn new() -> Self {
        Self { open: [Mark { cipher: 0, plain: 0 }; MARKS], len: 0, acked: 0 }
    }

    /// A record ends where the connection's ciphertext has reached `cipher` bytes and its plaintext `plain`.
    pub(crate) fn push(&mut self, cipher: u64, plain: u64) {
        if self.len == MARKS {
            self.join();
        }
        self.open[self.len] = Mark { cipher, plain };
        self.len += 1;
    }

    /// The peer's TCP holds `cipher` bytes of ciphertext; a smaller total than an earlier one changes nothing.
    pub(crate) fn acknowledge(&mut self, cipher: u64) {
        let done = self.open[..self.len].partition_point(|mark| mark.cipher <= cipher);
        if let Some(last) = done.checked_sub(1) {
            self.acked = self.open[last].plain;
            self.open.copy_within(done..self.len, 0);
            self.len -= done;
        }
    }

    /// Bytes of plaintext that the peer's TCP holds whole records of.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Keeps the later one of each pair.
    fn join(&mut self) {
        for pair in 0..MARKS / 2 {
            self.open[pair] = self.open[2 * pair + 1];
        }
        self.len = MARKS / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_record_counts_with_its_last_byte() {
        let mut marks = Marks::new();
        marks.push(132, 100);
        marks.push(164, 110);
        for (cipher, plain) in
            [(0, 0), (131, 0), (132, 100), (163, 100), (90, 100), (164, 110), (u64::MAX, 110)]
        {
            marks.acknowledge(cipher);
            assert_eq!(marks.acked(), plain, "after {cipher}");
        }
    }

    #[test]
    fn joined_records_count_with_the_later_one() {
        let mut marks = Marks::new();
        for record in 1..=MARKS as u64 + 1 {
            marks.push(record * 30, record);
        }
        marks.acknowledge(30);
        assert_eq!(marks.acked(), 0, "record 1 is joined with record 2");
        marks.acknowledge(60);
        assert_eq!(marks.acked(), 2);
        marks.acknowledge((MARKS as u64 + 1) * 30);
        assert_eq!(marks.acked(), MARKS as u64 + 1);
    }

    proptest! {
        /// Against the list of all records: never early, and everything once all is acknowledged.
        #[test]
        fn never_early_and_complete_in_the_end(
            steps in prop::collection::vec((1u64..40, 1u64..2000, any::<prop::sample::Index>()), 1..400)
        ) {
            let (mut marks, mut all) = (Marks::new(), Vec::new());
            let (mut cipher, mut plain, mut told) = (0u64, 0u64, 0u64);
            for (overhead, bytes, place) in steps {
                plain += bytes;
                cipher += bytes + overhead;
                marks.push(cipher, plain);
                all.push((cipher, plain));
                if place.index(3) == 0 {
                    told += place.index((cipher - told) as usize + 1) as u64;
                    marks.acknowledge(told);
                }
                let exact = all.iter().take_while(|mark| mark.0 <= told).last().map_or(0, |mark| mark.1);
                prop_assert!(marks.acked() <= exact, "{} of {exact}", marks.acked());
            }
            marks.acknowledge(cipher);
            prop_assert_eq!(marks.acked(), plain);
        }
    }
}
