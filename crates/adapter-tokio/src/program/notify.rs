//! The service manager (systemd): ready, status, watchdog; sd_notify(3).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uartbridge_core::LinkState;

/// How often to look whether every bridge is alive, if `--watchdog` is given but nobody says how often to feed.
const DEFAULT_PERIOD: Duration = Duration::from_secs(9);

/// What the service manager is told.
pub(super) struct Service {
    watchdog: Option<Interval>,
    socket: Option<Arc<Socket>>,
    board: Arc<Mutex<Board>>,
}

/// The state of every bridge.
struct Board {
    bridges: usize,
    open: BTreeMap<String, bool>,
}

/// One bridge's place on the board.
pub(super) struct Status {
    name: String,
    socket: Option<Arc<Socket>>,
    board: Arc<Mutex<Board>>,
}

impl Service {
    /// With `watchdog`, feeds at a third of the period that the service manager asks for (`WATCHDOG_USEC`).
    pub(super) fn new(watchdog: bool, bridges: usize) -> Self {
        let period = || sd_notify::watchdog_enabled().unwrap_or(DEFAULT_PERIOD) / 3;
        let watchdog = watchdog.then(|| {
            let mut ticks = interval(period());
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let board = Arc::new(Mutex::new(Board { bridges, open: BTreeMap::new() }));
        Self { watchdog, socket: Socket::from_environment().map(Arc::new), board }
    }

    pub(super) fn status(&self, name: &str) -> Status {
        Status { name: name.to_owned(), socket: self.socket.clone(), board: Arc::clone(&self.board) }
    }

    /// Everything that can be prepared is; devices and servers may still be absent.
    pub(super) fn ready(&self) {
        tell(self.socket.as_deref(), &NotifyState::Ready);
    }

    pub(super) fn stopping(&self) {
        tell(self.socket.as_deref(), &NotifyState::Stopping);
    }

    /// When the bridges are to be looked after; never without `--watchdog`.
    pub(super) async fn tick(&mut self) {
        match &mut self.watchdog {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Every bridge has come round since the last look.
    pub(super) fn feed(&self) {
        tell(self.socket.as_deref(), &NotifyState::Watchdog);
    }
}

impl Status {
    pub(super) fn set(&self, state: LinkState, words: &str) {
        let open = matches!(state, LinkState::Open(_));
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.open.insert(self.name.clone(), open);
        let text = match board.bridges {
            1 => one_line(words),
            all => {
                format!("{} of {all} bridges connected", board.open.values().filter(|open| **open).count())
            }
        };
        tell(self.socket.as_deref(), &NotifyState::Status(&text));
    }
}

/// The protocol ends a message at a line's end.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the service manager listens.
struct Socket {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Socket {
    /// `None` without a service manager.
    fn from_environment() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        Self::open(name.as_bytes())
            .inspect_err(|error| {
                tracing::warn!("cannot tell the service manager at {}: {error}", name.display())
            })
            .ok()
    }

    /// A path, or after `@` an abstract name (unix(7)).
    fn open(name: &[u8]) -> io::Result<Self> {
        let address = match name.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        };
        let socket = UnixDatagram::unbound()?;
        // A service manager that does not listen must not hold up the bridges.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    fn tell(&self, state: &NotifyState<'_>) {
        if let Err(error) = self.socket.send_to_addr(format!("{state}\n").as_bytes(), &self.address) {
            tracing::debug!("cannot tell the service manager: {error}");
        }
    }
}

fn tell(socket: Option<&Socket>, state: &NotifyState<'_>) {
    if let Some(socket) = socket {
        socket.tell(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abstract_names_and_paths_are_both_understood() {
        for name in [format!("@uartbridge-{}", std::process::id()), "/tmp/notify".to_owned()] {
            let socket = Socket::open(name.as_bytes()).expect("an address");
            assert_eq!(socket.address.as_pathname().is_some(), !name.starts_with('@'), "{name}");
        }
        assert!(Socket::open(&[b'x'; 200]).is_err(), "too long for an address");
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(one_line("a\nb\tc"), "a b c");
    }
}
