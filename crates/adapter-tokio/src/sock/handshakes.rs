//! Handshakes of a TLS listener, side by side: a client that stalls keeps nobody out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use uartbridge_tls::ServerSide;

use super::tls::{Tls, accept};
use crate::endpoint::TlsServer;
use crate::ends::Expiry;
use crate::tls::Kept;

/// How long a client may take: as long as a slow network needs for a few packets.
const LIMIT: Duration = Duration::from_secs(10);
/// How many at once; one more, and the oldest gives way. A handshake that works takes milliseconds.
const MOST: usize = 64;
/// How long a client that was refused may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// The handshakes that are under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    settings: Kept<TlsServer>,
    running: JoinSet<Done>,
    /// The same, the oldest first, perhaps with some that are over.
    order: VecDeque<(AbortHandle, SocketAddr)>,
    farewells: JoinSet<()>,
    refusals: Refusals,
}

type Done = (SocketAddr, Result<Tls<ServerSide>, (String, Option<TcpStream>)>);

impl Handshakes {
    /// # Errors
    /// Which file or setting cannot be used, why, and what to do.
    pub(super) fn new(tls: &TlsServer) -> Result<Self, String> {
        let mut settings = Kept::new(tls.clone())?;
        settings.warn();
        Ok(Self {
            settings,
            running: JoinSet::new(),
            order: VecDeque::new(),
            farewells: JoinSet::new(),
            refusals: Refusals::default(),
        })
    }

    /// Begins one, with the certificates as they are now.
    pub(super) fn begin(&mut self, stream: TcpStream, from: SocketAddr) {
        self.order.retain(|(handshake, _)| !handshake.is_finished());
        if self.order.len() >= MOST
            && let Some((oldest, slow)) = self.order.pop_front()
        {
            oldest.abort();
            self.refusals.say(slow, "too many TLS handshakes at once, and this one was the oldest");
        }
        let config = self.settings.current();
        let handshake = self.running.spawn(async move {
            let late = |_| Err((format!("it did not finish the TLS handshake within {LIMIT:?}"), None));
            (from, timeout(LIMIT, accept(stream, &config)).await.unwrap_or_else(late))
        });
        self.order.push_back((handshake, from));
    }

    /// The next one that has succeeded; *pending* also if there is none.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<(Tls<ServerSide>, SocketAddr)> {
        while self.farewells.try_join_next().is_some() {}
        loop {
            match self.running.poll_join_next(cx) {
                Poll::Ready(Some(Ok((from, Ok(client))))) => return Poll::Ready((client, from)),
                Poll::Ready(Some(Ok((from, Err((why, stream)))))) => {
                    self.refusals.say(from, &why);
                    if let Some(stream) = stream.filter(|_| self.farewells.len() < MOST) {
                        self.farewells.spawn(farewell(stream));
                    }
                }
                // One that had to give way.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    pub(super) fn warn(&mut self) {
        self.settings.warn();
    }

    pub(super) fn expiries(&self) -> &[Expiry] {
        self.settings.expiries()
    }
}

/// Lets the client read the alert. Closing at once, with bytes of the client's unread, would be a reset, which on some
/// systems throws away what had arrived.
async fn farewell(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    let read = async {
        stream.shutdown().await?;
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whatever comes of it, the client has had its chance.
    let _ = timeout(FAREWELL, read).await;
}

/// What is said of clients that were refused: a few lines at a time, because anybody can cause them.
#[derive(Debug, Default)]
struct Refusals {
    since: Option<Instant>,
    said: u32,
    unsaid: u32,
}

impl Refusals {
    const LINES: u32 = 5;
    const WHILE: Duration = Duration::from_secs(10);

    fn say(&mut self, from: SocketAddr, why: &str) {
        if self.since.is_none_or(|since| since.elapsed() >= Self::WHILE) {
            if self.unsaid > 0 {
                tracing::warn!("{} more clients were refused", self.unsaid);
            }
            *self = Self { since: Some(Instant::now()), said: 0, unsaid: 0 };
        }
        if self.said < Self::LINES {
            self.said += 1;
            tracing::warn!("{from} was refused: {why}");
        } else {
            self.unsaid += 1;
        }
    }
}
