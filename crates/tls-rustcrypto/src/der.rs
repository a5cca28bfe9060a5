//! The little DER that keys need (X.690). webpki has read and checked certificates before anything comes here.

/// Tags (X.690 §8).
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;

/// What has not been read of a value.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

impl<'a> Der<'a> {
    /// Takes the next element, which must have this tag: its content.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        // DER has one form for each length, the shortest (X.690 §10.1).
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&len, rest) = rest.split_first().filter(|(len, _)| **len > 0x7f)?;
                (usize::from(len), rest)
            }
            0x82 => {
                let (&len, rest) = rest.split_first_chunk().filter(|(len, _)| **len > [0, 0xff])?;
                (usize::from(u16::from_be_bytes(len)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn elements_are_taken_one_after_the_other() {
        let mut der = Der(&[INTEGER, 1, 5, OCTET_STRING, 0, 9]);
        assert_eq!(der.take(OCTET_STRING), None, "another tag takes nothing");
        assert_eq!(der.take(INTEGER), Some(&[5][..]));
        assert_eq!(der.take(OCTET_STRING), Some(&[][..]));
        assert_eq!(der.0, [9]);
    }

    #[test]
    fn each_length_has_one_form() {
        for len in [0, 1, 127, 128, 255, 256, 65_535] {
            let head = match len {
                0..=127 => vec![len as u8],
                128..=255 => vec![0x81, len as u8],
                _ => vec![0x82, (len >> 8) as u8, len as u8],
            };
            let bytes = [&[SEQUENCE][..], &head, &vec![7; len]].concat();
            assert_eq!(Der(&bytes).take(SEQUENCE).map(<[u8]>::len), Some(len));
            assert_eq!(Der(&bytes[..bytes.len() - 1]).take(SEQUENCE), None, "cut short");
        }
        for wrong in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x81],
            &[SEQUENCE, 0x81, 1, 0],
            &[SEQUENCE, 0x82, 0, 1, 0],
            &[SEQUENCE, 0x82, 1],
            &[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[SEQUENCE, 0x83, 1, 0, 0],
        ] {
            assert_eq!(Der(wrong).take(SEQUENCE), None, "{wrong:?}");
        }
    }
}
