//! A listener: one client at a time.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::net::TcpListener;

use super::handshakes::Handshakes;
use super::open::NetSock;
use super::{PrepareError, TcpOptions, connect, plain};
use crate::endpoint::{NetEndpoint, TlsClients, TlsServer};
use crate::ends::Expiry;

/// A socket that is listened on, and who has come.
#[derive(Debug)]
pub(super) struct Listener {
    /// `tcp` or `tls`.
    kind: &'static str,
    /// What it is bound to.
    at: SocketAddr,
    takeover: bool,
    door: Arc<Mutex<Door>>,
    /// The client that takes the place of the present one.
    newcomer: Option<(NetSock, SocketAddr)>,
    /// The present client, or the last one.
    client: Arc<Mutex<Option<SocketAddr>>>,
}

/// What a listener's name has before its address, after its kind.
pub(crate) const LISTENING: &str = "-listen://";

impl Listener {
    /// Binds to what `endpoint` names, if that is a listener.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub(super) async fn new(
        endpoint: &NetEndpoint,
        options: TcpOptions,
    ) -> Result<Option<Self>, PrepareError> {
        let (kind, host, port, takeover, tls) = match endpoint {
            NetEndpoint::TcpListen { host, port, takeover } => ("tcp", host, port, takeover, None),
            NetEndpoint::TlsListen { host, port, takeover, tls } => ("tls", host, port, takeover, Some(tls)),
            NetEndpoint::Tcp { .. }
            | NetEndpoint::Tls { .. }
            | NetEndpoint::Udp { .. }
            | NetEndpoint::Unix { .. }
            | NetEndpoint::Stdio => return Ok(None),
        };
        let name = endpoint.short();
        let handshakes = tls
            .map(Handshakes::new)
            .transpose()
            .map_err(|why| PrepareError::Files(format!("{name}: {why}")))?;
        let (socket, at) = connect::listen(host, *port).await.map_err(|error| {
            PrepareError::Listen(format!("{name}: cannot listen: {}", connect::advice(&error)))
        })?;
        if !at.ip().to_canonical().is_loopback() {
            warn_of_strangers(&name, at, tls);
        }
        let door = Arc::new(Mutex::new(Door { socket, options, handshakes }));
        let client = Arc::default();
        Ok(Some(Self { kind, at, takeover: *takeover, door, newcomer: None, client }))
    }

    /// The next client: the one that takes over, or the next that comes in.
    pub(super) fn next(&mut self) -> impl Future<Output = io::Result<NetSock>> + use<> {
        let (door, newcomer) = (Arc::clone(&self.door), self.newcomer.take());
        let client = Arc::clone(&self.client);
        *locked(&client) = None;
        async move {
            let (sock, from) = match newcomer {
                Some(newcomer) => newcomer,
                None => poll_fn(|cx| locked(&door).poll_next(cx)).await?,
            };
            *locked(&client) = Some(from);
            Ok(sock)
        }
    }

    /// While there is a client: ready when another one is to take its place. Over TLS that is one which has come in, not one
    /// which has only connected.
    pub(super) fn poll_takeover(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let came = if self.takeover {
                ready!(locked(&self.door).poll_next(cx)).map(|(sock, from)| (Some(sock), from))
            } else {
                ready!(locked(&self.door).poll_anybody(cx)).map(|from| (None, from))
            };
            match came {
                Ok((Some(sock), from)) => {
                    tracing::info!("{from} takes the place of the present client");
                    self.newcomer = Some((sock, from));
                    return Poll::Ready(());
                }
                Ok((None, from)) => {
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

    /// Warns of certificates that are about to expire.
    pub(super) fn warn(&mut self) {
        if let Some(handshakes) = &mut locked(&self.door).handshakes {
            handshakes.warn();
        }
    }

    /// Whether there are certificates at all.
    pub(super) fn has_dates(&self) -> bool {
        locked(&self.door).handshakes.is_some()
    }

    pub(super) fn expiries(&self) -> Vec<Expiry> {
        locked(&self.door).handshakes.as_ref().map_or(Vec::new(), |handshakes| handshakes.expiries().to_vec())
    }
}

/// A listener beyond loopback is everybody's.
fn warn_of_strangers(name: &str, at: SocketAddr, tls: Option<&TlsServer>) {
    match tls.map(|tls| &tls.clients) {
        None => tracing::warn!(
            "{name}: whoever reaches this port can use the UART, without a password and in plain text; \
             tcp-listen://127.0.0.1:{} is for this machine only",
            at.port()
        ),
        Some(TlsClients::Anybody | TlsClients::Optional(_)) => tracing::warn!(
            "{name}: whoever reaches this port can use the UART, without a certificate; ca=FILE asks for one"
        ),
        Some(TlsClients::Required(_)) => {}
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = *locked(&self.client) {
            write!(f, "{client} at ")?;
        }
        write!(f, "{}{LISTENING}{}", self.kind, self.at)
    }
}

/// Where clients come in.
#[derive(Debug)]
struct Door {
    socket: TcpListener,
    options: TcpOptions,
    /// Over TLS.
    handshakes: Option<Handshakes>,
}

impl Door {
    /// The next client that has come in.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(NetSock, SocketAddr)>> {
        loop {
            if let Some((sock, from)) = self.poll_done(cx) {
                return Poll::Ready(Ok((sock, from)));
            }
            let (stream, from) = ready!(self.socket.poll_accept(cx))?;
            self.options.apply(&stream)?;
            match &mut self.handshakes {
                Some(handshakes) => handshakes.begin(stream, from),
                None => return Poll::Ready(Ok((NetSock::Tcp(stream), from))),
            }
        }
    }

    /// The next client that there is no place for; it is let go.
    fn poll_anybody(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        if let Some((_, from)) = self.poll_done(cx) {
            return Poll::Ready(Ok(from));
        }
        self.socket.poll_accept(cx).map_ok(|(_, from)| from)
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Option<(NetSock, SocketAddr)> {
        match self.handshakes.as_mut()?.poll_done(cx) {
            Poll::Ready((tls, from)) => Some((NetSock::TlsServed(Box::new(tls)), from)),
            Poll::Pending => None,
        }
    }
}

/// Nobody panics with a lock held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
