//! The demo in a browser: the page, its bridge, and this one to watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uartbridge::sock::{TcpOptions, plain};

use super::say;
use crate::program::web::{self, Allow, Hub, Limits, Settings, Token};

/// What serves the page.
pub(super) struct Browser {
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// The same as that of `serve`; another if somebody has it.
const PORT: u16 = 8700;
/// How long a page may take to hear that the demo ends.
const GOODBYE: Duration = Duration::from_millis(500);
/// The relay has one server, and no long way to it.
const LIMITS: Limits = Limits {
    relays: 16,
    connect: Duration::from_secs(5),
    tcp: TcpOptions { keepalive: None, user_timeout: Some(Duration::from_secs(30)) },
};

impl Browser {
    /// Serves the page, and says where. A demo without a page is still one: what goes wrong is told, and that is all.
    pub(super) async fn invite(hub: &Arc<Hub>, server: SocketAddr) -> Option<Self> {
        let bound = match TcpListener::bind(("127.0.0.1", PORT)).await {
            Ok(bound) => Ok(bound),
            Err(_) => TcpListener::bind(("127.0.0.1", 0)).await,
        };
        let listening = bound.and_then(|bound| bound.local_addr().map(|at| (bound, at)));
        let ((listener, at), token) = match (listening, Token::random()) {
            (Ok(listening), Ok(token)) => (listening, token),
            (Err(error), _) => {
                say(&format!("no page to watch in a browser: {}", plain(&error)));
                return None;
            }
            (_, Err(error)) => {
                say(&format!("no page to watch in a browser: {error}"));
                return None;
            }
        };
        let settings = Settings {
            token,
            allow: vec![Allow::from(server)],
            origins: Vec::new(),
            limits: LIMITS,
            hub: Some(Arc::clone(hub)),
        };
        say(&format!("in a browser http://{at}/{}", web::fragment(&settings, true)));
        let (stop, stopped) = watch::channel(false);
        Some(Self { stop, serving: tokio::spawn(web::serve(listener, settings, stopped)) })
    }

    /// Tells pages that the demo has ended.
    pub(super) async fn leave(self) {
        self.stop.send_replace(true);
        let _ = timeout(GOODBYE, self.serving).await;
    }
}
