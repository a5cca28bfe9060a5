//! What makes one image a particular device: peers, address, policy, certificates, in a block of flash of its own.
//!
//! [`encode`] writes the block on a host, [`decode`] reads it in the firmware without copying a byte. Both walk the same
//! table (`fields.rs`), so they cannot disagree.
//!
//! ```text
//! "UBC1" | length of the records, u32 | CRC-32 of the records, u32 | record …      all little-endian
//! record: tag, u8 | length, u16 | value
//! ```
//!
//! A setting that has no record keeps its default; a record that the firmware does not know is an error, because what it
//! asks for would not be done.

#![no_std]
#![forbid(unsafe_code)]

mod block;
mod fields;

pub use block::{HEADER, decode, encode};
pub use fields::{Address, MAX_PEERS, Settings, StaticAddress, Tls, Transport};

/// Why a block cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// Nothing was ever written: flash that is erased.
    Erased,
    /// It does not start with this format's mark.
    NoMark,
    /// It claims to be longer than the block, or a record longer than what is left of it.
    TooLong,
    /// The checksum does not fit: it was written in part, or has changed since.
    Checksum,
    /// A record with this tag, which this firmware does not know: it was written for a newer one.
    Unknown(u8),
    /// The record with this tag cannot be understood.
    BadValue(u8),
    /// There is no peer to connect to.
    NoPeer,
    /// Writing: so many bytes are needed, and the block is smaller.
    NoRoom(usize),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Erased => f.write_str("the block is empty; write a configuration into the image"),
            Self::NoMark => {
                f.write_str("the block holds something else; write a configuration into the image")
            }
            Self::TooLong => f.write_str("the block is cut off; write it again"),
            Self::Checksum => f.write_str("the checksum does not fit; write it again"),
            Self::Unknown(tag) => write!(f, "setting {tag} is unknown here; update the firmware"),
            Self::BadValue(tag) => write!(f, "setting {tag} has a value that makes no sense"),
            Self::NoPeer => f.write_str("there is no peer; name one, as host:port"),
            Self::NoRoom(need) => write!(f, "{need} bytes are needed, which is more than the block holds"),
        }
    }
}

impl core::error::Error for Error {}
