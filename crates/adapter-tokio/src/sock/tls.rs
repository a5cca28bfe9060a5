//! A TLS connection over a TCP socket, as a client.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use uartbridge_core::CloseReason;
use uartbridge_tls::{Client, Config, Event, Failure, Misuse, State};

use super::{plain, reason};
use crate::ends::{DialError, SockRead};
use crate::ioctl::output_queue;
use crate::storage::Storage;

/// An open connection: the handshake is over, and the server has accepted us.
#[derive(Debug)]
pub struct Tls {
    stream: TcpStream,
    client: Client<Storage, Storage>,
    start: Instant,
    /// Bytes of ciphertext that the kernel took.
    sent: u64,
    /// Why the socket takes or gives no more.
    broken: Option<io::Error>,
    shut: bool,
}

/// Room for ciphertext each way, in bytes: four whole records, since one read or write then moves as much as without TLS.
/// Pages take memory only once they are used, and short records use the first one alone.
const BUFFER: usize = 4 * (16_384 + 512);

/// Makes `stream` a TLS connection to the server `name`, and says so if nobody is verified.
pub(super) async fn connect(stream: TcpStream, config: &Config, name: &str) -> Result<Tls, DialError> {
    let tls = Tls::connect(stream, config, name).await?;
    if config.insecure() {
        tracing::warn!("nobody is verified (insecure=verify-nobody): whoever answered as {name} is believed");
    }
    Ok(tls)
}

impl Tls {
    /// Makes `stream` a TLS connection to the server `name`. Dropping the future gives it up.
    async fn connect(stream: TcpStream, config: &Config, name: &str) -> Result<Self, DialError> {
        let buffer = || Storage::new(BUFFER).map_err(|error| failed(format!("no memory for TLS: {error}")));
        let client = Client::new(config, name, buffer()?, buffer()?)
            .map_err(|error| DialError { permanent: true, ..failed(error.to_string()) })?;
        let start = Instant::now();
        let mut tls = Self { stream, client, start, sent: 0, broken: None, shut: false };
        loop {
            // Nothing is read by anybody yet, and what the server says first stays where it is.
            tls.write_now();
            match tls.client.state() {
                State::Proven => return Ok(tls),
                State::Handshaking | State::Unproven => {}
                State::Failed(failure) => return Err(tls.refused(failure)),
                State::Closing | State::Closed => return Err(tls.refused(Failure::ClosedInHandshake)),
            }
            tls.one_event().await.map_err(|misuse| failed(misuse.to_string()))?;
        }
    }

    /// Waits for ciphertext, for room for it, or for the time to look at acknowledgements.
    async fn one_event(&mut self) -> Result<(), Misuse> {
        let writes = self.broken.is_none() && !self.client.ports().tx.is_empty();
        let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let deadline = self.client.poll_timeout();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until((self.start + at).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.stream.ready(interest) => match ready {
                Ok(ready) if ready.is_readable() => self.read_now(),
                // Writing is next.
                Ok(_) => Ok(()),
                Err(error) => self.eof(Some(error)),
            },
            () = due => self.look_at_acks(),
        }
    }

    fn read_now(&mut self) -> Result<(), Misuse> {
        match self.stream.try_read(self.client.ports().rx) {
            Ok(0) => self.eof(None),
            Ok(count) => self.client.handle(self.start.elapsed(), Event::Rx(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => self.eof(Some(error)),
        }
    }

    /// Writes what the socket takes at once. A server that has refused us may have gone: its reason is still to be read.
    fn write_now(&mut self) {
        while self.broken.is_none() {
            let tx = self.client.ports().tx;
            if tx.is_empty() {
                return;
            }
            match self.stream.try_write(tx) {
                Ok(count) => self.took(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.broken = Some(error),
            }
        }
    }

    fn took(&mut self, count: usize) {
        self.sent += count as u64;
        let told = self.client.handle(self.start.elapsed(), Event::Tx(count));
        debug_assert_eq!(told, Ok(()), "no more than was lent");
    }

    fn eof(&mut self, error: Option<io::Error>) -> Result<(), Misuse> {
        self.broken = self.broken.take().or(error);
        self.client.handle(self.start.elapsed(), Event::Eof)
    }

    fn look_at_acks(&mut self) -> Result<(), Misuse> {
        let acked = match output_queue(self.stream.as_fd()) {
            Ok(queued) => self.sent.saturating_sub(queued as u64),
            // Nothing is known that was not known before.
            Err(_) => 0,
        };
        self.client.handle(self.start.elapsed(), Event::Acked(acked))
    }

    /// Why there is no connection, in words.
    fn refused(&self, failure: Failure) -> DialError {
        let (why, text) = match (&self.broken, failure) {
            (Some(error), Failure::ClosedInHandshake | Failure::ClosedUnproven) => {
                (reason(error), format!("{failure} ({})", plain(error)))
            }
            (_, failure) => (CloseReason::Failed, failure.to_string()),
        };
        DialError { reason: why, ..failed(text) }
    }

    /// What was agreed on, for the log.
    pub(super) fn details(&self) -> Option<String> {
        self.client.facts().map(|facts| facts.to_string())
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
        let mut count = self.client.read_plain(buf);
        loop {
            // What is to be answered (a key update, an alert) goes out at once if it can; an error is kept for the writer.
            let _ = self.poll_flush(cx);
            if count > 0 {
                return Poll::Ready(Ok(SockRead::Bytes(count, 0)));
            }
            if self.client.peer_closed() {
                return Poll::Ready(Ok(SockRead::Ended));
            }
            match self.client.state() {
                State::Failed(failure) => return Poll::Ready(Err(self.error(failure))),
                State::Closed => return Poll::Ready(Ok(SockRead::Ended)),
                State::Handshaking | State::Unproven | State::Proven | State::Closing => {}
            }
            count = ready!(self.poll_receive(cx, buf))?;
        }
    }

    /// Reads ciphertext; how much plaintext that made.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.client.ports().rx);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
        let count = room.filled().len();
        let done = match read {
            Ok(()) if count > 0 => self.client.receive(self.start.elapsed(), count, buf),
            Ok(()) => self.eof(None).map(|()| 0),
            Err(error) => self.eof(Some(error)).map(|()| 0),
        };
        Poll::Ready(done.map_err(io::Error::other))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        // New records come only when the old ones have gone: what waits stays in the ring, and can be sent again.
        ready!(self.poll_flush(cx))?;
        let mut taken = 0;
        for part in parts {
            let count = self.client.write_plain(part);
            taken += count;
            if count < part.len() {
                break;
            }
        }
        if taken == 0 {
            return Poll::Ready(Err(match self.client.state() {
                State::Failed(failure) => self.error(failure),
                State::Handshaking | State::Unproven | State::Proven | State::Closing | State::Closed => {
                    io::ErrorKind::BrokenPipe.into()
                }
            }));
        }
        // An error is kept, and told with the next write.
        let _ = self.poll_flush(cx);
        Poll::Ready(Ok(taken))
    }

    /// Writes all ciphertext that waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let tx = self.client.ports().tx;
            if tx.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = &self.broken {
                return Poll::Ready(Err(again(error)));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, tx)) {
                Ok(count) => self.took(count),
                Err(error) => self.broken = Some(error),
            }
        }
    }

    /// Bytes of plaintext that the server's TCP does not hold all of the records of.
    pub(super) fn unacked(&mut self) -> Option<usize> {
        // What the kernel cannot be asked about stays unacknowledged.
        self.look_at_acks().ok()?;
        usize::try_from(self.client.written() - self.client.acked()).ok()
    }

    /// Says `close_notify`, then sends a FIN.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            self.client.close();
            self.shut = true;
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// See [`Sock::abort`](crate::ends::Sock::abort).
    pub(super) fn abort(self) {
        // If this fails the kernel goes on trying for a while; the peer may then get bytes twice.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// A failure, or what the socket has said if that says more.
    fn error(&self, failure: Failure) -> io::Error {
        match (&self.broken, failure) {
            (Some(error), Failure::Truncated) => again(error),
            (_, failure) => io::Error::other(failure),
        }
    }
}

fn failed(text: String) -> DialError {
    DialError { reason: CloseReason::Failed, text, permanent: false }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
