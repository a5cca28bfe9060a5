//! A pty whose other side another program opens as if it were a serial port.
//!
//! A descriptor of the slave stays open as long as the pty lives. Otherwise the master would report a hang-up
//! from the moment that the other program leaves until the next one comes, and what is written meanwhile would
//! be refused; so it waits in the kernel (about 20 KB) for the next opener.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{rename, symlink, unlink};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::open_error::Problem;

/// What keeps a pty alive besides its master.
#[derive(Debug)]
pub(crate) struct Pty {
    // Goes before the slave, so that the link never names a pty of somebody else.
    _link: Option<Link>,
    _slave: OwnedFd,
    /// The slave's own name, `/dev/pts/N`.
    pub(crate) path: PathBuf,
}

/// Makes a pty in raw mode, and a symbolic link to its slave if `link` says so. The first part of the result is
/// the master, non-blocking.
pub(crate) fn open(link: Option<&Path>) -> Result<(OwnedFd, Pty), Problem> {
    let because = |errno| Problem::of("make a pty", errno);
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).map_err(because)?;
    grantpt(&master).map_err(because)?;
    unlockpt(&master).map_err(because)?;
    rustix::io::ioctl_fionbio(&master, true).map_err(because)?;
    let slave = ioctl_tiocgptpeer(&master, flags).map_err(because)?;
    let mut modes = tcgetattr(&slave).map_err(because)?;
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes).map_err(because)?;

    let name = ptsname(&master, Vec::new()).map_err(because)?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
    let link = link.map(|link| Link::place(link, &path)).transpose()?;
    Ok((master, Pty { _link: link, _slave: slave, path }))
}

/// Whether a device number belongs to the slave of a pty (majors 136 to 143, the kernel's `devices.txt`).
pub(crate) fn is_slave(device: u64) -> bool {
    (136..=143).contains(&rustix::fs::major(device))
}

/// A symbolic link to a slave, removed on drop unless it leads somewhere else by then.
#[derive(Debug)]
struct Link {
    at: PathBuf,
    slave: PathBuf,
}

impl Link {
    /// Puts the link in place in one step: whoever looks sees the old one or the new one. Replaces a link that
    /// leads nowhere or to a pty, and nothing else.
    fn place(at: &Path, slave: &Path) -> Result<Self, Problem> {
        let made = Self { at: at.to_owned(), slave: slave.to_owned() };
        match symlink(slave, at) {
            Ok(()) => return Ok(made),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(cannot_link(at, errno)),
        }
        if !is_replaceable(at) {
            return Err(Problem::LinkTaken);
        }
        let mut name = at.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let new = at.with_file_name(name);
        symlink(slave, &new).map_err(|errno| cannot_link(at, errno))?;
        rename(&new, at).map_err(|errno| {
            // The error that counts is the first one.
            let _ = unlink(&new);
            cannot_link(at, errno)
        })?;
        Ok(made)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if fs::read_link(&self.at).is_ok_and(|target| target == self.slave) {
            // Nobody is left to tell, and the next start replaces the link anyway.
            let _ = unlink(&self.at);
        }
    }
}

fn is_replaceable(at: &Path) -> bool {
    if !fs::symlink_metadata(at).is_ok_and(|found| found.is_symlink()) {
        return false;
    }
    match fs::metadata(at) {
        Ok(target) => target.file_type().is_char_device() && is_slave(target.rdev()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn cannot_link(at: &Path, errno: Errno) -> Problem {
    let directory = match at.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    };
    match errno {
        Errno::NOENT | Errno::NOTDIR => Problem::NoDirectory(directory.to_owned()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Problem::Denied {
            advice: format!("choose a place where your user may write, other than {}", directory.display()),
            fresh: false,
        },
        errno => Problem::of("make the link", errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slaves_of_ptys_count_as_such() {
        let (_master, pty) = open(None).expect("a pty");
        assert!(is_slave(fs::metadata(&pty.path).expect("the slave").rdev()));
        assert!(!is_slave(fs::metadata("/dev/null").expect("a device").rdev()));
    }
}
