//! The checksum: CRC-32 as in IEEE 802.3, four bits at a time, because its table is small.

/// A checksum under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check(u32);

/// The polynomial, bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

impl Check {
    pub(crate) const START: Self = Self(u32::MAX);

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let mut value = self.0 ^ u32::from(byte);
            value = value >> 4 ^ TABLE[(value & 15) as usize];
            self.0 = value >> 4 ^ TABLE[(value & 15) as usize];
        }
    }

    pub(crate) const fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value that every catalogue of CRCs gives for this one.
    #[test]
    fn it_is_the_usual_one() {
        let mut check = Check::START;
        check.add(b"1234");
        check.add(b"56789");
        assert_eq!(check.sum(), 0xcbf4_3926);
    }
}
