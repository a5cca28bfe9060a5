//! The UART end of a bridge: a serial port, a pty, a Unix socket or standard input and output, opened and
//! read and written without blocking, with as few system calls as the kernel allows.
//!
//! What keeps the count down: reads and writes go straight between the kernel and the caller's slices. The
//! descriptor is watched for bytes to read only; room to write is assumed until a write does not fit, and only
//! then watched too, through a second descriptor (a terminal watched for both wakes its reader once more after
//! every write), until writes have fitted for a while. A short read has emptied the kernel's queue, and a short write has filled it, so neither is
//! followed by a call that only learns `EAGAIN`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::task::{Context, Poll, ready};

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use uartbridge_core::LineErrors;

pub use crate::open_error::OpenError;

use crate::descriptor::{Source, is_never_blocking, watch, write};
use crate::endpoint::UartEndpoint;
use crate::open_error::Problem;
use crate::pty::Pty;
use crate::serial::Port;
use crate::{ioctl, pty, serial, stdio};

/// An open UART end.
///
/// Flow control towards the device needs no call: whoever does not read lets the kernel's queue (4 KiB) fill,
/// and the kernel then drops RTS or sends XOFF, if the port's settings say so.
#[derive(Debug)]
pub struct Uart {
    kind: Kind,
    source: Source,
    /// Where to write if that is another descriptor than the one to read.
    sink: Option<OwnedFd>,
    /// Tells when there is room again; made when a write does not fit.
    room: Option<AsyncFd<OwnedFd>>,
    /// How many writes in a row have fitted since then.
    fitted: u32,
    /// `Gone` or `Ended` was reported: nothing more comes.
    over: bool,
}

/// Room is watched for until so many writes in a row have fitted: being woken whenever the other side reads costs more
/// than finding out now and then that there is no room.
const UNWATCH_AFTER: u32 = 16;

/// What [`Uart::poll_read`] found.
#[derive(Debug)]
pub enum UartRead {
    /// This many bytes, at least one, are in the buffer.
    Bytes(usize),
    /// The device was unplugged, or the program behind the socket has left, for this reason. It may come back:
    /// drop this one and open it again.
    Gone(io::Error),
    /// Standard input is at its end, for good.
    Ended,
}

impl Uart {
    /// Opens an end. Must be called inside a tokio runtime with I/O enabled; does not block.
    ///
    /// A pty is made here and goes with the returned value. It reports [`UartRead::Gone`] only if somebody hangs
    /// it up by force (vhangup(2)), so one call is enough for the life of a bridge.
    ///
    /// # Errors
    /// [`OpenError`], whose text is for the user; [`OpenError::is_temporary`] says whether to try again.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn open(end: &UartEndpoint) -> Result<Self, OpenError> {
        Self::try_open(end).map_err(|problem| OpenError::new(name(end), problem))
    }

    fn try_open(end: &UartEndpoint) -> Result<Self, Problem> {
        let (kind, input, sink) = match end {
            UartEndpoint::Serial { path, settings } => {
                let (fd, port) = serial::open(path, settings)?;
                (Kind::Serial(port), fd, None)
            }
            UartEndpoint::Pty { link } => {
                let (master, pty) = pty::open(link.as_deref())?;
                (Kind::Pty(pty), master, None)
            }
            UartEndpoint::Unix { path } => (Kind::Unix, connect(path)?, None),
            UartEndpoint::Stdio => {
                let (input, output, shared) = stdio::open()?;
                (Kind::Stdio(shared), input, Some(output))
            }
        };
        Self::new(kind, input, sink)
    }

    /// Reads what is there into `buf`; pending, with `cx` to be woken, while nothing is. An empty `buf` means
    /// *not now*: pending, and nobody is woken. So it is after [`UartRead::Gone`] and [`UartRead::Ended`], each
    /// of which comes once.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        if buf.is_empty() || self.over {
            return Poll::Pending;
        }
        let read = match ready!(self.source.poll_read(cx, buf, self.kind.most_per_read())) {
            Ok(0) => self.kind.end(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => UartRead::Bytes(bytes),
            Err(error) => self.kind.end(error),
        };
        self.over = !matches!(read, UartRead::Bytes(_));
        Poll::Ready(read)
    }

    /// Writes a prefix of `buf`, of at least one byte, as far as the driver has room; pending, with `cx` to be
    /// woken, while it has none. An empty `buf` means *not now*: pending, and nobody is woken.
    ///
    /// # Errors
    /// What write(2) says: `EIO` or `ENODEV` from an unplugged port, `EPIPE` if the other side of a pipe or
    /// socket has left, `ENOSPC` from a file. What was read before the break may still be delivered by
    /// [`poll_read`](Self::poll_read), which reports the break as well.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Pending;
        }
        if self.room.is_none() {
            match write(self.output(), buf) {
                Ok(Some(bytes)) if bytes == buf.len() => return Poll::Ready(Ok(bytes)),
                Ok(Some(bytes)) => {
                    // The count matters more; if this has failed, the next write says so.
                    let _ = self.watch_room();
                    return Poll::Ready(Ok(bytes));
                }
                Ok(None) => self.watch_room()?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let Some(room) = &self.room else {
            // A file has taken nothing, gives no reason, and cannot be waited for.
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        };
        loop {
            let mut guard = ready!(room.poll_write_ready(cx))?;
            match write(room.get_ref().as_fd(), buf) {
                Ok(Some(bytes)) if bytes < buf.len() => {
                    self.fitted = 0;
                    guard.clear_ready();
                    return Poll::Ready(Ok(bytes));
                }
                Ok(Some(bytes)) => {
                    self.fitted += 1;
                    if self.fitted >= UNWATCH_AFTER {
                        self.room = None;
                    }
                    return Poll::Ready(Ok(bytes));
                }
                Ok(None) => {
                    self.fitted = 0;
                    guard.clear_ready();
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Bytes written that have not left yet: those in a serial driver's queue (`TIOCOUTQ`; the chip's own FIFO
    /// comes on top), or unread by a Unix socket's peer. Not to be had of a pty, a pipe or a file: 0.
    ///
    /// Wait for 0 before dropping a serial port: what is queued then is thrown away, because waiting for a line
    /// that may be held up would block every bridge.
    ///
    /// # Errors
    /// What ioctl(2) says, such as `EIO` from an unplugged port.
    pub fn queued(&self) -> io::Result<usize> {
        match ioctl::output_queue(self.output()) {
            Ok(bytes) => Ok(bytes),
            Err(Errno::NOTTY | Errno::INVAL) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Line errors since the last call, or since opening at first; `None` if there were none, or if nobody
    /// counts: only the drivers of serial ports do.
    pub fn line_errors(&mut self) -> Option<LineErrors> {
        match &mut self.kind {
            Kind::Serial(port) => port.line_errors(self.source.as_fd()),
            Kind::Pty(_) | Kind::Unix | Kind::Stdio(_) => None,
        }
    }

    /// Where other programs find a pty, `/dev/pts/N`; `None` for every other end.
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Pty(pty) => Some(&pty.path),
            Kind::Serial(_) | Kind::Unix | Kind::Stdio(_) => None,
        }
    }

    fn new(kind: Kind, input: OwnedFd, sink: Option<OwnedFd>) -> Result<Self, Problem> {
        Ok(Self { kind, source: Source::of(input)?, sink, room: None, fitted: 0, over: false })
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.sink.as_ref().map_or_else(|| self.source.as_fd(), AsFd::as_fd)
    }

    /// From now on waits for room. Files need no waiting: epoll refuses them, and that is fine.
    fn watch_room(&mut self) -> io::Result<()> {
        let copy = fcntl_dupfd_cloexec(self.output(), 0)?;
        match watch(copy, Interest::WRITABLE) {
            Ok(room) => (self.room, self.fitted) = (Some(room), 0),
            Err((_, error)) if is_never_blocking(&error) => {}
            Err((_, error)) => return Err(error),
        }
        Ok(())
    }
}

impl Drop for Uart {
    fn drop(&mut self) {
        match &self.kind {
            Kind::Serial(port) => port.release(self.source.as_fd()),
            Kind::Pty(_) | Kind::Unix | Kind::Stdio(_) => {}
        }
    }
}

#[derive(Debug)]
enum Kind {
    Serial(Port),
    Pty(Pty),
    Unix,
    Stdio(stdio::Shared),
}

/// read(2) on a terminal gives no more than this at a time, one byte less than its queue.
const TTY_READ: usize = 4095;

impl Kind {
    /// A read of less than this, and less than asked for, has emptied the queue.
    fn most_per_read(&self) -> usize {
        match self {
            Self::Serial(_) | Self::Pty(_) => TTY_READ,
            Self::Unix => usize::MAX,
            // A terminal in the mode that people type in gives a line at a time.
            Self::Stdio(_) => 0,
        }
    }

    /// What the end of the input means.
    fn end(&self, why: io::Error) -> UartRead {
        match self {
            Self::Serial(_) | Self::Pty(_) | Self::Unix => UartRead::Gone(why),
            Self::Stdio(shared) => {
                // EIO: the terminal has hung up, which is its way to end.
                let is_end = why.kind() == io::ErrorKind::UnexpectedEof
                    || Errno::from_io_error(&why) == Some(Errno::IO);
                if !is_end {
                    tracing::warn!(error = %why, ?shared, "standard input cannot be read");
                }
                UartRead::Ended
            }
        }
    }
}

/// Connects to a Unix socket. That takes no time: a listener whose queue is full gives `EAGAIN`.
fn connect(path: &Path) -> Result<OwnedFd, Problem> {
    let because = |errno| match errno {
        Errno::ACCESS | Errno::PERM => Problem::denied(path),
        Errno::NOENT | Errno::AGAIN => Problem::NobodyListens,
        errno => Problem::of("connect to it", errno),
    };
    let address = SocketAddrUnix::new(path).map_err(because)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(because)?;
    rustix::net::connect(&socket, &address).map_err(because)?;
    Ok(socket)
}

/// The end as a message names it: what the user wrote, without the settings.
fn name(end: &UartEndpoint) -> String {
    match end {
        UartEndpoint::Serial { path, .. } => format!("serial:{}", path.display()),
        UartEndpoint::Pty { link: Some(link) } => format!("pty:{}", link.display()),
        UartEndpoint::Pty { link: None } => "pty:".to_owned(),
        UartEndpoint::Unix { path } => format!("unix:{}", path.display()),
        UartEndpoint::Stdio => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::future::poll_fn;
    use std::io::{Read, Seek, Write};

    use super::*;

    /// Far longer than anything here takes on a busy machine.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

    fn stdio(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Uart {
        let kind = Kind::Stdio(stdio::Shared::default());
        Uart::new(kind, input.into(), Some(output.into())).expect("something to read")
    }

    fn null() -> File {
        File::options().read(true).write(true).open("/dev/null").expect("/dev/null")
    }

    async fn next(uart: &mut Uart) -> (UartRead, Vec<u8>) {
        let mut buf = [0; 64];
        let reading = poll_fn(|cx| uart.poll_read(cx, &mut buf));
        let read = tokio::time::timeout(PATIENCE, reading).await.expect("something comes in time");
        let bytes = if let UartRead::Bytes(bytes) = read { bytes } else { 0 };
        (read, buf[..bytes].to_vec())
    }

    fn is_silent(uart: &mut Uart) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        uart.poll_read(&mut cx, &mut [0; 8]).is_pending()
    }

    #[tokio::test]
    async fn a_file_is_read_to_its_end_once() {
        let path = std::env::temp_dir().join(format!("uartbridge-stdin-{}", std::process::id()));
        std::fs::write(&path, "all of it").expect("a file");
        let mut uart = stdio(File::open(&path).expect("the file"), null());
        std::fs::remove_file(&path).expect("our own file");
        assert_eq!(next(&mut uart).await.1, b"all of it");
        assert!(matches!(next(&mut uart).await.0, UartRead::Ended));
        assert!(is_silent(&mut uart));
    }

    #[tokio::test]
    async fn a_pipes_last_bytes_come_before_its_end() {
        let (input, mut other) = io::pipe().expect("a pipe");
        other.write_all(b"last").expect("room");
        drop(other);
        let mut uart = stdio(OwnedFd::from(input), null());
        assert_eq!(next(&mut uart).await.1, b"last");
        assert!(matches!(next(&mut uart).await.0, UartRead::Ended));
    }

    #[tokio::test]
    async fn lines_typed_ahead_on_a_terminal_all_come() {
        let (master, pty) = pty::open(None).expect("a pty");
        let terminal = File::open(&pty.path).expect("its slave");
        let mut modes = rustix::termios::tcgetattr(&terminal).expect("a terminal");
        modes.local_modes |= rustix::termios::LocalModes::ICANON;
        rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &modes)
            .expect("a terminal");
        rustix::io::ioctl_fionbio(&terminal, true).expect("a terminal");
        let mut uart = stdio(terminal, null());
        rustix::io::write(&master, b"one\ntwo\nthree\n").expect("room");
        for line in ["one\n", "two\n", "three\n"] {
            assert_eq!(next(&mut uart).await.1, line.as_bytes());
        }
    }

    #[tokio::test]
    async fn output_goes_to_its_own_descriptor() {
        let path = std::env::temp_dir().join(format!("uartbridge-stdout-{}", std::process::id()));
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
        std::fs::remove_file(&path).expect("our own file");
        let mut uart = stdio(null(), file.try_clone().expect("a copy"));
        assert_eq!(poll_fn(|cx| uart.poll_write(cx, b"written")).await.expect("a file"), 7);
        assert_eq!(uart.queued().expect("a file"), 0);
        let mut text = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut text).expect("text");
        assert_eq!(text, "written");
    }

    #[tokio::test]
    async fn a_pipe_without_reader_is_an_error() {
        let (reader, output) = io::pipe().expect("a pipe");
        drop(reader);
        let mut uart = stdio(null(), OwnedFd::from(output));
        let error = poll_fn(|cx| uart.poll_write(cx, b"x")).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn an_empty_slice_means_not_now() {
        let mut uart = stdio(null(), null());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(uart.poll_read(&mut cx, &mut []).is_pending());
        assert!(uart.poll_write(&mut cx, &[]).is_pending());
        assert!(matches!(next(&mut uart).await.0, UartRead::Ended));
    }
}
