//! Standard input and output as one end.
//!
//! Both must be non-blocking, but that is a property of the *open file*, which the shell and other programs
//! share: a terminal left non-blocking confuses whoever uses it next. So terminals and pipes are opened once
//! more through `/proc/self/fd` (proc(5)), which leaves the shared one alone even if this program is killed.
//! Where that does not work (sockets, another user's terminal) the flag is set, and taken back on drop.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use crate::open_error::Problem;

/// Open files that this program has made non-blocking, to be undone.
#[derive(Debug, Default)]
pub(crate) struct Shared(Vec<OwnedFd>);

/// Standard input and standard output, non-blocking where that means something.
pub(crate) fn open() -> Result<(OwnedFd, OwnedFd, Shared), Problem> {
    let mut shared = Shared::default();
    let input = own(rustix::stdio::stdin(), OFlags::RDONLY, &mut shared)?;
    let output = own(rustix::stdio::stdout(), OFlags::WRONLY, &mut shared)?;
    Ok((input, output, shared))
}

fn own(fd: BorrowedFd<'_>, access: OFlags, shared: &mut Shared) -> Result<OwnedFd, Problem> {
    let because = |errno| match errno {
        Errno::BADF => Problem::Other { doing: "use a standard stream that is closed", errno },
        errno => Problem::of("use a standard stream", errno),
    };
    let kind = FileType::from_raw_mode(fstat(fd).map_err(because)?.st_mode);
    match kind {
        FileType::Directory => return Err(Problem::Directory),
        // Never blocks, and another open file would start at its beginning.
        FileType::RegularFile => return fcntl_dupfd_cloexec(fd, 0).map_err(because),
        FileType::CharacterDevice | FileType::Fifo => {
            let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let again = format!("/proc/self/fd/{}", fd.as_raw_fd());
            if let Ok(own) = rustix::fs::open(again, flags, Mode::empty()) {
                return Ok(own);
            }
        }
        FileType::Socket | FileType::BlockDevice | FileType::Symlink | FileType::Unknown => {}
    }
    let copy = fcntl_dupfd_cloexec(fd, 0).map_err(because)?;
    shared.set(&copy).map_err(because)?;
    Ok(copy)
}

impl Shared {
    fn set(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        let flags = fcntl_getfl(fd)?;
        // Somebody else's flag, or ours through the other stream, stays as it is.
        if flags.contains(OFlags::NONBLOCK) {
            return Ok(());
        }
        let keep = fcntl_dupfd_cloexec(fd.as_fd(), 0)?;
        fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
        self.0.push(keep);
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for fd in &self.0 {
            if let Ok(flags) = fcntl_getfl(fd) {
                // Nothing can be done about a refusal, and none is known.
                let _ = fcntl_setfl(fd, flags - OFlags::NONBLOCK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocking(fd: impl AsFd) -> bool {
        !fcntl_getfl(fd).expect("flags").contains(OFlags::NONBLOCK)
    }

    fn socket() -> OwnedFd {
        let (end, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        end.into()
    }

    #[test]
    fn a_terminal_and_a_pipe_stay_as_they_are_for_others() {
        let (_master, pty) = crate::pty::open(None).expect("a pty");
        let terminal: OwnedFd = std::fs::File::open(&pty.path).expect("its slave").into();
        let (pipe, _other) = rustix::pipe::pipe().expect("a pipe");
        for stream in [terminal, pipe] {
            let mut shared = Shared::default();
            let own = own(stream.as_fd(), OFlags::RDONLY, &mut shared).expect("a stream to read");
            assert!(!is_blocking(&own));
            assert!(is_blocking(&stream));
            assert!(shared.0.is_empty());
        }
    }

    #[test]
    fn a_shared_flag_is_taken_back() {
        let socket = socket();
        let mut shared = Shared::default();
        let input = own(socket.as_fd(), OFlags::RDONLY, &mut shared).expect("a socket");
        let output = own(socket.as_fd(), OFlags::WRONLY, &mut shared).expect("a socket");
        assert!(!is_blocking(&input) && !is_blocking(&output));
        assert_eq!(shared.0.len(), 1);
        drop(shared);
        assert!(is_blocking(&socket));
    }

    #[test]
    fn a_flag_that_was_set_before_stays() {
        let socket = socket();
        rustix::io::ioctl_fionbio(&socket, true).expect("a socket");
        let mut shared = Shared::default();
        own(socket.as_fd(), OFlags::RDONLY, &mut shared).expect("a socket");
        drop(shared);
        assert!(!is_blocking(&socket));
    }

    #[test]
    fn a_file_goes_on_where_it_is_and_a_directory_is_refused() {
        let mut file = std::fs::File::open("/etc/passwd").expect("a file");
        std::io::Read::read_exact(&mut file, &mut [0; 3]).expect("three bytes");
        let own_file = own(file.as_fd(), OFlags::RDONLY, &mut Shared::default()).expect("a file");
        assert_eq!(rustix::fs::tell(own_file), Ok(3));
        let directory = std::fs::File::open("/").expect("a directory");
        let refused = own(directory.as_fd(), OFlags::RDONLY, &mut Shared::default());
        assert!(matches!(refused, Err(Problem::Directory)), "{refused:?}");
    }
}
