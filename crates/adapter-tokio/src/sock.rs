//! The network end on Linux: peers, connections, acknowledgements.

mod alarm;
mod connect;
mod handshakes;
mod listener;
mod open;
mod tls;

use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Interval, interval};
use uartbridge_core::{CloseReason, PeerIndex};

pub use alarm::Alarm;
pub use connect::{advice, listen};
pub(crate) use listener::LISTENING;
pub use open::{NetSock, Stdio, Udp};
pub use tls::Tls;

use crate::endpoint::{NetEndpoint, UartEndpoint};
use crate::ends::{Dial, DialError, Dialing, Expiry};
use crate::tls::ClientSetup;
use crate::uart::Uart;
use listener::Listener;

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
    peers: Box<[Peer]>,
    options: TcpOptions,
    listener: Option<Box<Listener>>,
    /// When to look at dates again, if there are any.
    daily: Option<Interval>,
    /// Why standard output takes no more: unlike every other peer it cannot come back.
    broken: Arc<OnceLock<String>>,
}

/// A peer, and what is kept for it. What few peers need is boxed: a process may have thousands.
#[derive(Debug)]
struct Peer {
    endpoint: NetEndpoint,
    tls: Option<Box<ClientSetup>>,
    /// How often it was dialled.
    turns: usize,
}

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
            Some(endpoint) => Listener::new(endpoint, options).await?.map(Box::new),
            None => None,
        };
        let peers = peers.into_iter().map(Peer::new).collect::<Result<Box<[_]>, _>>()?;
        let listens_with_dates = listener.as_ref().is_some_and(|listener| listener.has_dates());
        let dated = listens_with_dates || peers.iter().any(|peer| peer.tls.is_some());
        let daily = dated.then(|| interval(DAY));
        Ok(Self { peers, options, listener, daily, broken: Arc::default() })
    }

    /// Warns of certificates that are about to expire: now, and each day.
    fn poll_dates(&mut self, cx: &mut Context<'_>) {
        while self.daily.as_mut().is_some_and(|daily| daily.poll_tick(cx).is_ready()) {
            self.peers.iter_mut().filter_map(|peer| peer.tls.as_mut()).for_each(|tls| tls.warn());
            self.listener.iter_mut().for_each(|listener| listener.warn());
        }
    }
}

impl Dial for Peers {
    type Sock = NetSock;

    fn dial(&mut self, peer: PeerIndex) -> Dialing<NetSock> {
        let listening = self.listener.as_mut().map(|listener| listener.next());
        let known = self.peers.get_mut(usize::from(peer.0)).map(Peer::next);
        let (options, broken) = (self.options, self.broken.clone());
        Box::pin(async move {
            let Some((endpoint, secure, turn)) = known else {
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
                (NetEndpoint::TcpListen { .. } | NetEndpoint::TlsListen { .. }, Some(client)) => client.await,
                (NetEndpoint::TcpListen { .. } | NetEndpoint::TlsListen { .. }, None) => {
                    Err(io::ErrorKind::NotConnected.into())
                }
                (NetEndpoint::Tls { host, port, .. }, _) => {
                    match (connect::tcp(host, *port, options).await, secure) {
                        (Ok(stream), Some((config, name))) => {
                            // Apart, so that attempts without TLS do not set aside memory for a handshake.
                            return Box::pin(tls::connect(stream, &config, &name))
                                .await
                                .map(Box::new)
                                .map(NetSock::Tls);
                        }
                        (Ok(_), None) => Err(io::ErrorKind::NotConnected.into()),
                        (Err(error), _) => Err(error),
                    }
                }
                (NetEndpoint::Udp { host, port }, _) => {
                    connect::udp(host, *port, turn).await.and_then(Udp::new).map(NetSock::Udp)
                }
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
            (_, peer) => peer.map_or_else(String::new, |peer| peer.endpoint.short()),
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        let clients = self.peers.iter().filter_map(|peer| peer.tls.as_ref());
        let clients = clients.flat_map(|tls| tls.expiries()).cloned();
        clients.chain(self.listener.iter().flat_map(|listener| listener.expiries())).collect()
    }

    fn poll_takeover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_dates(cx);
        match &mut self.listener {
            Some(listener) => listener.poll_takeover(cx),
            None => Poll::Pending,
        }
    }
}

impl Peer {
    fn new(endpoint: NetEndpoint) -> Result<Self, PrepareError> {
        let tls = match &endpoint {
            NetEndpoint::Tls { host, tls, .. } => {
                let mut setup = ClientSetup::new(host, tls)
                    .map_err(|why| PrepareError::Files(format!("{}: {why}", endpoint.short())))?;
                setup.warn();
                Some(Box::new(setup))
            }
            NetEndpoint::Tcp { .. }
            | NetEndpoint::TcpListen { .. }
            | NetEndpoint::TlsListen { .. }
            | NetEndpoint::Udp { .. }
            | NetEndpoint::Unix { .. }
            | NetEndpoint::Stdio => None,
        };
        Ok(Self { endpoint, tls, turns: 0 })
    }

    /// What the next attempt needs: where to, the settings of TLS, and how many attempts there were before.
    fn next(&mut self) -> (NetEndpoint, Option<(uartbridge_tls::Config, String)>, usize) {
        let turn = self.turns;
        self.turns = turn.wrapping_add(1);
        (self.endpoint.clone(), self.tls.as_mut().map(|tls| tls.current()), turn)
    }
}

/// How often the dates of certificates are looked at while a connection lasts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The core's word for an error of the network stack.
#[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
pub fn reason(error: &io::Error) -> CloseReason {
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
pub fn plain(error: &io::Error) -> String {
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
    use tokio::net::TcpStream;

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
