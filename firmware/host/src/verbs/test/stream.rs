//! Bytes that tell where they belong.

/// Bytes without a pattern, the same for the same seed (xorshift64*).
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Where two streams part, in words.
pub(super) fn difference(got: &[u8], want: &[u8]) -> String {
    let at = got.iter().zip(want).position(|(got, want)| got != want);
    match at {
        Some(at) => format!("byte {at} of {} is wrong (of {} received)", want.len(), got.len()),
        None => format!("{} bytes instead of {}", got.len(), want.len()),
    }
}

/// Fits what successive connections brought of `source` together: each may begin with bytes that the one before it
/// had brought already, and none may leave a gap. Gives how many bytes of `source` that makes, and how many came twice.
pub(super) fn joined(source: &[u8], connections: &[Vec<u8>]) -> Result<(usize, usize), String> {
    let (mut end, mut twice) = (0, 0);
    for (nth, part) in connections.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let fits = |from: &usize| source[*from..].starts_with(part);
        // The latest place that fits is the one with the fewest repetitions.
        let from = (0..=end).rev().find(fits);
        let from = from.ok_or_else(|| {
            format!("connection {nth} brought {} bytes that do not continue the first {end}", part.len())
        })?;
        twice += end - from;
        end = end.max(from + part.len());
    }
    Ok((end, twice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_overlap_are_joined_and_gaps_are_told() {
        let source = noise(1000, 7);
        let parts = |cuts: &[(usize, usize)]| -> Vec<Vec<u8>> {
            cuts.iter().map(|&(from, to)| source[from..to].to_vec()).collect()
        };
        assert_eq!(joined(&source, &parts(&[(0, 100), (90, 500), (500, 500), (500, 1000)])), Ok((1000, 10)));
        assert!(joined(&source, &parts(&[(0, 100), (101, 500)])).is_err());
        assert!(joined(&source, &parts(&[(1, 100)])).is_err());
        let mut damaged = parts(&[(0, 100), (90, 500)]);
        damaged[1][300] ^= 1;
        assert!(joined(&source, &damaged).is_err());
    }

    #[test]
    fn noise_is_noise() {
        assert_eq!(noise(20, 1), noise(20, 1));
        assert_ne!(noise(20, 1), noise(20, 3));
        assert_eq!(difference(&[1, 2, 3], &[1, 2, 4]), "byte 2 of 3 is wrong (of 3 received)");
        assert_eq!(difference(&[1], &[1, 2]), "1 bytes instead of 2");
    }
}
