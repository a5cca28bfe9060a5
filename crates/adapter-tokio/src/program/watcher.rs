//! What is told of one bridge while it runs: traffic, losses, counters, and the steps that it asks for.

use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::process::Command;
use tokio::task::JoinHandle;
use tracing::Instrument;
use uartbridge::ends::Expiry;
use uartbridge::run::Observer;
use uartbridge::spec::BridgeSpec;
use uartbridge_core::{LinkState, Overflow, Stats, Step};

use super::notify::{Service, Status};
use super::show::{Out, Screen, Traffic};
use super::{COUNTERS, ENDS};

macro_rules! counters {
    (target: $target:expr, $what:literal, $stats:expr) => {
        tracing::info!(
            target: $target,
            uart_rx = $stats.uart_rx,
            tx_acked = $stats.tx_acked,
            up_held = $stats.up_held,
            up_dropped = $stats.up_dropped,
            up_dropped_packets = $stats.up_dropped_packets,
            replayed = $stats.replayed,
            sock_rx = $stats.sock_rx,
            uart_tx = $stats.uart_tx,
            down_held = $stats.down_held,
            down_cut = $stats.down_cut,
            overruns = $stats.line.overrun,
            framing_errors = $stats.line.framing,
            parity_errors = $stats.line.parity,
            attempts = $stats.attempts,
            connections = $stats.connections,
            failures = $stats.failures,
            heartbeats = $stats.heartbeats,
            $what
        )
    };
}

/// Watches one bridge for the user and the service manager.
pub(super) struct Watcher {
    /// The last ping that was answered.
    pub(super) alive: Arc<AtomicU64>,
    traffic: Option<Traffic>,
    reset_command: Option<String>,
    resetting: Option<JoinHandle<()>>,
    status: Status,
    overflow: Overflow,
    dropped: u64,
}

impl Watcher {
    pub(super) fn new(spec: &BridgeSpec, service: &Service, screen: Option<&Screen>) -> Self {
        Self {
            alive: Arc::default(),
            traffic: spec
                .show
                .zip(screen)
                .map(|(show, screen)| Traffic::new(Out::Error(screen.clone()), show, &spec.name)),
            reset_command: spec.reset_command.clone(),
            resetting: None,
            status: service.status(&spec.name),
            overflow: spec.config.overflow,
            dropped: 0,
        }
    }
}

impl Observer for Watcher {
    fn uplink(&mut self, bytes: &[u8]) {
        if let Some(traffic) = &mut self.traffic {
            traffic.uplink(bytes);
        }
    }

    fn downlink(&mut self, bytes: &[u8]) {
        if let Some(traffic) = &mut self.traffic {
            traffic.downlink(bytes);
        }
    }

    fn state(&mut self, state: LinkState, words: &str) {
        self.status.set(state, words);
    }

    fn progress(&mut self, stats: &Stats) {
        if stats.up_dropped > self.dropped {
            tracing::warn!(
                "the up buffer overflowed ({:?}): {} bytes dropped so far, in {} packets",
                self.overflow,
                stats.up_dropped,
                stats.up_dropped_packets
            );
            self.dropped = stats.up_dropped;
        }
    }

    fn recover(&mut self, step: Step) {
        match (step, &self.reset_command) {
            (Step::ResetRadio, Some(command))
                if self.resetting.as_ref().is_some_and(|run| !run.is_finished()) =>
            {
                tracing::warn!("the network is stuck, and {command:?} is still running");
            }
            (Step::ResetRadio, Some(command)) => {
                tracing::warn!("the network is stuck: running {command:?}");
                self.resetting = Some(tokio::spawn(reset(command.clone()).in_current_span()));
            }
            (Step::ResetRadio, None) => tracing::warn!("the network is stuck, and no --reset-command is set"),
            (Step::Restart, _) => {
                tracing::error!(
                    target: ENDS,
                    "the network is stuck: ending, so that the service manager starts the program again"
                )
            }
        }
    }

    fn report(&mut self, stats: &Stats, expiries: &[Expiry]) {
        report(stats);
        let now = SystemTime::now();
        for expiry in expiries {
            tracing::info!(target: COUNTERS, "{}", expiry.words(now));
        }
    }

    fn alive(&mut self, ping: u64) {
        self.alive.store(ping, Ordering::Relaxed);
    }
}

/// Runs a command of the user's. Standard input and output may be an end of a bridge: they are not for it.
async fn reset(command: String) {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&command).stdin(Stdio::null()).kill_on_drop(true);
    shell.stdout(io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from));
    match shell.status().await {
        Ok(status) if status.success() => tracing::info!("{command:?} is done"),
        Ok(status) => tracing::error!("{command:?} has failed: {status}"),
        Err(error) => tracing::error!("{command:?} cannot be run: {error}"),
    }
}

/// Says what the user has asked for, at every level of the log.
fn report(stats: &Stats) {
    counters!(target: COUNTERS, "counters", stats);
}

/// Says what became of everything.
pub(super) fn report_last(stats: &Stats) {
    counters!(target: ENDS, "final counters", stats);
}
