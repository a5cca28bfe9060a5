//! What [`run`](crate::run::run) needs of a UART and of a network, so that a library user can bring their own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uartbridge_core::{Acks, CloseReason, Flow, LineErrors, PeerIndex};

pub use crate::tls::Expiry;
pub use crate::uart::UartRead;

/// An open UART. Nothing here blocks; *pending* means that `cx` will be woken.
pub trait UartEnd: Send {
    /// Reads what is there into `buf`, which is not empty.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead>;

    /// Writes a prefix of `buf`, which is not empty.
    ///
    /// # Errors
    /// The UART takes no more bytes; `poll_read` will say that it is gone.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Line errors since the last call.
    fn line_errors(&mut self) -> Option<LineErrors> {
        None
    }

    /// Tells the device to pause or to go on, where the kernel does not do so by itself.
    fn flow(&mut self, flow: Flow) {
        let _ = flow;
    }

    /// Bytes accepted that have not left yet.
    fn queued(&self) -> usize {
        0
    }
}

/// A way to open the UART, and to open it again when it has come back.
pub trait OpenUart: Send {
    /// What it opens.
    type End: UartEnd;

    /// Opens it, without blocking.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    fn open(&mut self) -> Result<Self::End, OpenFailure>;
}

/// A UART that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFailure {
    /// What was tried, what happened and what to do.
    pub text: String,
    /// Trying again cannot help.
    pub permanent: bool,
}

/// An open socket. Nothing here blocks; *pending* means that `cx` will be woken.
pub trait Sock: Send {
    /// Reads into `buf`, which is not empty.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>>;

    /// Writes a prefix of both parts together, or of the first alone; a datagram whole. The first is not empty.
    ///
    /// # Errors
    /// The connection is broken for writing.
    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<io::Result<usize>>;

    /// Who confirms that bytes have arrived.
    fn acks(&self) -> Acks;

    /// Bytes written that the peer's transport has not acknowledged; `None` if it cannot be asked. Still answers
    /// after the peer has closed or reset the connection.
    fn unacked(&mut self) -> Option<usize>;

    /// What was agreed on with the peer, for the log.
    fn details(&self) -> Option<String> {
        None
    }

    /// Goes on with what is written but still held on this side (ciphertext that found no room). Called after each
    /// wake-up, and *pending* means that `cx` will be woken.
    ///
    /// # Errors
    /// The connection is broken for writing.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Sends a FIN; what the peer sends can still be read.
    ///
    /// # Errors
    /// The connection is broken.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the connection at once: what is unacknowledged is thrown away, because it will be sent again.
    fn abort(self);
}

/// What a socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockRead {
    /// This many bytes are in the buffer, and so many more of the same datagram were cut off.
    Bytes(usize, usize),
    /// The peer has sent its FIN.
    Ended,
}

/// An attempt to connect.
pub type Dialing<S> = Pin<Box<dyn Future<Output = Result<S, DialError>> + Send>>;

/// A way to the peers.
pub trait Dial: Send {
    /// What it connects.
    type Sock: Sock;

    /// Starts to connect (name look-up, transport, encryption). Dropping the future gives the attempt up.
    fn dial(&mut self, peer: PeerIndex) -> Dialing<Self::Sock>;

    /// The peer's address, for people.
    fn name(&self, peer: PeerIndex) -> String;

    /// When the certificates that connections depend on expire.
    fn expiries(&self) -> Vec<Expiry> {
        Vec::new()
    }

    /// Called after each wake-up while there is a connection: ready when a newcomer is to take its place (a listener's
    /// policy).
    fn poll_takeover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Pending
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    /// In the core's terms.
    pub reason: CloseReason,
    /// In words, for the log.
    pub text: String,
    /// Trying again cannot help.
    pub permanent: bool,
}

/// Any reader and writer as a UART; the end of the reader is the UART's end for good.
#[derive(Debug)]
pub struct Halves<R, W> {
    /// Bytes from the device.
    pub reader: R,
    /// Bytes to the device.
    pub writer: W,
}

impl<R, W> UartEnd for Halves<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        let mut buf = ReadBuf::new(buf);
        Pin::new(&mut self.reader).poll_read(cx, &mut buf).map(|result| match (result, buf.filled().len()) {
            (Ok(()), 0) => UartRead::Ended,
            (Ok(()), n) => UartRead::Bytes(n),
            (Err(error), _) => UartRead::Gone(error),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, buf)
    }
}

impl UartEnd for crate::uart::Uart {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        Self::poll_read(self, cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(self, cx, buf)
    }

    fn line_errors(&mut self) -> Option<LineErrors> {
        Self::line_errors(self)
    }

    fn queued(&self) -> usize {
        // A port that cannot be asked any more has nothing to wait for.
        Self::queued(self).unwrap_or(0)
    }
}
