//! The network end on Linux: peers, connections, acknowledgements.

mod connect;
mod open;
mod tls;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Interval, interval};
use uartbridge_core::{CloseReason, PeerIndex};

pub use open::{NetSock, Stdio, Udp};
pub use tls::Tls;

use crate::endpoint::{NetEndpoint, UartEndpoint};
use crate::ends::{Dial, DialError, Dialing, Expiry};
use crate::tls::ClientSetup;
use crate::uart::Uart;

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
    /// What is needed for TLS, one entry a peer.
    tls: Vec<Option<ClientSetup>>,
    /// When to look at dates again, if there are any.
    daily: Option<Interval>,
    /// How often each peer was dialled.
    turns: Vec<usize>,
    /// Why standard output takes no more: unlike every other peer it cannot come back.
    broken: Arc<OnceLock<String>>,
}

#[derive(Debug)]
struct Listener {
    socket: Arc<TcpListener>,
    /// What it is bound to.
    at: SocketAddr,
    takeover: bool,
    /// The client that takes the place of the present one.
    newcomer: Option<(TcpStream, SocketAddr)>,
    /// The present client, or the last one.
    client: Client,
}

type Client = Arc<Mutex<Option<SocketAddr>>>;

/// Why there is no way to the peers, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The address cannot be listened on.
    #[error("{0}")]
    Listen(String),
    /// A file with certificates or a key cannot be used.
    #[error("{0}")]
    Files(String),
}

impl Peers {
    /// Prepares to connect to `peers`; a listening one is bound at once. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub async fn new(peers: Vec<NetEndpoint>, options: TcpOptions) -> Result<Self, PrepareError> {
        let listener = match peers.first() {
            Some(endpoint @ NetEndpoint::TcpListen { host, port, takeover }) => {
                let (socket, at) = connect::listen(host, *port)
                    .await
                    .map_err(|error| format!("{endpoint}: cannot listen: {}", connect::advice(&error)))
                    .map_err(PrepareError::Listen)?;
                if !at.ip().to_canonical().is_loopback() {
                    tracing::warn!(
                        "{endpoint}: whoever reaches this port can use the UART, without a password and in plain \
                         text; tcp-listen://127.0.0.1:{} is for this machine only",
                        at.port()
                    );
                }
                let client = Client::default();
                Some(Listener { socket: Arc::new(socket), at, takeover: *takeover, newcomer: None, client })
            }
            Some(endpoint @ NetEndpoint::TlsListen { .. }) => {
                let what = format!("{endpoint}: this version does not do TLS yet, only tcp-listen://");
                return Err(PrepareError::Listen(what));
            }
            Some(
                NetEndpoint::Tcp { .. }
                | NetEndpoint::Tls { .. }
                | NetEndpoint::Udp { .. }
                | NetEndpoint::Unix { .. }
                | NetEndpoint::Stdio,
            )
            | None => None,
        };
        let tls = peers.iter().map(tls_setup).collect::<Result<Vec<_>, _>>()?;
        let daily = tls.iter().any(Option::is_some).then(|| interval(DAY));
        let turns = vec![0; peers.len()];
        Ok(Self { peers, options, listener, tls, daily, turns, broken: Arc::default() })
    }

    /// Warns of certificates that are about to expire: now, and each day.
    fn poll_dates(&mut self, cx: &mut Context<'_>) {
        while self.daily.as_mut().is_some_and(|daily| daily.poll_tick(cx).is_ready()) {
            self.tls.iter_mut().flatten().for_each(ClientSetup::warn);
        }
    }
}

impl Dial for Peers {
    type Sock = NetSock;

    fn dial(&mut self, peer: PeerIndex) -> Dialing<NetSock> {
        let index = usize::from(peer.0);
        let turn = self.turns.get_mut(index).map_or(0, |turn| std::mem::replace(turn, turn.wrapping_add(1)));
        let listening = self.listener.as_mut().map(Listener::next);
        let secure = self.tls.get_mut(index).and_then(Option::as_mut).map(ClientSetup::current);
        let (endpoint, options) = (self.peers.get(index).cloned(), self.options);
        let broken = self.broken.clone();
        Box::pin(async move {
            let Some(endpoint) = endpoint else {
                return Err(DialError {
                    reason: CloseReason::Failed,
                    text: format!("there is no peer {}", peer.0),
                    permanent: true,
                });
            };
            if let Some(why) = broken.get() {
                return Err(DialError {
                    reason: CloseReason::Failed,
                    text: format!("standard output takes no more: {why}"),
                    permanent: true,
                });
            }
            let connected = match (&endpoint, listening) {
                (NetEndpoint::Tcp { host, port }, _) => {
                    connect::tcp(host, *port, options).await.map(NetSock::Tcp)
                }
                (NetEndpoint::TcpListen { .. }, Some(client)) => client
                    .await
                    .and_then(|stream| connect::configure(&stream, options).map(|()| NetSock::Tcp(stream))),
                (NetEndpoint::TcpListen { .. } | NetEndpoint::TlsListen { .. }, _) => {
                    Err(io::ErrorKind::NotConnected.into())
                }
                (NetEndpoint::Tls { host, port, .. }, _) => {
                    match (connect::tcp(host, *port, options).await, secure) {
                        (Ok(stream), Some((config, name))) => {
                            return tls::connect(stream, &config, &name)
                                .await
                                .map(Box::new)
                                .map(NetSock::Tls);
                        }
                        (Ok(_), None) => Err(io::ErrorKind::NotConnected.into()),
                        (Err(error), _) => Err(error),
                    }
                }
                (NetEndpoint::Udp { host, port }, _) => connect::udp(host, *port, turn)
                    .await
                    .map(|socket| NetSock::Udp(Udp { socket, refused: None, shut: false })),
                (NetEndpoint::Unix { path }, _) => UnixStream::connect(path).await.map(NetSock::Unix),
                (NetEndpoint::Stdio, _) => Uart::open(&UartEndpoint::Stdio)
                    .map(|pipe| NetSock::Stdio(Stdio { pipe, broken, shut: false }))
                    .map_err(io::Error::other),
            };
            connected.map_err(|error| DialError {
                reason: reason(&error),
                text: plain(&error),
                permanent: false,
            })
        })
    }

    /// A listener is called by the address that it has got, and after its client.
    fn name(&self, peer: PeerIndex) -> String {
        match (&self.listener, self.peers.get(usize::from(peer.0))) {
            (Some(listener), Some(_)) => listener.to_string(),
            (_, endpoint) => endpoint.map_or_else(String::new, NetEndpoint::short),
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.tls.iter().flatten().flat_map(ClientSetup::expiries).cloned().collect()
    }

    fn poll_takeover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_dates(cx);
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

fn tls_setup(peer: &NetEndpoint) -> Result<Option<ClientSetup>, PrepareError> {
    match peer {
        NetEndpoint::Tls { host, tls, .. } => match ClientSetup::new(host, tls) {
            Ok(mut setup) => {
                setup.warn();
                Ok(Some(setup))
            }
            Err(why) => Err(PrepareError::Files(format!("{}: {why}", peer.short()))),
        },
        NetEndpoint::Tcp { .. }
        | NetEndpoint::TcpListen { .. }
        | NetEndpoint::TlsListen { .. }
        | NetEndpoint::Udp { .. }
        | NetEndpoint::Unix { .. }
        | NetEndpoint::Stdio => Ok(None),
    }
}

/// How often the dates of certificates are looked at while a connection lasts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Listener {
    /// The next client: the one that takes over, or the next that connects.
    fn next(&mut self) -> impl Future<Output = io::Result<TcpStream>> + use<> {
        let (socket, newcomer) = (Arc::clone(&self.socket), self.newcomer.take());
        let client = Arc::clone(&self.client);
        *client.lock().unwrap_or_else(PoisonError::into_inner) = None;
        async move {
            let (stream, from) = match newcomer {
                Some(newcomer) => newcomer,
                None => socket.accept().await?,
            };
            *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
            Ok(stream)
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = *self.client.lock().unwrap_or_else(PoisonError::into_inner) {
            write!(f, "{client} at ")?;
        }
        write!(f, "{LISTENING}{}", self.at)
    }
}

/// What a listener's name has before its address.
pub(crate) const LISTENING: &str = "tcp-listen://";

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
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "it has hung up".to_owned();
    }
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_is_called_by_its_port_and_its_client() {
        let listen = "tcp-listen://:0".parse().expect("an end");
        let options = TcpOptions { keepalive: None, user_timeout: None };
        let mut peers = Peers::new(vec![listen], options).await.expect("a port of loopback");
        let name = peers.name(PeerIndex(0));
        let port = name.strip_prefix("tcp-listen://127.0.0.1:").expect("the address").to_owned();
        assert_ne!(port, "0");
        let client = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("it listens");
        peers.dial(PeerIndex(0)).await.expect("a client");
        let from = client.local_addr().expect("connected");
        assert_eq!(peers.name(PeerIndex(0)), format!("{from} at {name}"));
    }

    #[test]
    fn errors_are_told_without_numbers() {
        let refused = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        assert_eq!(plain(&refused), "connection refused");
        assert_eq!(plain(&io::ErrorKind::UnexpectedEof.into()), "it has hung up");
    }
}
