//! The program in a browser: the page, and WebSockets behind it.

mod allow;
mod files;
mod guard;
mod relay;
mod socket;
mod token;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch as orders};
use tokio::time::timeout;
use uartbridge::sock::{TcpOptions, plain};

pub(crate) use allow::Allow;
pub(crate) use guard::Origin;
pub(crate) use token::{Token, TokenError};
pub(super) use watch::{Direction, Hub};

use files::{SAFETY, file, text};
use guard::Guard;

/// What the pages of one program may do.
pub(super) struct Settings {
    /// What the page's URL ends with.
    pub(super) token: Token,
    /// Servers that the relay connects to.
    pub(super) allow: Vec<Allow>,
    /// Where pages come from beside here, and the names by which they reach us.
    pub(super) origins: Vec<Origin>,
    pub(super) limits: Limits,
    /// What there is to watch.
    pub(super) hub: Option<Arc<Hub>>,
}

/// How much, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Relays at the same time.
    pub(crate) relays: usize,
    /// For looking up a name and connecting.
    pub(crate) connect: Duration,
    /// Of the connections to servers, and to browsers.
    pub(crate) tcp: TcpOptions,
}

/// What all connections have in common.
struct Shared {
    token: Token,
    allow: Vec<Allow>,
    guard: Guard,
    limits: Limits,
    places: Arc<Semaphore>,
    hub: Option<Arc<Hub>>,
    watchers: Arc<Semaphore>,
    /// Numbers the relays.
    count: AtomicU64,
    stop: orders::Receiver<bool>,
    /// Held by everything that has something to finish when the program stops.
    live: mpsc::Sender<()>,
    /// Like a bridge's: it labels log lines, and keeps them from filling a disk.
    span: tracing::Span,
}

/// Who asks.
#[derive(Clone)]
struct Client {
    from: SocketAddr,
    /// Another descriptor of the connection.
    socket: Arc<OwnedFd>,
}

/// HTTP connections at the same time. WebSockets are counted by themselves.
const CONNECTIONS: usize = 64;
/// Watchers at the same time.
const WATCHERS: usize = 16;
/// How long a request may take, and how long a connection may be idle between two.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// How long WebSockets may take to end in order when the program stops: their last bytes, then the last words.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// Of a request's head; browsers send less than a tenth.
const MAX_HEAD: usize = 16 << 10;
/// Of a WebSocket's message.
const MAX_MESSAGE: usize = 1 << 20;

/// The end of the page's URL: what the page needs to know and no log of a proxy gets, because browsers keep it to themselves.
pub(super) fn fragment(settings: &Settings, token: bool) -> String {
    let mut parts = Vec::new();
    parts.extend(token.then(|| format!("token={}", settings.token.in_url())));
    parts.extend(settings.hub.is_some().then(|| "watch".to_owned()));
    let targets = settings.allow.iter().filter_map(Allow::target);
    parts.extend(targets.map(|target| {
        let escaped: String = url::form_urlencoded::byte_serialize(target.to_string().as_bytes()).collect();
        format!("target={escaped}")
    }));
    if parts.is_empty() { String::new() } else { format!("#{}", parts.join("&")) }
}

/// Serves until `stop`, and then until WebSockets have ended, for a bounded time.
pub(super) async fn serve(listener: TcpListener, settings: Settings, mut stop: orders::Receiver<bool>) {
    let (live, mut ended) = mpsc::channel(1);
    let Settings { token, allow, origins, limits, hub } = settings;
    let shared = Arc::new(Shared {
        token,
        allow,
        guard: Guard { origins },
        limits,
        places: Arc::new(Semaphore::new(limits.relays)),
        hub,
        watchers: Arc::new(Semaphore::new(WATCHERS)),
        count: AtomicU64::new(0),
        stop: stop.clone(),
        live,
        span: tracing::error_span!(target: "uartbridge::spec", "bridge", id = "web"),
    });
    let router = Router::new()
        .route("/relay", get(relay::relay))
        .route("/watch", get(watch::watch))
        .fallback(file)
        .layer(from_fn_with_state(Arc::clone(&shared), look_after))
        .with_state(Arc::clone(&shared));
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut busy = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections, limits.tcp) => accepted,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, from, place)) => {
                busy = false;
                tokio::spawn(connection(stream, from, router.clone(), stop.clone(), place));
            }
            Err(error) => {
                if !std::mem::replace(&mut busy, true) {
                    tracing::warn!("cannot accept a browser: {}", plain(&error));
                }
                // Out of descriptors, most likely: trying at once would only turn the processor.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((router, shared));
    let _ = timeout(STOP_LIMIT, ended.recv()).await;
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    options: TcpOptions,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    // A browser that has left again is not worth a word.
    let _ = options.apply(&stream);
    Ok((stream, from, place))
}

/// The requests of one connection. It ends with an upgrade to a WebSocket, which lives on by itself.
async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    mut stop: orders::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    // Without a descriptor left, a browser that tries again is the best that can be had.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    let router = router.layer(Extension(Client { from, socket: Arc::new(socket) }));
    let requests = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::select! {
        // Whatever goes wrong here, nobody is there any more to be told.
        _ = requests => {}
        () = stopped(&mut stop) => {}
    }
}

/// Turns strangers away, and adds to each answer what keeps the page safe.
async fn look_after(State(shared): State<Arc<Shared>>, request: Request<Body>, next: Next) -> Response<Body> {
    let mut answer = match shared.guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            shared.span.in_scope(|| tracing::warn!("refused: {problem}"));
            text(StatusCode::FORBIDDEN, problem)
        }
    };
    for (name, value) in SAFETY {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Waits until the program stops.
async fn stopped(stop: &mut orders::Receiver<bool>) {
    // Whoever could say so has gone: that is the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The value of a key in a URL's query.
fn query(asked: &str, key: &str) -> Option<String> {
    url::form_urlencoded::parse(asked.as_bytes())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}
