//! Names, addresses, and the options of a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use tokio::task::JoinSet;

use super::{TcpOptions, plain};

/// Binds to the first of the host's addresses that can be had.
///
/// # Errors
/// The name means nothing, or none of its addresses can be listened on: [`advice`] says what to do.
pub async fn listen(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind(resolve(host, port).await?.as_slice()).await?;
    let at = socket.local_addr()?;
    Ok((socket, at))
}

/// Why an address cannot be listened on, and what to do.
#[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
pub fn advice(error: &io::Error) -> String {
    let what = plain(error);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{what}; stop the program that uses this port, or choose another")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{what}; listen on an address of this machine, or on 0.0.0.0 for all of them")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{what}; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE")
        }
        _ => what,
    }
}

pub(super) async fn tcp(host: &str, port: u16, options: TcpOptions) -> io::Result<TcpStream> {
    let stream = first_to_answer(resolve(host, port).await?).await?;
    options.apply(&stream)?;
    Ok(stream)
}

/// Tries every address, each next one a moment after the one before; the first that answers is taken.
async fn first_to_answer(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
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
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failure = Some(error),
            Some(Err(failed)) => failure = Some(io::Error::other(failed)),
            None if addresses.len() == 0 => {
                return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
            }
            None => {}
        }
    }
}

/// A socket for one address of the name. UDP does not tell at once whether anybody is there, so each turn begins with
/// the next address.
pub(super) async fn udp(host: &str, port: u16, turn: usize) -> io::Result<UdpSocket> {
    let addresses = from_turn(resolve(host, port).await?, turn);
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
        match UdpSocket::bind(any).await {
            Ok(socket) => match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => failure = error,
            },
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn from_turn(mut addresses: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
    let first = turn.checked_rem(addresses.len()).unwrap_or(0);
    addresses.rotate_left(first);
    addresses
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

impl TcpOptions {
    /// Sets these options of a connection, and that small writes leave at once.
    ///
    /// # Errors
    /// The kernel refuses a value, or the connection is broken already.
    pub fn apply(self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if let Some(idle) = self.keepalive {
            let probes =
                TcpKeepalive::new().with_time(idle).with_interval(PROBE_INTERVAL).with_retries(PROBES);
            socket.set_tcp_keepalive(&probes)?;
        }
        socket.set_tcp_user_timeout(self.user_timeout)
    }
}

/// How long one address may be tried alone before the next one is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Keep-alive probes: one every this often, after the idle time.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Probes without an answer before the connection counts as dead.
const PROBES: u32 = 3;

#[cfg(test)]
mod tests {
    use uartbridge_core::CloseReason;

    use super::*;
    use crate::sock::reason;

    #[tokio::test]
    async fn an_address_where_nobody_listens_does_not_hide_the_next() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let alive = server.local_addr().expect("bound");
        let gone = TcpListener::bind("[::1]:0").await.and_then(|gone| gone.local_addr());
        let dead = gone.unwrap_or_else(|_| ([127, 0, 0, 1], 9).into());
        for addresses in [vec![dead, alive], vec![alive, dead]] {
            let stream = first_to_answer(addresses).await.expect("one of them answers");
            assert_eq!(stream.peer_addr().expect("connected"), alive);
        }
        let error = first_to_answer(vec![dead, dead]).await.expect_err("nobody listens");
        assert_eq!(reason(&error), CloseReason::Refused);
        let none = first_to_answer(Vec::new()).await.expect_err("no address");
        assert_eq!(reason(&none), CloseReason::Unresolved);
    }

    #[test]
    fn each_turn_begins_with_the_next_address() {
        let [a, b, c] = [1, 2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], 9)));
        assert_eq!(from_turn(vec![a, b, c], 0), [a, b, c]);
        assert_eq!(from_turn(vec![a, b, c], 4), [b, c, a]);
        assert_eq!(from_turn(Vec::new(), 4), []);
    }
}
