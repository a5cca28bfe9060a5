//! What passed between two lines of the story, and in all.

use std::fmt::Write as _;

use uartbridge_core::{Action, Event, Instant, Stats};
use uartbridge_trace::{Record, What};

use super::super::guess::Guess;

/// Bytes each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bytes {
    uart_rx: u64,
    acked: u64,
    dropped: u64,
    sock_rx: u64,
    uart_tx: u64,
}

/// What passed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    all: Bytes,
    told: Bytes,
    replayed: u64,
    attempts: u64,
    connections: u64,
    /// When a byte last moved.
    moved: Option<Instant>,
}

impl Sums {
    /// Takes in a record. What the bridge counts goes before what the record says: the bridge can tell greetings from the
    /// device's bytes.
    pub(super) fn add(&mut self, record: &Record<'_>, bridge: Option<Stats>, guess: &mut Guess) {
        let before = self.all;
        if let What::Told(event, _) = record.what {
            self.all.acked = self.all.acked.saturating_add(guess.acknowledged(event));
            self.count(event);
        }
        self.attempts += u64::from(matches!(record.what, What::Asked(Action::Connect(_))));
        if let Some(stats) = bridge {
            let Stats { uart_rx, tx_acked, up_dropped, replayed, sock_rx, uart_tx, .. } = stats;
            self.all = Bytes { uart_rx, acked: tx_acked, dropped: up_dropped, sock_rx, uart_tx };
            self.replayed = replayed;
        }
        if self.all != before {
            self.moved = Some(record.at);
        }
    }

    fn count(&mut self, event: Event) {
        let add = |sum: &mut u64, n: usize| *sum = sum.saturating_add(n as u64);
        if let Event::UartRx(n) = event {
            add(&mut self.all.uart_rx, n);
        } else if let Event::SockRx(n) = event {
            add(&mut self.all.sock_rx, n);
        } else if let Event::UartTxDone(n) = event {
            add(&mut self.all.uart_tx, n);
        } else if let Event::Connected(_) = event {
            self.connections += 1;
        }
    }

    /// Bytes that had to be sent again.
    pub(super) const fn replayed(&self) -> u64 {
        self.replayed
    }

    /// What has passed since the last call, and when its last byte did; `None` if nothing has.
    pub(super) fn take(&mut self) -> Option<(Instant, String)> {
        let (now, before) = (self.all, std::mem::replace(&mut self.told, self.all));
        if now == before {
            return None;
        }
        let since = |sum: fn(&Bytes) -> u64| sum(&now).saturating_sub(sum(&before));
        let mut up = format!("{} B read", since(|b| b.uart_rx));
        // Writing to a string cannot fail.
        let _ = write!(up, ", {} B acknowledged", since(|b| b.acked));
        if since(|b| b.dropped) > 0 {
            let _ = write!(up, ", {} B dropped", since(|b| b.dropped));
        }
        let down = format!("{} B read, {} B written", since(|b| b.sock_rx), since(|b| b.uart_tx));
        let some = |words: String, sums: [u64; 3]| Some(words).filter(|_| sums.iter().any(|&sum| sum > 0));
        let up = some(
            format!("UART → net: {up}"),
            [since(|b| b.uart_rx), since(|b| b.acked), since(|b| b.dropped)],
        );
        let down = some(format!("UART ← net: {down}"), [since(|b| b.sock_rx), since(|b| b.uart_tx), 0]);
        let words: Vec<String> = up.into_iter().chain(down).collect();
        Some((self.moved.unwrap_or(Instant::START), words.join("; ")))
    }

    /// All of it; with the bridge's counters if they are known to the end.
    pub(super) fn totals(&self, bridge: Option<Stats>) -> Vec<String> {
        let Bytes { uart_rx, acked, dropped, sock_rx, uart_tx } = self.all;
        let mut up = format!("UART → net: {uart_rx} B read, {acked} B acknowledged");
        let mut down = format!("UART ← net: {sock_rx} B read, {uart_tx} B written");
        let mut link = format!("connections: {} of {} attempts", self.connections, self.attempts);
        if let Some(stats) = bridge {
            let Stats { up_held, down_held, down_cut, heartbeats, line, .. } = stats;
            let _ = write!(up, ", {up_held} B held, {dropped} B dropped, {} B sent again", self.replayed);
            let _ = write!(down, ", {down_held} B held, {down_cut} B cut off");
            let _ = write!(link, "; heartbeats: {heartbeats}");
            let lost = [line.overrun, line.framing, line.parity];
            let _ = write!(link, "; line errors: {}", lost.iter().map(|&n| u64::from(n)).sum::<u64>());
        }
        vec![up, down, link]
    }
}
