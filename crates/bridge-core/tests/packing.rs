//! Packing by length, gap and delimiter, against a reference that looks at one byte after the other.

use proptest::collection::vec;
use proptest::prelude::*;
use uartbridge_core::{Acks, Action, Bridge, Config, Delimiter, Duration, Event, Instant, Overflow, Packing};

const GAP: u64 = 1_000;

/// Cuts bytes into packets as their description says.
struct Naive<'a> {
    packing: &'a Packing,
    open: Vec<u8>,
    last: u64,
    whole: Vec<Vec<u8>>,
}

impl Naive<'_> {
    fn chunk(&mut self, now: u64, chunk: &[u8]) {
        self.quiet(now);
        self.last = now;
        for &byte in chunk {
            self.open.push(byte);
            let marked = self.packing.delimiter.is_some_and(|mark| self.open.ends_with(mark.as_bytes()));
            let long = self.packing.max_len > 0 && self.open.len() == self.packing.max_len;
            if marked || long {
                self.end();
            }
        }
        let by_read = self.packing.gap.is_never() && self.packing.delimiter.is_none();
        if by_read && (self.packing.datagrams || self.packing.max_len == 0) {
            self.end();
        }
    }

    fn quiet(&mut self, now: u64) {
        if now >= self.last.saturating_add(self.packing.gap.as_micros()) {
            self.end();
        }
    }

    fn end(&mut self) {
        if !self.open.is_empty() {
            self.whole.push(std::mem::take(&mut self.open));
        }
    }
}

fn packing() -> impl Strategy<Value = Packing> {
    let delimiter = prop_oneof![Just(None), vec(b'a'..b'c', 1..=4).prop_map(|mark| Delimiter::new(&mark)),];
    let gap = prop_oneof![Just(Duration::NEVER), Just(Duration::from_micros(GAP))];
    (delimiter, gap, 1..20_usize, any::<bool>(), any::<bool>()).prop_map(
        |(delimiter, gap, max_len, by_length, datagrams)| Packing {
            max_len: if by_length || datagrams { max_len } else { 0 },
            gap,
            delimiter,
            datagrams,
        },
    )
}

/// Chunks of few letters, so that marks are frequent, each after a pause.
fn chunks() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    vec((prop_oneof![Just(0), 1..GAP, GAP..3 * GAP], vec(b'a'..b'd', 1..24)), 1..40)
}

/// What the bridge sends: each datagram by itself, or the bytes of all packets one after the other.
fn sent(packing: Packing, chunks: &[(u64, Vec<u8>)]) -> Vec<Vec<u8>> {
    let config = Config { packing, overflow: Overflow::Block, ..Config::DEFAULT };
    let mut bridge: Bridge<_, _, 32> =
        Bridge::new(&config, 1, vec![0; 2048], [0; 8]).expect("settings are valid");
    let mut now = Instant::START;
    let tell = |bridge: &mut Bridge<_, _, 32>, now, event| bridge.handle(now, event).expect("in order");
    tell(&mut bridge, now, Event::IpReady);
    assert_eq!(bridge.poll(now), Action::OpenUart);
    tell(&mut bridge, now, Event::UartOpened);
    tell(&mut bridge, now, Event::Timeout);
    assert!(matches!(bridge.poll(now), Action::Connect(_)));
    tell(&mut bridge, now, Event::Connected(Acks::OnWrite));
    let mut packets = Vec::new();
    let mut take = |bridge: &mut Bridge<_, _, 32>, now| loop {
        let packet = bridge.tx().concat();
        if packet.is_empty() {
            return;
        }
        tell(bridge, now, Event::TxDone(packet.len()));
        packets.push(packet);
    };
    for (pause, chunk) in chunks {
        let next = now + Duration::from_micros(*pause);
        if bridge.poll_timeout().is_some_and(|(at, _)| at <= next) {
            bridge.handle(next, Event::Timeout).expect("always");
        }
        take(&mut bridge, next);
        now = next;
        bridge.uart_rx()[..chunk.len()].copy_from_slice(chunk);
        bridge.handle(now, Event::UartRx(chunk.len())).expect("lent");
        take(&mut bridge, now);
    }
    packets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_end_where_their_description_says(packing in packing(), chunks in chunks()) {
        let mut naive = Naive { packing: &packing, open: Vec::new(), last: 0, whole: Vec::new() };
        let mut now = 0;
        for (pause, chunk) in &chunks {
            now += pause;
            naive.chunk(now, chunk);
        }
        let sent = sent(packing, &chunks);
        if packing.datagrams {
            prop_assert_eq!(sent, naive.whole);
        } else {
            // A stream has no bounds, but nothing leaves before its packet is whole.
            prop_assert_eq!(sent.concat(), naive.whole.concat());
        }
    }
}
