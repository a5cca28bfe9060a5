//! Frames through the controller's FIFOs.

use super::{FRAME, WORDS};
use crate::map::{ETHERNET, reg};
use crate::reg::Reg;

const RX_DATA: Reg = reg(ETHERNET, 0x00);
const TX_DATA: Reg = reg(ETHERNET, 0x20);
const RX_STATUS: Reg = reg(ETHERNET, 0x40);
const RX_FIFO_INF: Reg = reg(ETHERNET, 0x7c);
const TX_FIFO_INF: Reg = reg(ETHERNET, 0x80);

/// Receive status: something is wrong with the frame.
const ERROR: u32 = 1 << 15;
/// Transmit command A: the first and the last segment of a frame.
const WHOLE: u32 = 0b11 << 12;
/// A frame's checksum, which the receive FIFO carries as well.
const CHECKSUM: usize = 4;
/// What a frame may need in the transmit FIFO: itself, rounded up, and two command words.
pub(super) const ROOM: u32 = (WORDS * 4 + 8) as u32;

/// Whether a frame has come.
pub(super) fn has_frame() -> bool {
    RX_FIFO_INF.has(0xff << 16)
}

/// Whether any frame fits the transmit FIFO.
pub(super) fn has_room() -> bool {
    TX_FIFO_INF.read() & 0xffff >= ROOM
}

/// Takes the next frame, without its checksum, and says how long it is; `None` if it was damaged or is too long, and gone.
pub(super) fn receive(frame: &mut [u32; WORDS]) -> Option<usize> {
    let status = RX_STATUS.read();
    let with_checksum = (status >> 16 & 0x3fff) as usize;
    let words = with_checksum.div_ceil(4);
    let len = with_checksum.saturating_sub(CHECKSUM);
    let wanted = if status & ERROR == 0 && len <= FRAME { len.div_ceil(4) } else { 0 };
    for word in &mut frame[..wanted] {
        *word = RX_DATA.read();
    }
    for _ in wanted..words {
        RX_DATA.read();
    }
    (wanted > 0).then_some(len)
}

/// Sends the frame of `len` bytes that lies in `words`.
pub(super) fn send(words: &[u32], len: usize) {
    // At most FRAME, which fits the 11 bits.
    let len = len as u32;
    TX_DATA.write(WHOLE | len);
    TX_DATA.write(len);
    for &word in words {
        TX_DATA.write(word);
    }
}

/// The bytes of words, in the order in which the controller sends them.
pub(super) fn bytes(words: &mut [u32; WORDS]) -> &mut [u8] {
    // SAFETY: as long, less aligned, every bit pattern valid for both, and borrowed for as long.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), WORDS * 4) }
}
