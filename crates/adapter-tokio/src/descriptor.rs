//! Reading and writing descriptors without blocking, and waiting for them with tokio.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::open_error::Problem;

/// What is read from.
#[derive(Debug)]
pub(crate) enum Source {
    /// tokio waits for bytes.
    Watched(AsyncFd<OwnedFd>),
    /// A file or `/dev/null`, which epoll refuses because there is never anything to wait for.
    AlwaysReady(OwnedFd),
}

impl Source {
    /// Watches `fd`, which must be non-blocking, for bytes to read; inside a tokio runtime only.
    pub(crate) fn of(fd: OwnedFd) -> Result<Self, Problem> {
        match watch(fd, Interest::READABLE) {
            Ok(fd) => Ok(Self::Watched(fd)),
            Err((fd, error)) if is_never_blocking(&error) => Ok(Self::AlwaysReady(fd)),
            Err((_, error)) => {
                Err(Problem::of("wait for it", Errno::from_io_error(&error).unwrap_or(Errno::IO)))
            }
        }
    }

    /// Reads what is there. A read of less than `most` bytes, and less than asked for, counts as proof that nothing is left.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let fd = match self {
            Self::Watched(fd) => fd,
            Self::AlwaysReady(fd) => {
                return Poll::Ready(read(fd.as_fd(), buf).map(Option::unwrap_or_default));
            }
        };
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx))?;
            match read(fd.get_ref().as_fd(), buf)? {
                Some(bytes) => {
                    // An end of input stays visible: clearing does not touch it.
                    if bytes < buf.len().min(most) {
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(bytes));
                }
                None => guard.clear_ready(),
            }
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Watched(fd) => fd.get_ref().as_fd(),
            Self::AlwaysReady(fd) => fd.as_fd(),
        }
    }
}

/// Has tokio wait for `fd`; gives it back with the reason if that is impossible.
#[expect(
    deprecated,
    reason = "its successor is unsafe because a type might close its descriptor early; an OwnedFd does not"
)]
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> Result<AsyncFd<OwnedFd>, (OwnedFd, io::Error)> {
    AsyncFd::try_with_interest(fd, interest).map_err(|error| error.into_parts())
}

/// epoll_ctl(2): `EPERM` for a file that does not know waiting.
pub(crate) fn is_never_blocking(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::PERM)
}

/// read(2); `None` if it would block.
fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::io::read(fd, &mut *buf) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// write(2); `None` if it would block. Some drivers say 0 in that case.
pub(crate) fn write(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::io::write(fd, buf) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(None),
            Ok(bytes) => return Ok(Some(bytes)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
