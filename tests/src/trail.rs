//! Streams in which a few bytes in a row say where they stand: for checks that keep nothing of what was sent.
//!
//! Cells of four bytes are numbered from 0. A byte holds its place within its cell in the upper two bits, and in the lower
//! six its digit of the cell's number in base 64, lowest digit first. Four bytes across two cells have the upper digits of
//! one number and the lower digits of the next, which is one more: that is as good as a whole number.

/// So many bytes in a row stand where they say. Those of a cell say it; the others agree, as bytes from two sides of a gap
/// would not.
pub const SURE: usize = 8;

/// Bytes in a cell.
const CELL: u64 = 4;
/// After so many bytes a trail repeats itself.
const AROUND: u64 = CELL << (6 * CELL);

/// What one side says; [`Trail::at`] has any byte of it, [`Trail::take`] the next ones.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Where it begins, so that what comes from the wrong side is far from where it belongs.
    first: u64,
    next: u64,
}

impl Trail {
    /// What a device says.
    pub const fn up() -> Self {
        Self { first: 0, next: 0 }
    }

    /// What a server says.
    pub const fn down() -> Self {
        Self { first: AROUND / 3, next: 0 }
    }

    /// The next bytes.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        let from = self.next;
        self.next += bytes as u64;
        (from..self.next).map(|at| self.at(at)).collect()
    }

    /// Byte `at`.
    pub const fn at(&self, at: u64) -> u8 {
        let place = self.first + at;
        let (cell, digit) = (place / CELL, place % CELL);
        (digit << 6 | cell >> (6 * digit) & 63) as u8
    }

    /// Where these [`SURE`] bytes stand: of all places the nearest to `near`.
    pub fn locate(&self, bytes: &[u8], near: u64) -> Option<u64> {
        let phase = u64::from(bytes.first()? >> 6);
        let digits = (phase..).zip(bytes.get(..SURE)?).take(CELL as usize);
        let number = digits
            .map(|(place, &byte)| u64::from(byte & 63) << (6 * (place % CELL)))
            .fold(0, u64::wrapping_add);
        // The digits below `phase` are the next number's.
        let low = (1 << (6 * phase)) - 1;
        let cell = number & !low | number.wrapping_sub(u64::from(phase > 0)) & low;
        // Around the circle, from half of it before `near` on.
        let from = near.saturating_sub(AROUND / 2);
        let ahead = (CELL * cell + phase).wrapping_sub(self.first).wrapping_sub(from) % AROUND;
        let at = from + ahead;
        (at..).zip(&bytes[..SURE]).all(|(at, &byte)| byte == self.at(at)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_say_where_they_stand() {
        for trail in [Trail::up(), Trail::down()] {
            let spans = [0..3000, AROUND / 2 - 300..AROUND / 2 + 300, 3 * AROUND - 1100..3 * AROUND + 600];
            for at in spans.into_iter().flatten() {
                let bytes: Vec<u8> = (at..).map(|at| trail.at(at)).take(SURE).collect();
                for near in [at, at + 1_000_000, at.saturating_sub(1_000_000)] {
                    assert_eq!(trail.locate(&bytes, near), Some(at), "{bytes:?} near {near}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_trail_stands_nowhere() {
        let bytes = Trail::up().take(40);
        assert_eq!(Trail::up().locate(&bytes[..7], 0), None);
        assert_eq!(Trail::up().locate(&[0; 8], 0), None);
        for gap in 1..20 {
            for cut in 1..=SURE / 2 {
                let across = [&bytes[..cut], &bytes[cut + gap..]].concat();
                assert_eq!(Trail::up().locate(&across, 0), None, "{gap} missing after {cut}");
            }
        }
        let other = Trail::down().locate(&bytes, 0).expect("somewhere");
        assert!(other.abs_diff(0) > 10_000_000, "{other}");
    }
}
