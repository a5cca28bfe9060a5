//! What the user, the terminal and the service manager tell the process by signals (signal(7)).

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// A signal's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Deliver what is held, then end.
    Stop,
    /// The same again: end at once.
    StopNow,
    /// Report counters.
    Report,
}

/// The signals from now on: none of those is lost, and none ends the process by itself.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` under nohup(1), which wants the program to outlive its terminal.
    hang_up: Option<Signal>,
    report: Signal,
    stopped: Option<Instant>,
}

impl Signals {
    /// To be called inside a tokio runtime, before anything that takes time.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: (!is_ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup())).transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            report: signal(SignalKind::user_defined1())?,
            stopped: None,
        })
    }

    /// The next order. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Order {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = hung_up(&mut self.hang_up) => {}
                _ = self.report.recv() => return Order::Report,
            }
            match self.stopped {
                None => {
                    self.stopped = Some(Instant::now());
                    return Order::Stop;
                }
                Some(at) if at.elapsed() > ECHO => return Order::StopNow,
                Some(_) => {}
            }
        }
    }
}

/// timeout(1), and a terminal with sudo(8) on it, signal the process and its group: it comes twice, and is one order.
const ECHO: Duration = Duration::from_millis(200);

async fn hung_up(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether whoever started the process has it ignore a signal (proc(5), `SigIgn`).
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_known() {
        // The standard library has every Rust program ignore SIGPIPE.
        assert!(is_ignored(SignalKind::pipe()));
        assert!(!is_ignored(SignalKind::terminate()));
    }
}
