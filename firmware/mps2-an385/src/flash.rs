//! The configuration's block of flash.

use uartbridge_firmware_config::{Error, Settings, decode};

/// Its size in bytes; memory.x has the same.
const BLOCK: usize = 8 * 1024;

/// As it is built: erased. What is there when the image runs, only the flash knows.
#[used]
#[unsafe(link_section = ".config")]
static ERASED: [u8; BLOCK] = [0xff; BLOCK];

unsafe extern "C" {
    /// Where the linker has put the block.
    #[link_name = "__config"]
    static WRITTEN: [u8; BLOCK];
}

/// The settings that were written into this device.
///
/// # Errors
/// What is wrong with the block.
pub(crate) fn settings() -> Result<Settings<'static>, Error> {
    // SAFETY: memory.x puts the block of this size there, in flash, which nothing writes while the image runs.
    decode(unsafe { &WRITTEN })
}
