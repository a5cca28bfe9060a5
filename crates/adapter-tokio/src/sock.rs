//! The network end on Linux: connecting, the options of a connection, acknowledgements.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::RecvFlags;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream, lookup_host};
use tokio::task::JoinSet;
use uartbridge_core::{Acks, CloseReason, PeerIndex};

use crate::endpoint::{NetEndpoint, UartEndpoint};
use crate::ends::{Dial, DialError, Dialing, Sock, SockRead, UartEnd, UartRead};
use crate::ioctl::output_queue;
use crate::uart::Uart;

/// How long one address may be tried alone before the next one is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Keep-alive probes: one every this often, after the idle time.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection counts as dead.
const PROBES: u32 = 3;

/// How long a dead connection may look alive, in the kernel's terms.
#[derive(Clone, Copy, Debug)]
pub struct TcpOptions {
    /// Idle time before keep-alive probes (tcp(7), `TCP_KEEPIDLE`).
    pub keepalive: Option<Duration>,
    /// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged (RFC 5482).
    pub user_timeout: Option<Duration>,
}

/// The peers of one bridge.
#[derive(Debug)]
pub struct Peers {
    peers: Vec<NetEndpoint>,
    options: TcpOptions,
    listener: Option<Listener>,
}

#[derive(Debug)]
struct Listener {
    socket: Arc<TcpListener>,
    takeover: bool,
    /// The client that takes the place of the present one.
    newcomer: Option<(TcpStream, SocketAddr)>,
}

/// An open connection.
#[derive(Debug)]
pub enum NetSock {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connected UDP socket, and what a write has learnt of the peer: that an earlier datagram was refused.
    /// Reading reports it, so that the datagram at hand is kept.
    Udp(UdpSocket, Option<io::Error>),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// Standard input and output.
    Stdio(Uart),
}

impl Peers {
    /// Prepares to connect to `peers`; a listening one is bound at once.
    ///
    /// # Errors
    /// The address cannot be listened on, in words.
    pub async fn new(peers: Vec<NetEndpoint>, options: TcpOptions) -> Result<Self, String> {
        let listener = match peers.first() {
            Some(endpoint @ NetEndpoint::TcpListen { host, port, takeover }) => {
                let bound = listen(host, *port).await.map_err(|error| {
                    format!(
                        "{endpoint}: cannot listen: {}; is another program using the port?",
                        plain(&error)
                    )
                })?;
                Some(Listener { socket: Arc::new(bound), takeover: *takeover, newcomer: None })
            }
            Some(
                NetEndpoint::Tcp { .. }
                | NetEndpoint::Udp { .. }
                | NetEndpoint::Unix { .. }
                | NetEndpoint::Stdio,
            )
            | None => None,
        };
        Ok(Self { peers, options, listener })
    }
}

impl Dial for Peers {
    type Sock = NetSock;

    fn dial(&mut self, peer: PeerIndex) -> Dialing<NetSock> {
        let newcomer = self.listener.as_mut().and_then(|listener| listener.newcomer.take());
        let socket = self.listener.as_ref().map(|listener| Arc::clone(&listener.socket));
        let (endpoint, options) = (self.peers.get(usize::from(peer.0)).cloned(), self.options);
        Box::pin(async move {
            let Some(endpoint) = endpoint else {
                return Err(DialError {
                    reason: CloseReason::Failed,
                    text: format!("there is no peer {}", peer.0),
                });
            };
            let connected = match (&endpoint, newcomer, socket) {
                (NetEndpoint::Tcp { host, port }, ..) => tcp(host, *port, options).await,
                (NetEndpoint::TcpListen { .. }, Some((stream, from)), _) => welcome(stream, from, options),
                (NetEndpoint::TcpListen { .. }, None, Some(socket)) => {
                    socket.accept().await.and_then(|(stream, from)| welcome(stream, from, options))
                }
                (NetEndpoint::TcpListen { .. }, None, None) => Err(io::ErrorKind::NotConnected.into()),
                (NetEndpoint::Udp { host, port }, ..) => udp(host, *port).await,
                (NetEndpoint::Unix { path }, ..) => UnixStream::connect(path).await.map(NetSock::Unix),
                (NetEndpoint::Stdio, ..) => {
                    Uart::open(&UartEndpoint::Stdio).map(NetSock::Stdio).map_err(io::Error::other)
                }
            };
            connected.map_err(|error| DialError { reason: reason(&error), text: plain(&error) })
        })
    }

    fn name(&self, peer: PeerIndex) -> String {
        self.peers.get(usize::from(peer.0)).map_or_else(String::new, ToString::to_string)
    }

    fn poll_takeover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(listener) = &mut self.listener else {
            return Poll::Pending;
        };
        loop {
            match ready!(listener.socket.poll_accept(cx)) {
                Ok((stream, from)) if listener.takeover => {
                    tracing::info!("{from} takes the place of the present client");
                    listener.newcomer = Some((stream, from));
                    return Poll::Ready(());
                }
                Ok((_, from)) => {
                    tracing::warn!("{from} was turned away: one client at a time (takeover=yes changes that)")
                }
                // Out of descriptors, or the client has left again: the present connection goes on.
                Err(error) => {
                    tracing::warn!("cannot accept a client: {}", plain(&error));
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Sock for NetSock {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
        match self {
            Self::Tcp(stream) => poll_stream(Pin::new(stream), cx, buf),
            Self::Unix(stream) => poll_stream(Pin::new(stream), cx, buf),
            Self::Udp(_, refused @ Some(_)) => Poll::Ready(refused.take().map_or(Ok(SockRead::Ended), Err)),
            Self::Udp(socket, None) => poll_datagram(socket, cx, buf),
            Self::Stdio(pipe) => UartEnd::poll_read(pipe, cx, buf).map(|read| match read {
                UartRead::Bytes(n) => Ok(SockRead::Bytes(n, 0)),
                UartRead::Ended => Ok(SockRead::Ended),
                UartRead::Gone(error) => Err(error),
            }),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let first = if parts[0].is_empty() { parts[1] } else { parts[0] };
        match self {
            Self::Tcp(stream) if parts[1].is_empty() => Pin::new(stream).poll_write(cx, first),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, &parts.map(IoSlice::new)),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, first),
            Self::Udp(_, Some(_)) => Poll::Pending,
            Self::Udp(socket, refused) => loop {
                ready!(socket.poll_send_ready(cx))?;
                let sent = socket.try_io(Interest::WRITABLE, || {
                    SockRef::from(&*socket).send_vectored(&parts.map(IoSlice::new))
                });
                match sent {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        *refused = Some(error);
                        return Poll::Pending;
                    }
                    Ok(sent) => return Poll::Ready(Ok(sent)),
                }
            },
            Self::Stdio(pipe) => UartEnd::poll_write(pipe, cx, first),
        }
    }

    fn acks(&self) -> Acks {
        match self {
            Self::Tcp(_) => Acks::Peer,
            Self::Udp(..) | Self::Unix(_) | Self::Stdio(_) => Acks::OnWrite,
        }
    }

    fn unacked(&self) -> Option<usize> {
        match self {
            Self::Tcp(stream) => output_queue(stream.as_fd()).ok(),
            Self::Udp(..) | Self::Unix(_) | Self::Stdio(_) => None,
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Udp(..) | Self::Stdio(_) => Poll::Ready(Ok(())),
        }
    }

    fn abort(self) {
        match self {
            Self::Tcp(stream) => {
                // If this fails the kernel goes on trying for a while; the peer may then get bytes twice.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Self::Udp(..) | Self::Unix(_) | Self::Stdio(_) => {}
        }
    }
}

/// The core's word for an error of the network stack.
#[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
pub(crate) fn reason(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CloseReason::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            CloseReason::Reset
        }
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            CloseReason::Unreachable
        }
        io::ErrorKind::NotFound => CloseReason::Unresolved,
        _ => CloseReason::Failed,
    }
}

/// An error without the number that the standard library adds.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

fn welcome(stream: TcpStream, from: SocketAddr, options: TcpOptions) -> io::Result<NetSock> {
    configure(&stream, options)?;
    tracing::debug!("client {from}");
    Ok(NetSock::Tcp(stream))
}

/// Tries every address of the name, each next one a moment after the one before; the first that answers is taken.
async fn tcp(host: &str, port: u16, options: TcpOptions) -> io::Result<NetSock> {
    let mut addresses = resolve(host, port).await?.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = None;
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        let next = if addresses.len() > 0 {
            match tokio::time::timeout(STAGGER, attempts.join_next()).await {
                Ok(next) => next,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match next {
            Some(Ok(Ok(stream))) => {
                configure(&stream, options)?;
                return Ok(NetSock::Tcp(stream));
            }
            Some(Ok(Err(error))) => failure = Some(error),
            Some(Err(failed)) => failure = Some(io::Error::other(failed)),
            None if addresses.len() == 0 => {
                return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
            }
            None => {}
        }
    }
}

async fn udp(host: &str, port: u16) -> io::Result<NetSock> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in resolve(host, port).await? {
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(NetSock::Udp(socket, None)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            let text = error.to_string();
            let why = text.rsplit(": ").next().unwrap_or(&text);
            Err(io::Error::new(io::ErrorKind::NotFound, format!("cannot resolve {host}: {why}")))
        }
    }
}

fn configure(stream: &TcpStream, options: TcpOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if let Some(idle) = options.keepalive {
        let probes = TcpKeepalive::new().with_time(idle).with_interval(PROBE_INTERVAL).with_retries(PROBES);
        socket.set_tcp_keepalive(&probes)?;
    }
    socket.set_tcp_user_timeout(options.user_timeout)
}

fn poll_stream(
    stream: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<SockRead>> {
    let mut buf = ReadBuf::new(buf);
    ready!(stream.poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(match buf.filled().len() {
        0 => SockRead::Ended,
        n => SockRead::Bytes(n, 0),
    }))
}

fn poll_datagram(socket: &UdpSocket, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
    loop {
        ready!(socket.poll_recv_ready(cx))?;
        let received = socket.try_io(Interest::READABLE, || {
            // With TRUNC the kernel says how long the datagram was, whatever fitted (udp(7)).
            Ok(rustix::net::recv(socket, &mut *buf, RecvFlags::TRUNC)?)
        });
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return Poll::Ready(received.map(|(n, whole)| SockRead::Bytes(n, whole - n))),
        }
    }
}
