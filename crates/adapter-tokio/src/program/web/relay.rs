//! `GET /relay`: bytes of a WebSocket to a TCP server and back.
//!
//! What goes over the WebSocket is described in `docs/relay.md`.

mod session;
mod stream;
mod words;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::Instrument;
use uartbridge::ends::{Dial, Dialing};
use uartbridge::sock::{NetSock, Peers};
use uartbridge_core::PeerIndex;

use super::allow::Target;
use super::files::text;
use super::socket::{Gone, Socket};
use super::{Client, MAX_MESSAGE, Shared, query, stopped};
use session::{Ending, Session};
use stream::Up;
use words::{FromPage, Reason, ToPage, Why};

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
    Extension(Client(from)): Extension<Client>,
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
    let mut upgrade = upgrade.read_buffer_size(READ_BUFFER).max_message_size(MAX_MESSAGE);
    if let Some(chosen) = chosen {
        upgrade.set_selected_protocol(HeaderValue::from_static(chosen));
    }
    let words = chosen == Some(WORDS);
    let span = shared.span.clone();
    upgrade.on_upgrade(move |socket| {
        let page = Socket::new(socket);
        async move {
            match admitted {
                Ok((target, _place)) => carry(&shared, page, words, from, target).await,
                Err(Refusal { why, code }) => {
                    tracing::warn!("{from}: refused: {}", why.text);
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
        let text = "the token is missing or wrong; open the page by the URL that the program has printed";
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
async fn carry(shared: &Shared, mut page: Socket, words: bool, from: SocketAddr, target: Target) {
    let number = shared.count.fetch_add(1, Ordering::Relaxed) + 1;
    let _live = shared.live.clone();
    let mut early = Early::default();
    let mut stop = shared.stop.clone();
    let dialled = tokio::select! {
        dialled = dial(shared, &mut page, words, &target, &mut early) => dialled,
        () = stopped(&mut stop) => Err(Undone::Why(Why::new(Reason::Failed, "the relay is stopping"))),
    };
    let (sock, peer) = match dialled {
        Ok(dialled) => dialled,
        Err(Undone::Why(why)) => {
            tracing::warn!("relay {number} from {from} to {target}: not connected: {}", why.text);
            return close(page, words, &why, 1000).await;
        }
        Err(Undone::Left(gone)) => {
            return tracing::info!("relay {number} from {from} to {target}: not connected: {gone}");
        }
    };
    tracing::info!("relay {number} from {from} to {target}: connected to {peer}");
    let mut session = Session::new(page, sock, words, early.up, early.ended);
    if words {
        let open = ToPage::Open { peer: &peer.to_string() }.message();
        // Nothing was written before: there is room. If the page has gone, the session notices.
        let _ = session.page.start(open);
    }
    let ending = tokio::select! {
        ending = session.run() => ending,
        () = stopped(&mut stop) => Ending::Closed(session.stop().await),
    };
    let (up, down) = (session.up.written, session.down.sent);
    let (text, acked) = match ending {
        Ending::Closed(why) => {
            let acked = session.close(&why).await;
            (why.text, acked)
        }
        Ending::Left(gone) if session.up_ended => (gone.to_string(), session.finish().await),
        Ending::Left(gone) => (format!("{gone}; reset"), session.abort()),
    };
    tracing::info!(
        "relay {number} from {from} to {target}: closed: {text}; {up} bytes up, {acked} of them acknowledged, {down} down"
    );
}

/// Why there is no connection.
enum Undone {
    Why(Why),
    Left(Gone),
}

/// What the page says while the connection is being made.
#[derive(Default)]
struct Early {
    up: Up,
    ended: bool,
}

async fn dial(
    shared: &Shared,
    page: &mut Socket,
    words: bool,
    target: &Target,
    early: &mut Early,
) -> Result<(NetSock, SocketAddr), Undone> {
    let failed = |error: &dyn std::fmt::Display| Undone::Why(Why::new(Reason::Failed, error.to_string()));
    let mut peers =
        Peers::new(vec![target.endpoint()], shared.limits.tcp).await.map_err(|error| failed(&error))?;
    let dialling = both(peers.dial(PeerIndex(0)), page, words, early);
    let limit = shared.limits.connect;
    let sock = timeout(limit, dialling).await.unwrap_or_else(|_| {
        let text = format!("no answer within {}", humantime::format_duration(limit));
        Err(Undone::Why(Why::new(Reason::TimedOut, text)))
    })?;
    let NetSock::Tcp(stream) = &sock else {
        return Err(failed(&"this is no TCP connection; please report this"));
    };
    let peer = stream.peer_addr().map_err(|error| Undone::Why(Why::from(&error)))?;
    Ok((sock, peer))
}

/// Connects, and hears what the page says meanwhile: that it has gone, above all.
async fn both(
    mut dialling: Dialing<NetSock>,
    page: &mut Socket,
    words: bool,
    early: &mut Early,
) -> Result<NetSock, Undone> {
    poll_fn(|cx| {
        if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
            return Poll::Ready(dialled.map_err(|error| Undone::Why(error.into())));
        }
        while early.up.has_room() {
            let message = match page.poll_next(cx) {
                Poll::Ready(Ok(message)) => message,
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(Undone::Left(gone))),
                Poll::Pending => break,
            };
            match sort(message, words) {
                Ok(Said::Bytes(bytes)) => early.up.take(bytes),
                Ok(Said::Words(FromPage::End {})) => early.ended = true,
                Ok(Said::Words(FromPage::Ask {} | FromPage::Credit { .. })) => {}
                Err(problem) => return Poll::Ready(Err(Undone::Why(Why::new(Reason::Failed, problem)))),
            }
        }
        Poll::Pending
    })
    .await
}

/// What a page has said.
enum Said {
    Bytes(Bytes),
    Words(FromPage),
}

/// Tells bytes from words.
fn sort(message: Message, words: bool) -> Result<Said, String> {
    match message {
        Message::Binary(bytes) => Ok(Said::Bytes(bytes)),
        Message::Text(text) if words => FromPage::read(&text).map(Said::Words),
        Message::Text(_) => Err(format!("{BARE} has no text messages; {WORDS} has")),
        // They never come here.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(Said::Bytes(Bytes::new())),
    }
}

/// The last words of a relay that never was.
async fn close(page: Socket, words: bool, why: &Why, code: u16) {
    let last = ToPage::Closed { reason: why.reason, text: &why.text, acked: None };
    page.close(words.then(|| last.message()), code, &why.text).await;
}
