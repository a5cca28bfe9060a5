//! The bridge's counters, where a debugger finds them: a symbol, a number a word, in the order below.

use core::sync::atomic::{AtomicU32, Ordering};

use uartbridge_core::{LineErrors, Stats};

/// How many numbers: how often they were written, before and after; the counters, their lower 32 bits.
const WORDS: usize = 19;

/// `tests/src/firmware` reads it from outside. The first word and the last differ while the others are written.
#[unsafe(export_name = "COUNTERS")]
static COUNTERS: [AtomicU32; WORDS] = [const { AtomicU32::new(0) }; WORDS];

/// Writes them all.
pub(crate) fn publish(stats: &Stats) {
    let Stats { uart_rx, tx_acked, up_held, up_dropped, up_dropped_packets, .. } = *stats;
    let Stats { replayed, sock_rx, uart_tx, down_held, down_cut, line, .. } = *stats;
    let Stats { attempts, connections, failures, heartbeats, .. } = *stats;
    let LineErrors { overrun, framing, parity } = line;
    let [first, counters @ .., last] = &COUNTERS;
    let nth = last.load(Ordering::Relaxed).wrapping_add(1);
    first.store(nth, Ordering::SeqCst);
    let low = |counter: u64| counter as u32;
    let now = [
        low(uart_rx),
        low(tx_acked),
        low(up_held),
        low(up_dropped),
        up_dropped_packets,
        low(replayed),
        low(sock_rx),
        low(uart_tx),
        low(down_held),
        low(down_cut),
        overrun,
        framing,
        parity,
        attempts,
        connections,
        failures.into(),
        heartbeats,
    ];
    for (place, counter) in counters.iter().zip(now) {
        place.store(counter, Ordering::Relaxed);
    }
    last.store(nth, Ordering::SeqCst);
}
