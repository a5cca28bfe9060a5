//! The images that `cargo xtask firmware build` has left.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use uartbridge_firmware_host::Image;

use crate::scenario::Transport;

/// Names the folder of the images, and makes it an error if they are not there.
const FOLDER: &str = "UARTBRIDGE_IMAGES";

/// One image a way to speak.
#[derive(Clone, Debug)]
pub struct Images {
    plain: Image,
    udp: Image,
}

impl Images {
    /// Opens them, from the folder that the variable `UARTBRIDGE_IMAGES` names or else from where they are built; `Ok(None)`
    /// without that variable, where there are no images or there is no QEMU.
    ///
    /// # Errors
    /// Something is missing that the variable promises, or an image is damaged.
    pub fn find() -> Result<Option<Self>, String> {
        let promised = std::env::var_os(FOLDER).map(PathBuf::from);
        let folder = match &promised {
            Some(folder) => folder.clone(),
            None => default_folder()?,
        };
        let there = folder.join("plain").exists() && folder.join("udp").exists();
        if promised.is_none() && !(there && qemu()) {
            return Ok(None);
        }
        let open = |name: &str| {
            Image::open(&folder.join(name)).map_err(|error| {
                format!("{error:#}; `cargo xtask firmware build` builds the images that {FOLDER} promises")
            })
        };
        Ok(Some(Self { plain: open("plain")?, udp: open("udp")? }))
    }

    /// What runs a scenario with this transport.
    pub(super) const fn of(&self, transport: Transport) -> &Image {
        match transport {
            Transport::Tcp | Transport::TcpListen => &self.plain,
            Transport::Udp => &self.udp,
        }
    }
}

fn default_folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.ancestors().nth(3).ok_or("a test that stands nowhere")?;
    Ok(target.join("firmware/thumbv7m-none-eabi/release"))
}

fn qemu() -> bool {
    let mut version = Command::new("qemu-system-arm");
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
