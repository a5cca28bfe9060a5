//! A TLS connection over a TCP socket, of a client and of a server.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use uartbridge_core::CloseReason;
use uartbridge_tls::{
    Client, ClientSide, Config, Connection, Event, Failure, Misuse, Server, ServerConfig, ServerSide, Side,
    Standing, State,
};

use super::{plain, reason};
use crate::ends::{DialError, SockRead};
use crate::ioctl::output_queue;
use crate::storage::Storage;
use crate::tls::subject;

/// An open connection: the handshake is over, and each side has accepted the other.
#[derive(Debug)]
pub struct Tls<S: Side> {
    stream: TcpStream,
    connection: Connection<S, Storage, Storage>,
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
pub(super) async fn connect(
    stream: TcpStream,
    config: &Config,
    name: &str,
) -> Result<Tls<ClientSide>, DialError> {
    let (input, output) = buffers().map_err(failed)?;
    let client = Client::new(config, name, input, output)
        .map_err(|error| DialError { permanent: true, ..failed(error.to_string()) })?;
    let mut tls = Tls::new(stream, client);
    match tls.handshake().await {
        Ok(()) => {}
        Err(Halt::Failed(failure)) => return Err(tls.refused(failure)),
        Err(Halt::Misuse(misuse)) => return Err(failed(misuse.to_string())),
    }
    if config.insecure() {
        tracing::warn!("nobody is verified (insecure=verify-nobody): whoever answered as {name} is believed");
    }
    Ok(tls)
}

/// Makes `stream` a TLS connection from a client. If nothing comes of it: why, in words, and the socket, on which the
/// client can still be told the same.
pub(super) async fn accept(
    stream: TcpStream,
    config: &ServerConfig,
) -> Result<Tls<ServerSide>, (String, Option<TcpStream>)> {
    let (input, output) = buffers().map_err(|what| (what, None))?;
    let server = Server::new(config, input, output).map_err(|error| (error.to_string(), None))?;
    let mut tls = Tls::new(stream, server);
    match tls.handshake().await {
        Ok(()) => Ok(tls),
        Err(Halt::Failed(failure)) => {
            let words = tls.words(failure);
            let words =
                tls.broken.as_ref().map_or(words.clone(), |error| format!("{words} ({})", plain(error)));
            Err((words, Some(tls.stream)))
        }
        Err(Halt::Misuse(misuse)) => Err((misuse.to_string(), None)),
    }
}

fn buffers() -> Result<(Storage, Storage), String> {
    let buffer = || Storage::new(BUFFER).map_err(|error| format!("no memory for TLS: {error}"));
    Ok((buffer()?, buffer()?))
}

/// Why a handshake came to nothing.
enum Halt {
    Failed(Failure),
    Misuse(Misuse),
}

impl<S: Side> Tls<S> {
    fn new(stream: TcpStream, connection: Connection<S, Storage, Storage>) -> Self {
        Self { stream, connection, start: Instant::now(), sent: 0, broken: None, shut: false }
    }

    /// Dropping the future gives it up.
    async fn handshake(&mut self) -> Result<(), Halt> {
        loop {
            // Nothing is read by anybody yet, and what the peer says first stays where it is.
            self.write_now();
            match self.connection.standing() {
                Standing::Up | Standing::PeerClosed => return Ok(()),
                Standing::Connecting => {}
                Standing::Over(failure) => {
                    return Err(Halt::Failed(failure.unwrap_or(Failure::ClosedInHandshake)));
                }
            }
            self.one_event().await.map_err(Halt::Misuse)?;
        }
    }

    /// Waits for ciphertext, for room for it, or for the time to look at acknowledgements.
    async fn one_event(&mut self) -> Result<(), Misuse> {
        let ports = self.connection.ports();
        // A server that talks a lot before it has heard us must wait.
        let reads = !ports.rx.is_empty();
        let writes = self.broken.is_none() && !ports.tx.is_empty();
        let interest = match (reads, writes) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (false, true) => Interest::WRITABLE,
            (_, false) => Interest::READABLE,
        };
        let deadline = self.connection.poll_timeout();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until((self.start + at).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.stream.ready(interest), if reads || writes => match ready {
                Ok(ready) if ready.is_readable() => self.read_now(),
                // Writing is next.
                Ok(_) => Ok(()),
                Err(error) => self.eof(Some(error)),
            },
            () = due => self.look_at_acks(),
        }
    }

    fn read_now(&mut self) -> Result<(), Misuse> {
        match self.stream.try_read(self.connection.ports().rx) {
            Ok(0) => self.eof(None),
            Ok(count) => self.connection.handle(self.start.elapsed(), Event::Rx(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => self.eof(Some(error)),
        }
    }

    /// Writes what the socket takes at once. A peer that has refused us may have gone: its reason is still to be read.
    fn write_now(&mut self) {
        while self.broken.is_none() {
            let tx = self.connection.ports().tx;
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
        let told = self.connection.handle(self.start.elapsed(), Event::Tx(count));
        debug_assert_eq!(told, Ok(()), "no more than was lent");
    }

    fn eof(&mut self, error: Option<io::Error>) -> Result<(), Misuse> {
        self.broken = self.broken.take().or(error);
        self.connection.handle(self.start.elapsed(), Event::Eof)
    }

    fn look_at_acks(&mut self) -> Result<(), Misuse> {
        let acked = match output_queue(self.stream.as_fd()) {
            Ok(queued) => self.sent.saturating_sub(queued as u64),
            // Nothing is known that was not known before.
            Err(_) => 0,
        };
        self.connection.handle(self.start.elapsed(), Event::Acked(acked))
    }

    /// Why there is no connection to a server, in words.
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
        self.connection.facts().map(|facts| facts.to_string())
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
        let mut count = self.connection.read_plain(buf);
        loop {
            // What is to be answered (a key update, an alert) goes out at once if it can; an error is kept for the writer.
            let _ = self.poll_flush(cx);
            if count > 0 {
                return Poll::Ready(Ok(SockRead::Bytes(count, 0)));
            }
            match self.connection.standing() {
                Standing::PeerClosed | Standing::Over(None) => return Poll::Ready(Ok(SockRead::Ended)),
                Standing::Over(Some(failure)) => return Poll::Ready(Err(self.error(failure))),
                Standing::Connecting | Standing::Up => {}
            }
            count = ready!(self.poll_receive(cx, buf))?;
        }
    }

    /// Reads ciphertext; how much plaintext that made.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.connection.ports().rx);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
        let count = room.filled().len();
        let done = match read {
            Ok(()) if count > 0 => self.connection.receive(self.start.elapsed(), count, buf),
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
            let count = self.connection.write_plain(part);
            taken += count;
            if count < part.len() {
                break;
            }
        }
        if taken == 0 {
            return Poll::Ready(Err(match self.connection.state() {
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
            let tx = self.connection.ports().tx;
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

    /// Bytes of plaintext that the peer's TCP does not hold all of the records of.
    pub(super) fn unacked(&mut self) -> Option<usize> {
        // What the kernel cannot be asked about stays unacknowledged.
        self.look_at_acks().ok()?;
        usize::try_from(self.connection.written() - self.connection.acked()).ok()
    }

    /// Says `close_notify`, then sends a FIN.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            self.connection.close();
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

    fn words(&self, failure: Failure) -> String {
        Connection::<S, Storage, Storage>::words(failure)
    }

    /// A failure, or what the socket has said if that says more.
    fn error(&self, failure: Failure) -> io::Error {
        match (&self.broken, failure) {
            (Some(error), Failure::Truncated) => again(error),
            (_, failure) => io::Error::other(self.words(failure)),
        }
    }
}

impl Tls<ServerSide> {
    /// Whose certificate the client has shown.
    pub(super) fn client(&self) -> Option<String> {
        self.connection.peer_certificate().and_then(subject)
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
