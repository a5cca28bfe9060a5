//! A place of its own for a browser: private mounts with USB serial adapters in them that there are not, and a network of
//! which nobody else uses the loopback. What is plugged in here is seen by whoever lives here, and by nobody else.
//!
//! Chromium asks udev's library for serial ports. That reads `/sys` and `/run/udev`, keeps ports whose major number is in
//! `/proc/tty/drivers`, and hears of comings and goings over netlink, from whoever is root in this network.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};

use super::netlink;

/// How many adapters there are.
pub const ADAPTERS: u16 = 24;
/// The vendor of all of them, as `getInfo()` gives it: nobody's, so that no list of known devices changes how they are treated.
pub const VENDOR: u16 = 0xf055;
/// The product of the first; the others follow.
pub const PRODUCT: u16 = 0x1000;
/// The major number of `usbserial` (Documentation/admin-guide/devices.txt).
const MAJOR: u16 = 188;
/// The ports of this network from which pages may see every serial port, on 127.0.0.1.
pub const ORIGINS: core::ops::Range<u16> = 8000..8064;

/// Set in a process that lives in such a place.
const INSIDE: &str = "UARTBRIDGE_SPACE";

/// Whether this process lives in a place of its own.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again in a place of its own, with the same arguments and these further variables; how that ended.
///
/// # Errors
/// It cannot be: one may have to be root, or to be allowed namespaces of one's own.
pub fn enter(variables: &[(&str, &Path)]) -> Result<ExitStatus, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--propagation", "private"]);
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    unshare.arg("--").arg(own).args(std::env::args_os().skip(1));
    unshare.env(INSIDE, "1").envs(variables.iter().copied());
    unshare.status().map_err(|error| format!("unshare (util-linux), which makes namespaces: {error}"))
}

/// The furniture: what has to be in the place before a browser comes.
#[derive(Debug)]
pub struct Space {
    folder: PathBuf,
}

impl Space {
    /// Puts it there. `folder` is empty, and belongs to this.
    ///
    /// # Errors
    /// What the system refuses; one may have to be root, or to be allowed namespaces of one's own.
    pub fn furnish(folder: &Path) -> Result<Self, String> {
        if !is_inside() {
            return Err("this would change the mounts of the whole machine".into());
        }
        let said = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(|error| format!("private mounts: {error}"))?;
        netlink::loopback_up().map_err(said("loopback"))?;
        drivers(folder).map_err(said("/proc/tty/drivers"))?;
        devices(folder).map_err(said("/sys"))?;
        udev(folder).map_err(said("/run/udev"))?;
        policy(folder).map_err(said("/etc/chromium"))?;
        dev(folder).map_err(said("/dev"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A folder for whatever else belongs to this place.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Where the device node of an adapter is: a link to a pty, while it is plugged in.
pub fn node(adapter: u16) -> PathBuf {
    Path::new("/dev").join(name(adapter))
}

/// Udev says that an adapter has come or gone.
///
/// # Errors
/// What the system refuses.
pub fn announce(adapter: u16, plugged: bool) -> io::Result<()> {
    let mut properties = vec![
        ("ACTION", (if plugged { "add" } else { "remove" }).to_owned()),
        ("DEVPATH", format!("/devices/virtual/tty/{}", name(adapter))),
        ("SUBSYSTEM", "tty".to_owned()),
        ("DEVNAME", format!("/dev/{}", name(adapter))),
        ("MAJOR", MAJOR.to_string()),
        ("MINOR", adapter.to_string()),
        ("SEQNUM", "1".to_owned()),
        ("USEC_INITIALIZED", "1".to_owned()),
    ];
    properties.extend(identity(adapter));
    netlink::udev_event("tty", &properties)
}

fn name(adapter: u16) -> String {
    format!("ttyUSB{adapter}")
}

/// What udev knows of an adapter's identity.
fn identity(adapter: u16) -> Vec<(&'static str, String)> {
    vec![
        ("ID_BUS", "usb".to_owned()),
        ("ID_VENDOR_ID", format!("{VENDOR:04x}")),
        ("ID_MODEL_ID", format!("{:04x}", PRODUCT + adapter)),
        ("ID_MODEL", format!("Adapter_{adapter}")),
        ("ID_MODEL_ENC", format!("Adapter\\x20{adapter}")),
        ("ID_SERIAL_SHORT", format!("A{adapter:04}")),
    ]
}

fn drivers(folder: &Path) -> io::Result<()> {
    let file = folder.join("drivers");
    let line = format!("usbserial            /dev/ttyUSB   {MAJOR} 0-511 serial\n");
    std::fs::write(&file, line)?;
    Ok(mount_bind(&file, "/proc/tty/drivers")?)
}

fn devices(folder: &Path) -> io::Result<()> {
    let (class, all) = (folder.join("class"), folder.join("devices"));
    std::fs::create_dir(&class)?;
    for adapter in 0..ADAPTERS {
        let name = name(adapter);
        let device = all.join(&name);
        std::fs::create_dir_all(&device)?;
        std::fs::write(device.join("dev"), format!("{MAJOR}:{adapter}\n"))?;
        std::fs::write(device.join("uevent"), format!("MAJOR={MAJOR}\nMINOR={adapter}\nDEVNAME={name}\n"))?;
        symlink("../../../../class/tty", device.join("subsystem"))?;
        symlink(format!("../../devices/virtual/tty/{name}"), class.join(&name))?;
    }
    mount_bind(&all, "/sys/devices/virtual/tty")?;
    Ok(mount_bind(&class, "/sys/class/tty")?)
}

fn udev(folder: &Path) -> io::Result<()> {
    let run = folder.join("run");
    let data = run.join("udev/data");
    std::fs::create_dir_all(&data)?;
    // A sign that udev is at work.
    std::fs::write(run.join("udev/control"), "")?;
    for adapter in 0..ADAPTERS {
        let known: String =
            identity(adapter).iter().map(|(name, value)| format!("E:{name}={value}\n")).collect();
        std::fs::write(data.join(format!("c{MAJOR}:{adapter}")), format!("I:1\n{known}"))?;
    }
    Ok(mount_bind(&run, "/run")?)
}

/// Pages of our servers see all ports, as if somebody had chosen each of them once.
fn policy(folder: &Path) -> io::Result<()> {
    let etc = folder.join("etc");
    let managed = etc.join("policies/managed");
    std::fs::create_dir_all(&managed)?;
    let origins: Vec<_> = ORIGINS.map(|port| format!("http://127.0.0.1:{port}")).collect();
    let policy = serde_json::json!({ "SerialAllowAllPortsForUrls": origins });
    std::fs::write(managed.join("serial.json"), policy.to_string())?;
    Ok(mount_bind(&etc, "/etc/chromium")?)
}

/// A `/dev` in which links to ptys can come and go.
fn dev(folder: &Path) -> io::Result<()> {
    let dev = folder.join("dev");
    std::fs::create_dir(&dev)?;
    mount("tmpfs", &dev, "tmpfs", MountFlags::empty(), None)?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        std::fs::write(dev.join(device), "")?;
        mount_bind(Path::new("/dev").join(device), dev.join(device))?;
    }
    for directory in ["pts", "shm"] {
        std::fs::create_dir(dev.join(directory))?;
        mount_bind(Path::new("/dev").join(directory), dev.join(directory))?;
    }
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        symlink(target, dev.join(link))?;
    }
    Ok(mount_bind_recursive(&dev, "/dev")?)
}
