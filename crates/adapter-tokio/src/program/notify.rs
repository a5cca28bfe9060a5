//! The service manager (systemd): ready, status, watchdog; sd_notify(3).

use std::collections::BTreeMap;
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
        Self { watchdog, board: Arc::new(Mutex::new(Board { bridges, open: BTreeMap::new() })) }
    }

    pub(super) fn status(&self, name: &str) -> Status {
        Status { name: name.to_owned(), board: Arc::clone(&self.board) }
    }

    /// Everything that can be prepared is; devices and servers may still be absent.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
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
        tell(&[NotifyState::Watchdog]);
    }
}

impl Status {
    pub(super) fn set(&self, state: LinkState, words: &str) {
        let open = matches!(state, LinkState::Open(_));
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.open.insert(self.name.clone(), open);
        let text = match board.bridges {
            1 => words.to_owned(),
            all => {
                format!("{} of {all} bridges connected", board.open.values().filter(|open| **open).count())
            }
        };
        tell(&[NotifyState::Status(&text)]);
    }
}

/// Without a service manager this does nothing.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot tell the service manager: {error}");
    }
}
