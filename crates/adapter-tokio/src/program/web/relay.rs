//! `GET /relay`: bytes of a WebSocket to a TCP server and back.
//!
//! What goes over the WebSocket is described in `docs/relay.md`.

mod line;
mod session;
mod stream;
mod words;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use axum::Extension;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::Instrument;
use uartbridge::ends::{Dial, Dialing};
use uartbridge::sock::{Alarm, NetSock, Peers};
use uartbridge_core::PeerIndex;

use super::allow::Target;
use super::files::text;
use super::socket::{Gone, Socket};
use super::{Client, MAX_MESSAGE, Shared, query, stopped};
use line::{Line, Sums, tcp};
use session::{Ending, Session};
use stream::Streams;
use words::{Reason, ToPage, Why};

/// The protocol with acknowledgements.
const WORDS: &str = "uartbridge.v1";
/// Bare bytes, as websockify does it.
const BARE: &str = "binary";
/// Close codes (RFC 6455 §7.4.1 and IANA's registry): not allowed; later, perhaps.
const POLICY: u16 = 1008;
const TRY_AGAIN: u16 = 1013;

/// Answers the request. A page cannot read why an upgrade was refused, so that it hears of most mistakes after the upgrade.
pub(super) async fn relay(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    RawQuery(asked): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let offered: Vec<_> = upgrade.requested_protocols().filter_map(|name| name.to_str().ok()).collect();
    let chosen = [WORDS, BARE].into_iter().find(|known| offered.contains(known));
    if chosen.is_none() && !offered.is_empty() {
        return text(
            StatusCode::BAD_REQUEST,
            format!("the relay speaks {WORDS} and {BARE}, and neither was offered"),
        );
    }
    let asked = asked.unwrap_or_default();
    let admitted = admit(&shared, &asked);
    let mut upgrade =
        upgrade.read_buffer_size(READ_BUFFER).max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    if let Some(chosen) = chosen {
        upgrade.set_selected_protocol(HeaderValue::from_static(chosen));
    }
    let words = chosen == Some(WORDS);
    let span = shared.span.clone();
    upgrade.on_upgrade(move |socket| {
        let page = Socket::new(socket);
        async move {
            match admitted {
                Ok((target, _place)) => carry(&shared, page, words, client, target).await,
                Err(Refusal { why, code }) => {
                    tracing::warn!("{}: refused: {}", client.from, why.text);
                    close(page, words, &why, code).await;
                }
            }
        }
        .instrument(span)
    })
}

/// How much is read from a page at once.
const READ_BUFFER: usize = 32 << 10;

struct Refusal {
    why: Why,
    code: u16,
}

/// Whether the request is answered at all; and a place among the relays.
fn admit(shared: &Shared, asked: &str) -> Result<(Target, OwnedSemaphorePermit), Refusal> {
    let refuse = |reason, text: String, code| Refusal { why: Why::new(reason, text), code };
    if !shared.token.is(&query(asked, "token").unwrap_or_default()) {
        let text = "the token is missing or wrong; open the page by the URL that the program has printed, which is another one at \
                    each start unless --token-file keeps it";
        return Err(refuse(Reason::NotAllowed, text.to_owned(), POLICY));
    }
    let target = match query(asked, "target").filter(|target| !target.is_empty()) {
        Some(target) => target.parse::<Target>(),
        // With one server there is nothing to choose.
        None => match shared.allow.as_slice() {
            [only] => only.target().ok_or_else(|| "no server was named; write target=HOST:PORT".to_owned()),
            _ => Err("no server was named; write target=HOST:PORT".to_owned()),
        },
    };
    let target = target.map_err(|problem| refuse(Reason::NotAllowed, problem, POLICY))?;
    if !shared.allow.iter().any(|allow| allow.covers(&target)) {
        let text = format!("{target} is not allowed; start the program with --allow {target}");
        return Err(refuse(Reason::NotAllowed, text, POLICY));
    }
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        let text = format!(
            "there are {} connections already, and no place for another; close one, or start the program with a larger --max-relays",
            shared.limits.relays
        );
        return Err(refuse(Reason::Failed, text, TRY_AGAIN));
    };
    Ok((target, place))
}

/// A relay from its beginning to its end.
async fn carry(shared: &Shared, mut page: Socket, words: bool, client: Client, target: Target) {
    let number = shared.count.fetch_add(1, Ordering::Relaxed) + 1;
    let Client { from, socket } = client;
    let _live = shared.live.clone();
    let mut streams = Streams::new(words);
    let mut stop = shared.stop.clone();
    let dialled = tokio::select! {
        dialled = dial(shared, &mut page, &target, &mut streams) => dialled,
        () = stopped(&mut stop) => Err(Undone::Why(Why::new(Reason::Failed, "the relay is stopping"))),
    };
    let connected = dialled.and_then(|(sock, peer)| {
        let alarm = if words { None } else { Some(Alarm::of(&socket)?) };
        Ok((Alarm::of(tcp(&sock)?)?, alarm, sock, peer))
    });
    drop(socket);
    let (line, alarm, peer) = match connected {
        Ok((of_line, of_page, sock, peer)) => (Line::new(sock, streams, of_line), of_page, peer),
        Err(Undone::Why(why)) => {
            tracing::warn!("relay {number} from {from} to {target}: not connected: {}", why.text);
            return close(page, words, &why, why.code()).await;
        }
        Err(Undone::Left(gone)) => {
            tracing::info!("relay {number} from {from} to {target}: not connected: {gone}");
            return gone.farewell(page).await;
        }
    };
    tracing::info!("relay {number} from {from} to {target}: connected to {peer}");
    let mut session = Session::new(page, alarm, line);
    let ending = tokio::select! {
        ending = session.run(&peer) => Some(ending),
        () = stopped(&mut stop) => None,
    };
    let ending = match ending {
        Some(ending) => ending,
        None => {
            session.line.stop().await;
            Ending::Closed(Why::new(Reason::Failed, "the relay is stopping"))
        }
    };
    let all = session.line.streams.up_ended;
    let (text, sums) = match ending {
        Ending::Closed(why) => {
            let sums = session.close(&why).await;
            (why.text, sums)
        }
        Ending::Left(gone) => {
            let text = if all { gone.to_string() } else { format!("{gone}; reset") };
            (text, session.leave(gone).await)
        }
    };
    let Sums { up, acked, down } = sums;
    tracing::info!(
        "relay {number} from {from} to {target}: closed: {text}; {up} bytes up, {acked} of them acknowledged, {down} down"
    );
}

/// Why there is no connection.
enum Undone {
    Why(Why),
    Left(Gone),
}

impl From<io::Error> for Undone {
    fn from(error: io::Error) -> Self {
        Self::Why(Why::from(&error))
    }
}

async fn dial(
    shared: &Shared,
    page: &mut Socket,
    target: &Target,
    streams: &mut Streams,
) -> Result<(NetSock, String), Undone> {
    let failed = |error: &dyn std::fmt::Display| Undone::Why(Why::new(Reason::Failed, error.to_string()));
    let mut peers =
        Peers::new(vec![target.endpoint()], shared.limits.tcp).await.map_err(|error| failed(&error))?;
    let dialling = both(peers.dial(PeerIndex(0)), page, streams);
    let limit = shared.limits.connect;
    let sock = timeout(limit, dialling).await.unwrap_or_else(|_| {
        let text = format!("no answer within {}", humantime::format_duration(limit));
        Err(Undone::Why(Why::new(Reason::TimedOut, text)))
    })?;
    let peer = address(tcp(&sock)?, target);
    Ok((sock, peer))
}

/// Which of the target's addresses has answered. A server that has reset the connection by now has none any more (getpeername(2));
/// what it said before, and the reset, are yet to be told.
fn address(connection: &TcpStream, target: &Target) -> String {
    connection.peer_addr().map_or_else(|_| target.to_string(), |address| address.to_string())
}

/// Connects, and hears what the page says meanwhile: that it has gone, above all.
async fn both(
    mut dialling: Dialing<NetSock>,
    page: &mut Socket,
    streams: &mut Streams,
) -> Result<NetSock, Undone> {
    poll_fn(|cx| {
        if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
            return Poll::Ready(dialled.map_err(|error| Undone::Why(error.into())));
        }
        while streams.listens() {
            let heard = match page.poll_next(cx) {
                Poll::Ready(Ok(message)) => streams.obey(message),
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(Undone::Left(gone))),
                Poll::Pending => break,
            };
            if let Err(problem) = heard {
                return Poll::Ready(Err(Undone::Why(Why::new(Reason::Failed, problem))));
            }
        }
        Poll::Pending
    })
    .await
}

/// The last words of a relay that never was.
async fn close(page: Socket, words: bool, why: &Why, code: u16) {
    let last = ToPage::Closed { reason: why.reason, text: &why.text, acked: None };
    page.close(words.then(|| last.message()), code, &why.text).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_has_reset_the_connection_is_called_as_it_was_asked_for() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let at = server.local_addr().expect("it listens");
        let target = format!("localhost:{}", at.port()).parse().expect("a target");
        let mut connection = TcpStream::connect(at).await.expect("it listens");
        let (peer, _) = server.accept().await.expect("a client");
        assert_eq!(address(&connection, &target), at.to_string());
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        drop(peer);
        connection.read_u8().await.expect_err("a reset");
        assert_eq!(address(&connection, &target), target.to_string());
    }
}
