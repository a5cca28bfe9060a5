//! `GET /watch`: a bridge at work, as pages see it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::{Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::Instrument;
use uartbridge_core::{LinkState, Stats};

use super::files::text;
use super::socket::{Gone, Socket};
use super::{Client, MAX_MESSAGE, Shared, query, stopped};

/// Where the traffic went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::program) enum Direction {
    /// From the device to the server.
    Up = 0,
    /// From the server to the device.
    Down = 1,
}

/// Hands what happens at a bridge to everybody who watches it.
pub(in crate::program) struct Hub {
    inner: Mutex<Inner>,
    /// What watchers have the device say.
    device: mpsc::Sender<Bytes>,
}

#[derive(Default)]
struct Inner {
    /// The last of each, for newcomers.
    known: Latest,
    queues: Vec<Arc<Mutex<Queue>>>,
}

/// The newest event of each kind.
#[derive(Clone, Default)]
struct Latest {
    uart: Option<Message>,
    state: Option<Message>,
    stats: Option<Message>,
}

/// What one watcher has not got yet.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// Of all that wait.
    bytes: usize,
    /// Traffic that there was no room for.
    skipped: usize,
    /// Events that there was no room for: of each kind, only the newest.
    late: Latest,
    waker: Option<Waker>,
}

/// The most that waits for one watcher, in bytes.
const LIMIT: usize = 256 << 10;
/// How many messages of watchers wait for the device.
const SPEECHES: usize = 16;
/// Direction and time, before the bytes.
const HEAD: usize = 9;

impl Hub {
    /// With the other end of what watchers say.
    pub(in crate::program) fn new() -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (device, said) = mpsc::channel(SPEECHES);
        (Arc::new(Self { inner: Mutex::default(), device }), said)
    }

    /// Whether anybody watches.
    pub(in crate::program) fn is_watched(&self) -> bool {
        !locked(&self.inner).queues.is_empty()
    }

    /// Bytes have passed.
    pub(in crate::program) fn traffic(&self, direction: Direction, bytes: &[u8]) {
        let inner = locked(&self.inner);
        if inner.queues.is_empty() {
            return;
        }
        let message = traffic(direction, now(), bytes);
        inner.queues.iter().for_each(|queue| locked(queue).traffic(&message, bytes.len()));
    }

    /// The link's state has changed.
    pub(in crate::program) fn state(&self, state: LinkState, words: &str) {
        let name = name(state);
        let message = event(&json!({ "type": "state", "name": name, "text": words, "time": now() }));
        self.tell(message, |latest| &mut latest.state);
    }

    /// The UART is open.
    pub(in crate::program) fn uart_open(&self, words: &str) {
        let message = event(&json!({ "type": "uart", "name": "open", "text": words, "time": now() }));
        self.tell(message, |latest| &mut latest.uart);
    }

    /// Counters.
    pub(in crate::program) fn stats(&self, stats: &Stats) {
        self.tell(event(&json!({ "type": "stats", "stats": counters(stats) })), |latest| &mut latest.stats);
    }

    fn tell(&self, message: Message, slot: fn(&mut Latest) -> &mut Option<Message>) {
        let mut inner = locked(&self.inner);
        inner.queues.iter().for_each(|queue| locked(queue).event(&message, slot));
        *slot(&mut inner.known) = Some(message);
    }

    fn join(&self) -> Arc<Mutex<Queue>> {
        let mut inner = locked(&self.inner);
        let mut queue = Queue::default();
        let Latest { uart, state, stats } = inner.known.clone();
        for message in [uart, state, stats].into_iter().flatten() {
            let size = size(&message);
            queue.push(message, size);
        }
        let queue = Arc::new(Mutex::new(queue));
        inner.queues.push(Arc::clone(&queue));
        queue
    }

    fn leave(&self, queue: &Arc<Mutex<Queue>>) {
        locked(&self.inner).queues.retain(|other| !Arc::ptr_eq(other, queue));
    }
}

impl Queue {
    fn traffic(&mut self, message: &Message, bytes: usize) {
        if self.bytes + bytes + HEAD > LIMIT || self.skipped > 0 {
            self.skipped += bytes;
        } else {
            self.push(message.clone(), bytes + HEAD);
        }
        self.wake();
    }

    fn event(&mut self, message: &Message, slot: fn(&mut Latest) -> &mut Option<Message>) {
        let size = size(message);
        if self.bytes + size > LIMIT || self.skipped > 0 {
            *slot(&mut self.late) = Some(message.clone());
        } else {
            self.push(message.clone(), size);
        }
        self.wake();
    }

    fn push(&mut self, message: Message, size: usize) {
        self.bytes += size;
        self.waiting.push_back(message);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What there was room for; then how much there was no room for; then the newest of all else.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        let late = &mut self.late;
        if let Some(message) = self.waiting.pop_front() {
            self.bytes -= size(&message);
            Poll::Ready(message)
        } else if self.skipped > 0 {
            let bytes = std::mem::take(&mut self.skipped);
            Poll::Ready(event(&json!({ "type": "skipped", "bytes": bytes })))
        } else if let Some(message) =
            late.uart.take().or_else(|| late.state.take()).or_else(|| late.stats.take())
        {
            Poll::Ready(message)
        } else {
            self.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}

/// Answers the request; as with the relay, a page hears of mistakes after the upgrade.
pub(super) async fn watch(
    State(shared): State<Arc<Shared>>,
    Extension(Client { from, .. }): Extension<Client>,
    RawQuery(asked): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    let Some(hub) = shared.hub.clone() else {
        return text(
            StatusCode::NOT_FOUND,
            "there is nothing to watch here; `uartbridge demo` has a bridge to watch",
        );
    };
    let known = shared.token.is(&query(&asked.unwrap_or_default(), "token").unwrap_or_default());
    let place = Arc::clone(&shared.watchers).try_acquire_owned();
    let span = shared.span.clone();
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(move |socket| {
        let page = Socket::new(socket);
        async move {
            let _live = shared.live.clone();
            let (code, text) = match (known, place) {
                (false, _) => {
                    (1008, "the token is missing or wrong; open the page by the URL that was printed")
                }
                (true, Err(_)) => (1013, "too many pages watch already; close one"),
                (true, Ok(_place)) => {
                    let queue = hub.join();
                    let mut stop = shared.stop.clone();
                    let mut watcher = Watcher { page, queue: &queue, hub: &hub, said: None };
                    let gone = tokio::select! {
                        gone = watcher.run() => Some(gone),
                        () = stopped(&mut stop) => None,
                    };
                    hub.leave(&queue);
                    let Watcher { page, .. } = watcher;
                    match gone {
                        Some(gone) => {
                            tracing::debug!("{from} watches no more: {gone}");
                            return gone.farewell(page).await;
                        }
                        None => return page.close(None, 1001, "the program has ended").await,
                    }
                }
            };
            tracing::warn!("{from}: refused: {text}");
            page.close(None, code, text).await;
        }
        .instrument(span)
    })
}

/// One page that watches.
struct Watcher<'a> {
    page: Socket,
    queue: &'a Mutex<Queue>,
    hub: &'a Hub,
    /// What the page has said, and the device has not room for yet.
    said: Option<Bytes>,
}

impl Watcher<'_> {
    async fn run(&mut self) -> Gone {
        loop {
            let heard = {
                let Self { page, queue, hub, said } = &mut *self;
                let listen = said.is_none();
                tokio::select! {
                    room = hub.device.reserve(), if !listen => {
                        if let (Ok(room), Some(said)) = (room, said.take()) {
                            room.send(said);
                        }
                        continue;
                    }
                    heard = poll_fn(|cx| poll(page, queue, listen, cx)) => heard,
                }
            };
            match heard {
                Ok(Message::Binary(bytes)) if !bytes.is_empty() => self.said = Some(bytes),
                Ok(_) => {}
                Err(gone) => return gone,
            }
        }
    }
}

/// Tells the page all that it has room for; ready when it has said something itself.
fn poll(
    page: &mut Socket,
    queue: &Mutex<Queue>,
    listen: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Message, Gone>> {
    while page.poll_ready(cx)?.is_ready() {
        let message = match page.poll_ping(cx, !listen) {
            Poll::Ready(ping) => ping?,
            Poll::Pending => match locked(queue).poll_next(cx) {
                Poll::Ready(message) => message,
                Poll::Pending => break,
            },
        };
        page.start(message)?;
    }
    if listen { page.poll_next(cx) } else { Poll::Pending }
}

fn traffic(direction: Direction, time: f64, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(HEAD + bytes.len());
    message.push(direction as u8);
    message.extend_from_slice(&time.to_be_bytes());
    message.extend_from_slice(bytes);
    Message::Binary(message.into())
}

fn event(value: &serde_json::Value) -> Message {
    Message::Text(value.to_string().into())
}

fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

/// Milliseconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

fn name(state: LinkState) -> &'static str {
    match state {
        LinkState::NoIp => "no-ip",
        LinkState::Parked => "parked",
        LinkState::BackOff(_) => "back-off",
        LinkState::Connecting(_) => "connecting",
        LinkState::Open(_) => "open",
        LinkState::Closing => "closing",
        LinkState::Finished => "finished",
    }
}

/// By the core's names.
fn counters(stats: &Stats) -> serde_json::Value {
    json!({
        "uartRx": stats.uart_rx, "txAcked": stats.tx_acked, "upHeld": stats.up_held,
        "upDropped": stats.up_dropped, "upDroppedPackets": stats.up_dropped_packets, "replayed": stats.replayed,
        "sockRx": stats.sock_rx, "uartTx": stats.uart_tx, "downHeld": stats.down_held, "downCut": stats.down_cut,
        "line": { "overrun": stats.line.overrun, "framing": stats.line.framing, "parity": stats.line.parity },
        "attempts": stats.attempts, "connections": stats.connections, "failures": stats.failures,
        "heartbeats": stats.heartbeats,
    })
}

/// Nobody panics with a lock held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(queue: &Mutex<Queue>) -> Vec<String> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(message) = locked(queue).poll_next(&mut cx) {
            all.push(match message {
                Message::Text(text) => text.to_string(),
                Message::Binary(bytes) => format!("{} {}", bytes[0], bytes[HEAD..].escape_ascii()),
                other @ (Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => format!("{other:?}"),
            });
        }
        all
    }

    #[test]
    fn a_newcomer_is_told_what_is_the_case_and_then_what_happens() {
        let (hub, _said) = Hub::new();
        hub.uart_open("pty");
        hub.traffic(Direction::Up, b"before");
        hub.state(LinkState::Parked, "old");
        hub.state(LinkState::Closing, "new");
        let queue = hub.join();
        hub.traffic(Direction::Down, b"after");
        let all = drained(&queue);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains(r#""type":"uart""#) && all[1].contains(r#""name":"closing""#), "{all:?}");
        assert_eq!(all[2], "1 after");
        hub.leave(&queue);
        assert!(!hub.is_watched());
    }

    #[test]
    fn who_is_too_slow_is_told_how_much_it_missed_and_where() {
        let (hub, _said) = Hub::new();
        let queue = hub.join();
        let piece = vec![b'x'; 100 << 10];
        for _ in 0..4 {
            hub.traffic(Direction::Up, &piece);
        }
        hub.state(LinkState::Parked, "late");
        hub.traffic(Direction::Up, b"small, but after the gap");
        assert!(locked(&queue).bytes <= LIMIT);
        let all = drained(&queue);
        let skipped = format!(r#"{{"bytes":{},"type":"skipped"}}"#, 2 * piece.len() + 24);
        assert_eq!(all.iter().filter(|it| it.starts_with("0 x")).count(), 2);
        assert_eq!(all[2], skipped);
        assert!(all[3].contains("late"), "{:?}", all[3]);
        hub.traffic(Direction::Down, b"again");
        assert_eq!(drained(&queue), ["1 again"]);
    }

    #[test]
    fn traffic_is_direction_time_and_bytes() {
        let Message::Binary(bytes) = traffic(Direction::Down, 1.5, b"ab") else {
            panic!("bytes");
        };
        assert_eq!(bytes[..], [&[1][..], &1.5f64.to_be_bytes(), b"ab"].concat());
    }
}
