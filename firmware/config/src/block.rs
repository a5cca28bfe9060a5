//! The block: header, checksum, records.

use crate::Error;
use crate::fields::{Codec, Settings};

/// Bytes before the first record.
pub const HEADER: usize = 12;
/// The format and its version.
const MARK: [u8; 4] = *b"UBC1";
/// A record's tag and length.
const RECORD: usize = 3;

/// Writes `settings` into `block` and fills the rest with 0xff, as erased flash reads.
///
/// # Errors
/// The block is too small, or a setting cannot be written.
pub fn encode(settings: &Settings<'_>, block: &mut [u8]) -> Result<(), Error> {
    settings.check_sayable()?;
    block.fill(0xff);
    let mut writer = Writer { block, end: HEADER };
    settings.clone().walk(&mut writer)?;
    let Writer { block, end } = writer;
    if end > block.len() {
        return Err(Error::NoRoom(end));
    }
    let length = u32::try_from(end - HEADER).map_err(|_| Error::NoRoom(end))?;
    let checksum = crc32(&block[HEADER..end]);
    block[..4].copy_from_slice(&MARK);
    block[4..8].copy_from_slice(&length.to_le_bytes());
    block[8..HEADER].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads the settings in `block`; texts and certificates stay where they are.
///
/// # Errors
/// What is wrong with the block.
pub fn decode(block: &[u8]) -> Result<Settings<'_>, Error> {
    let (mark, rest) = block.split_first_chunk().ok_or(Error::TooLong)?;
    match *mark {
        MARK => {}
        [0xff, 0xff, 0xff, 0xff] => return Err(Error::Erased),
        _ => return Err(Error::NoMark),
    }
    let (length, rest) = rest.split_first_chunk().ok_or(Error::TooLong)?;
    let (checksum, rest) = rest.split_first_chunk().ok_or(Error::TooLong)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Error::TooLong)?;
    let records = rest.get(..length).ok_or(Error::TooLong)?;
    if crc32(records) != u32::from_le_bytes(*checksum) {
        return Err(Error::Checksum);
    }
    for record in Records(records) {
        let (tag, _) = record?;
        if !Settings::TAGS.contains(&tag) {
            return Err(Error::Unknown(tag));
        }
    }
    let mut settings = Settings::default();
    settings.walk(&mut Reader { records })?;
    if settings.peers().next().is_none() {
        return Err(Error::NoPeer);
    }
    Ok(settings)
}

/// Puts each setting into the block.
struct Writer<'b> {
    block: &'b mut [u8],
    /// Where the next record goes; may lie beyond the block, to say how much room is needed.
    end: usize,
}

impl Writer<'_> {
    fn put(&mut self, tag: u8, value: &[u8]) -> Result<(), Error> {
        let length = u16::try_from(value.len()).map_err(|_| Error::BadValue(tag))?;
        let from = self.end;
        self.end += RECORD + value.len();
        if let Some(record) = self.block.get_mut(from..self.end) {
            record[0] = tag;
            record[1..RECORD].copy_from_slice(&length.to_le_bytes());
            record[RECORD..].copy_from_slice(value);
        }
        Ok(())
    }
}

impl<'a> Codec<'a> for Writer<'_> {
    fn bytes(&mut self, tag: u8, value: &mut &'a [u8]) -> Result<(), Error> {
        self.put(tag, value)
    }

    fn number(&mut self, tag: u8, value: &mut u64) -> Result<(), Error> {
        let used = 8 - value.leading_zeros() as usize / 8;
        self.put(tag, &value.to_le_bytes()[..used])
    }
}

/// Finds each setting in the records.
struct Reader<'a> {
    records: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The value with this tag; the last, should there be several.
    fn find(&self, tag: u8) -> Option<&'a [u8]> {
        Records(self.records).flatten().filter(|(found, _)| *found == tag).map(|(_, value)| value).last()
    }
}

impl<'a> Codec<'a> for Reader<'a> {
    fn bytes(&mut self, tag: u8, value: &mut &'a [u8]) -> Result<(), Error> {
        if let Some(found) = self.find(tag) {
            *value = found;
        }
        Ok(())
    }

    fn number(&mut self, tag: u8, value: &mut u64) -> Result<(), Error> {
        if let Some(found) = self.find(tag) {
            let mut bytes = [0; 8];
            bytes.get_mut(..found.len()).ok_or(Error::BadValue(tag))?.copy_from_slice(found);
            *value = u64::from_le_bytes(bytes);
        }
        Ok(())
    }
}

/// The records, one after the other; an error where one is cut off, and nothing after it.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(u8, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, low, high], rest) = match self.0.split_first_chunk::<RECORD>() {
            Some(split) => split,
            None if self.0.is_empty() => return None,
            None => {
                self.0 = &[];
                return Some(Err(Error::TooLong));
            }
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            self.0 = &[];
            return Some(Err(Error::TooLong));
        };
        self.0 = rest;
        Some(Ok((tag, value)))
    }
}

/// CRC-32 (IEEE 802.3), bit by bit: it runs once, over a few hundred bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uartbridge_core::{Config, Duration};

    fn settings() -> Settings<'static> {
        let config = Config { peers: 2, ..Config::tutorial() };
        Settings { peers: b"server.example:7000\n10.0.2.2:7001", config, ..Settings::default() }
    }

    fn block() -> [u8; 1024] {
        let mut block = [0; 1024];
        encode(&settings(), &mut block).expect("fits");
        block
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(decode(&block()), Ok(settings()));
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        assert_eq!(decode(&[0xff; 64]), Err(Error::Erased));
        assert_eq!(decode(&[0; 64]), Err(Error::NoMark));
        assert_eq!(decode(&block()[..100]), Err(Error::TooLong));
        assert_eq!(decode(b"UBC"), Err(Error::TooLong));
        let mut damaged = block();
        damaged[HEADER + 5] ^= 1;
        assert_eq!(decode(&damaged), Err(Error::Checksum));
        let nobody = Settings { peers: b"", ..settings() };
        let mut block = [0; 1024];
        encode(&nobody, &mut block).expect("fits");
        assert_eq!(decode(&block), Err(Error::NoPeer));
        assert!(matches!(encode(&settings(), &mut [0; 64]), Err(Error::NoRoom(need)) if need > 64));
    }

    /// A block whose records are `records`.
    fn of_records(records: &[u8]) -> [u8; 256] {
        let mut block = [0xff; 256];
        block[..4].copy_from_slice(&MARK);
        block[4..8].copy_from_slice(&(records.len() as u32).to_le_bytes());
        block[8..HEADER].copy_from_slice(&crc32(records).to_le_bytes());
        block[HEADER..HEADER + records.len()].copy_from_slice(records);
        block
    }

    #[test]
    fn unknown_cut_off_and_senseless_records_are_told() {
        assert_eq!(decode(&of_records(&[250, 0, 0])), Err(Error::Unknown(250)));
        assert_eq!(decode(&of_records(&[1, 9, 0, b'x'])), Err(Error::TooLong));
        assert_eq!(decode(&of_records(&[1, 9])), Err(Error::TooLong));
        let transport = [1, 3, 0, b'a', b':', b'1', 2, 1, 0, 77];
        assert_eq!(decode(&of_records(&transport)), Err(Error::BadValue(2)));
        let address_of_five = [1, 3, 0, b'a', b':', b'1', 3, 5, 0, 10, 0, 0, 1, 1];
        assert_eq!(decode(&of_records(&address_of_five)), Err(Error::BadValue(3)));
    }

    #[test]
    fn a_setting_without_a_record_keeps_its_default() {
        let read = of_records(&[1, 3, 0, b'a', b':', b'1']);
        let read = decode(&read).expect("a peer is enough");
        assert_eq!(read.config.connect_timeout, Duration::from_secs(15));
        assert_eq!(read.peers().collect::<Vec<_>>(), [Ok(("a", 1))]);
    }

    extern crate std;
    use std::vec::Vec;

    proptest::proptest! {
        /// A block that a flash tool has damaged is refused or read, and nothing else.
        #[test]
        fn no_block_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode(&bytes);
            if bytes.len() < 200 {
                let _ = decode(&of_records(&bytes));
            }
        }
    }
}
