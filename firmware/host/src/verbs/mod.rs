//! The verbs of `cargo xtask firmware`, one file each.

pub(crate) mod run;
pub(crate) mod size;
pub(crate) mod test;

use anyhow::{Context, Result};
use uartbridge_firmware_host::Image;

/// An image as `cargo xtask firmware build` has left it.
///
/// # Errors
/// It has not been built.
pub(crate) fn image(name: &str) -> Result<Image> {
    let exe = std::env::current_exe().context("path of this program")?;
    let target =
        exe.parent().and_then(|dir| dir.parent()).context("this program lies in no target directory")?;
    Image::open(&target.join("firmware/thumbv7m-none-eabi/release").join(name))
}
