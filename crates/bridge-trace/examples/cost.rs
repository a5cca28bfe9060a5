//! What a trace costs: the same messages with a recorder and without, to be counted by valgrind.
//!
//! ```console
//! $ cargo build --release -p uartbridge-trace --example cost
//! $ for kind in off lengths bytes; do valgrind --tool=callgrind target/release/examples/cost $kind 11000; done
//! ```

use uartbridge_core::{Acks, Action, Bridge, Config, Event, Instant, PeerIndex};
use uartbridge_trace::{Off, Recorder, Setup, Sink, Tape, Traced};

/// Bytes of a message.
const MESSAGE: usize = 64;

/// Takes everything, and keeps as much as a file would be written at once.
#[derive(Debug, Default)]
struct Paper {
    room: Vec<u8>,
    records: u64,
    bytes: u64,
}

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        if self.room.len() > 1 << 16 {
            self.room.clear();
        }
        for part in parts {
            self.room.extend_from_slice(part);
            self.bytes += part.len() as u64;
        }
        self.records += 1;
        true
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let kind = words.next().unwrap_or_default();
    let messages: u64 = words.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let config = Config::DEFAULT;
    let content = kind == "bytes";
    let setup = Setup { config, seed: 1, up: 1 << 16, down: 1 << 16, packets: 8, content, began: None };
    if kind == "off" {
        println!("{} calls", live(&setup, messages, Off));
        return;
    }
    let mut tape = Tape::new(Paper::default(), &setup);
    tape.name(PeerIndex(0), "tcp://192.0.2.1:4000");
    let calls = live(&setup, messages, &mut tape);
    let Paper { records, bytes, .. } = *tape.sink();
    println!("{calls} calls, {records} records, {bytes} bytes");
}

/// A message up and one down, every 10 ms, each acknowledged: how many calls of the bridge that takes.
fn live(setup: &Setup<'_>, messages: u64, recorder: impl Recorder) -> u64 {
    let rings = (vec![0; setup.up], vec![0; setup.down]);
    let mut bridge: Bridge<'_, Vec<u8>, Vec<u8>> =
        Bridge::new(&setup.config, setup.seed, rings.0, rings.1).expect("defaults");
    let mut traced = Traced::new(&mut bridge, recorder);
    let mut calls = 0;
    let mut tell = |at: u64, event: Event| {
        let at = Instant::from_micros(at);
        if let Event::UartRx(n) = event {
            traced.uart_rx()[..n].fill(b'x');
        } else if let Event::SockRx(n) = event {
            traced.sock_rx()[..n].fill(b'x');
        }
        traced.handle(at, event).expect("as the core wants it");
        calls += 2;
        while !matches!(traced.poll(at), Action::Sleep(_)) {
            calls += 1;
        }
    };
    tell(1, Event::IpReady);
    tell(1, Event::UartOpened);
    tell(1, Event::Timeout);
    tell(500, Event::Connected(Acks::Peer));
    for message in 1..=messages {
        let at = message * 10_000;
        tell(at, Event::UartRx(MESSAGE));
        tell(at, Event::TxDone(MESSAGE));
        tell(at + 200, Event::TxAcked(message * MESSAGE as u64));
        tell(at + 400, Event::SockRx(MESSAGE));
        tell(at + 400, Event::UartTxDone(MESSAGE));
    }
    calls
}
