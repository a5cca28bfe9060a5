//! Why a UART end could not be opened, in words for the person who has to mend it.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A UART end could not be opened. `Display` says which one, what happened and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{end}: {problem}")]
pub struct OpenError {
    end: String,
    problem: Problem,
}

impl OpenError {
    pub(crate) fn new(end: String, problem: Problem) -> Self {
        Self { end, problem }
    }

    /// Whether the same attempt may well succeed later without anyone changing the settings: an adapter not
    /// plugged in, a port in use, permissions that udev has not set yet. Otherwise waiting is of no use.
    pub fn is_temporary(&self) -> bool {
        match &self.problem {
            Problem::Absent
            | Problem::Dead(_)
            | Problem::InUse { .. }
            | Problem::NobodyListens
            | Problem::Exhausted(_) => true,
            Problem::Denied { fresh, .. } => *fresh,
            Problem::NotATerminal
            | Problem::Settings { .. }
            | Problem::NoFlowControl
            | Problem::Rs485(_)
            | Problem::LinkTaken
            | Problem::NoDirectory(_)
            | Problem::Directory
            | Problem::Other { .. } => false,
        }
    }
}

/// What happened. Each variant's text also says what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no such device; is it plugged in?")]
    Absent,
    #[error(
        "the device does not answer ({0}); is it plugged in and is there really a UART behind this port?"
    )]
    Dead(Errno),
    #[error("in use by another program{}; stop that one first", by(.holder))]
    InUse { holder: Option<Holder> },
    #[error("nobody answers there; start the program that should")]
    NobodyListens,
    #[error("the system has run out of what it needs ({0}); close other programs or raise their limits")]
    Exhausted(Errno),
    /// `fresh`: the device is so young that udev may not have set its permissions yet.
    #[error("permission denied; {advice}")]
    Denied { advice: String, fresh: bool },
    #[error("this is not a serial port; name a terminal device such as /dev/ttyUSB0")]
    NotATerminal,
    #[error("the device does not do {wanted}{}; choose settings that it has", offer(.offered))]
    Settings { wanted: String, offered: Option<String> },
    #[error("the device has no RTS/CTS flow control; choose flow=none or flow=xonxoff")]
    NoFlowControl,
    #[error("the driver does not do RS-485 {0}; leave rs485 out if the adapter switches by itself")]
    Rs485(&'static str),
    #[error(
        "there is something else of this name, and it is not a link to a pty; remove it or choose another name"
    )]
    LinkTaken,
    #[error("there is no directory {}; create it first", .0.display())]
    NoDirectory(PathBuf),
    #[error("this is a directory; name a file, a pipe or a terminal")]
    Directory,
    #[error("could not {doing}: {errno}")]
    Other { doing: &'static str, errno: Errno },
}

/// The program that has locked a port.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

impl Problem {
    /// What `errno` means when a step (`doing`, an infinitive) fails on something that already exists.
    pub(crate) fn of(doing: &'static str, errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => Self::Absent,
            Errno::IO => Self::Dead(errno),
            Errno::BUSY => Self::InUse { holder: None },
            Errno::CONNREFUSED => Self::NobodyListens,
            Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => {
                Self::Exhausted(errno)
            }
            errno => Self::Other { doing, errno },
        }
    }

    /// `permission denied` on `path`, with the advice that fits its owner and mode.
    pub(crate) fn denied(path: &Path) -> Self {
        let Ok(node) = rustix::fs::stat(path) else {
            let advice = format!("your user may not look into the directory of {}", path.display());
            return Self::Denied { advice, fresh: false };
        };
        let group_may = node.st_mode & 0o060 == 0o060;
        let advice = match group_name(node.st_gid).filter(|_| group_may && node.st_gid != 0) {
            Some(group) => format!("add your user to group \"{group}\" and log in again"),
            None => format!("let your user read and write {}, by a udev rule or chmod", path.display()),
        };
        Self::Denied { advice, fresh: is_fresh(&node) }
    }
}

/// udev sets owner and mode some time after the kernel has made the node; it takes well under this, in s.
const UDEV_TAKES: i64 = 10;

fn is_fresh(node: &rustix::fs::Stat) -> bool {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    (0..UDEV_TAKES).contains(&now.saturating_sub(node.st_ctime))
}

/// The group's name by group(5); groups kept elsewhere have none here.
fn group_name(gid: u32) -> Option<String> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(String::new, |Holder { name, pid }| format!(", {name} (process {pid})"))
}

fn offer(offered: &Option<String>) -> String {
    offered.as_ref().map_or_else(String::new, |offered| format!(", only {offered}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_group_that_may() {
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(u32::MAX - 1), None);
    }

    #[test]
    fn permissions_count_as_unsettled_only_while_the_node_is_new() {
        let path = std::env::temp_dir().join(format!("uartbridge-denied-{}", std::process::id()));
        std::fs::write(&path, "").expect("a writable directory for temporary files");
        let young = OpenError::new("serial:x".to_owned(), Problem::denied(&path));
        std::fs::remove_file(&path).expect("our own file");
        assert!(young.is_temporary(), "{young}");
        let old = OpenError::new("serial:/dev/null".to_owned(), Problem::denied(Path::new("/dev/null")));
        assert!(!old.is_temporary(), "{old}");
    }

    #[test]
    fn what_waiting_mends_is_temporary() {
        let open = |errno| OpenError::new("serial:/dev/ttyUSB0".to_owned(), Problem::of("open it", errno));
        for errno in [Errno::NOENT, Errno::NODEV, Errno::NXIO, Errno::IO, Errno::BUSY, Errno::MFILE] {
            assert!(open(errno).is_temporary(), "{errno}");
        }
        assert!(!open(Errno::INVAL).is_temporary());
    }
}
