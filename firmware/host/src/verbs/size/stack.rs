//! How much of the stack was ever used: the rest still has the paint that the start-up code gave it.

use anyhow::{Result, ensure};
use uartbridge_firmware_host::{Image, Machine};

/// cortex-m-rt's paint.
const PAINT: [u8; 4] = 0xcccc_ccccu32.to_le_bytes();

/// The most that the stack of the running `board` has held, in bytes.
///
/// # Errors
/// QEMU does not give its memory, or there is no paint at all.
pub(super) fn high_water(board: &mut Machine, image: &Image) -> Result<u64> {
    let (end, start) = (image.symbol("_stack_end")?.address, image.symbol("_stack_start")?.address);
    let stack = board.memory(end, start - end)?;
    let free = stack.chunks_exact(4).take_while(|word| *word == PAINT).count() * 4;
    ensure!(free > 0, "the stack has used all of its {} bytes, and perhaps more", stack.len());
    Ok((stack.len() - free).try_into()?)
}
