//! Random sequences of operations against a reference: the promises of the crate hold at every step.

use proptest::prelude::*;
use uartbridge_core::{
    Acks, Action, Backoff, Bridge, Close, CloseReason, Config, Delimiter, Duration, Event, Instant, Overflow,
    Packing,
};

/// One thing that the world may do. Sizes are cut to what is possible at that moment.
#[derive(Clone, Debug)]
enum Op {
    Uart(usize),
    Write(usize),
    Ack(usize),
    Peer(usize),
    Drain(usize),
    PeerCloses,
    WriteFails,
    Breaks,
    Unplug,
    IpFlaps,
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..40usize).prop_map(Op::Uart),
        6 => (1..40usize).prop_map(Op::Write),
        4 => (0..60usize).prop_map(Op::Ack),
        4 => (1..40usize).prop_map(Op::Peer),
        4 => (1..40usize).prop_map(Op::Drain),
        1 => Just(Op::PeerCloses),
        1 => Just(Op::WriteFails),
        2 => Just(Op::Breaks),
        1 => Just(Op::Unplug),
        1 => Just(Op::IpFlaps),
        4 => (0..3_000_000u64).prop_map(Op::Wait),
    ]
}

const GREETING: &[u8] = b"hi!";

/// The world around one bridge, and what it knows to be true.
struct World {
    bridge: Bridge<'static, Vec<u8>, Vec<u8>, 4>,
    now: u64,
    acks: Acks,
    /// Bytes the UART has sent; byte `i` of the stream is `i % 251`.
    uart_sent: u64,
    /// What the present connection has been given, greeting included; `None` without one.
    socket: Option<Vec<u8>>,
    acked: usize,
    dialing: bool,
    peer_sent: u64,
    peer_closed: bool,
    /// What the device has received.
    device: Vec<u8>,
    /// Past connections: what each was given, and how much of that the peer has acknowledged. The rest is lost.
    streams: Vec<(Vec<u8>, usize)>,
}

impl World {
    fn new(config: Config<'static>, up: usize, down: usize, acks: Acks) -> Self {
        let bridge = Bridge::new(Box::leak(Box::new(config)), 7, vec![0; up], vec![0; down])
            .expect("settings are valid");
        let mut world = Self {
            bridge,
            now: 0,
            acks,
            uart_sent: 0,
            socket: None,
            acked: 0,
            dialing: false,
            peer_sent: 0,
            peer_closed: false,
            device: Vec::new(),
            streams: Vec::new(),
        };
        world.tell(Event::IpReady);
        world.act();
        world
    }

    fn tell(&mut self, event: Event) {
        self.bridge.handle(Instant::from_micros(self.now), event).expect("the world keeps the contract");
    }

    /// Carries out every action; a connection comes up at once.
    fn act(&mut self) {
        for _ in 0..64 {
            let now = Instant::from_micros(self.now);
            if self.bridge.poll_timeout().is_some_and(|(at, _)| at <= now) {
                self.tell(Event::Timeout);
            }
            match self.bridge.poll(now) {
                Action::OpenUart => self.tell(Event::UartOpened),
                Action::Connect(_) => {
                    self.dialing = true;
                    self.socket = Some(Vec::new());
                    self.acked = 0;
                    self.peer_closed = false;
                    self.tell(Event::Connected(self.acks));
                    self.dialing = false;
                }
                Action::Close(Close::Orderly(_) | Close::Abort(_)) => self.close(CloseReason::Done),
                Action::QueryAcks => self.tell(Event::TxAcked(self.acked as u64)),
                Action::UartFlow(_) | Action::Recover(_) => {}
                Action::Sleep(_) if self.bridge.poll_timeout().is_some_and(|(at, _)| at <= now) => {}
                Action::Sleep(_) | Action::Finished => return,
            }
        }
        panic!("the core never comes to rest: {:?}", self.bridge);
    }

    fn close(&mut self, why: CloseReason) {
        if let Some(stream) = self.socket.take() {
            if self.acks == Acks::Peer {
                self.tell(Event::TxAcked(self.acked as u64));
            }
            self.tell(Event::Closed(why));
            self.streams.push((stream, self.acked));
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Uart(n) => {
                let room = self.bridge.uart_rx();
                let n = n.min(room.len());
                for (i, byte) in room[..n].iter_mut().enumerate() {
                    *byte = ((self.uart_sent + i as u64) % 251) as u8;
                }
                self.uart_sent += n as u64;
                self.tell(Event::UartRx(n));
            }
            Op::Write(n) => {
                let tx = self.bridge.tx().concat();
                let n = n.min(tx.len());
                if n > 0 {
                    self.socket.as_mut().expect("bytes are lent only to a connection").extend(&tx[..n]);
                    self.tell(Event::TxDone(n));
                }
            }
            Op::Ack(n) => {
                if let (Some(stream), Acks::Peer) = (&self.socket, self.acks) {
                    self.acked = (self.acked + n).min(stream.len());
                    self.tell(Event::TxAcked(self.acked as u64));
                }
            }
            Op::Peer(n) => {
                let room = self.bridge.sock_rx();
                let n = n.min(room.len());
                if n > 0 && !self.peer_closed {
                    for (i, byte) in room[..n].iter_mut().enumerate() {
                        *byte = ((self.peer_sent + i as u64) % 241) as u8;
                    }
                    self.peer_sent += n as u64;
                    self.tell(Event::SockRx(n));
                }
            }
            Op::Drain(n) => {
                let bytes = self.bridge.uart_tx();
                let bytes = bytes[..n.min(bytes.len())].to_vec();
                self.tell(Event::UartTxDone(bytes.len()));
                self.device.extend(bytes);
            }
            Op::PeerCloses if self.socket.is_some() => {
                self.peer_closed = true;
                self.tell(Event::PeerClosed);
            }
            Op::WriteFails if self.socket.is_some() => self.tell(Event::TxFailed),
            Op::PeerCloses | Op::WriteFails => {}
            Op::Breaks => self.close(CloseReason::Reset),
            Op::Unplug => {
                if self.bridge.handle(Instant::from_micros(self.now), Event::UartClosed).is_err() {
                    // Absent already.
                }
            }
            Op::IpFlaps => {
                self.tell(Event::IpLost);
                self.act();
                self.tell(Event::IpReady);
            }
            Op::Wait(us) => self.now += us,
        }
        self.act();
        self.check();
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let ports = self.bridge.ports();
        let together =
            (ports.uart_rx.len(), ports.sock_rx.len(), ports.tx.map(<[u8]>::to_vec), ports.uart_tx.to_vec());
        let alone = (
            self.bridge.uart_rx().len(),
            self.bridge.sock_rx().len(),
            self.bridge.tx().map(<[u8]>::to_vec),
            self.bridge.uart_tx().to_vec(),
        );
        assert_eq!(alone, together);
        let stats = self.bridge.stats();
        assert_eq!(stats.uart_rx, self.uart_sent);
        assert_eq!(stats.uart_rx, stats.tx_acked + stats.up_dropped + stats.up_held);
        assert_eq!(stats.sock_rx, self.peer_sent);
        assert_eq!(stats.sock_rx, stats.uart_tx + stats.down_held);
        assert!(
            self.device.iter().enumerate().all(|(i, &byte)| byte == (i % 241) as u8),
            "downlink is out of order"
        );
        let stuck = self.bridge.poll_timeout().is_none() && self.socket.is_none();
        assert!(!stuck, "no deadline and no connection: {:?}", self.bridge);
    }

    /// If nothing may be dropped, each connection carries the UART's stream from exactly where the peer's
    /// acknowledgements on the connection before had ended.
    fn check_lossless(&mut self) {
        self.close(CloseReason::Reset);
        let mut reached = 0;
        for (stream, acked) in &self.streams {
            let (greeting, bytes) = stream.split_at(GREETING.len().min(stream.len()));
            assert!(GREETING.starts_with(greeting));
            let expected = (reached..).map(|at| (at % 251) as u8);
            assert!(bytes.iter().copied().eq(expected.take(bytes.len())), "lost, doubled or out of order");
            reached += acked.saturating_sub(GREETING.len()) as u64;
        }
        let stats = self.bridge.stats();
        assert_eq!((stats.tx_acked, stats.up_dropped), (reached, 0));
    }

    /// Whatever overflow drops, each connection carries bytes of the UART's stream in their order, none of them twice, from
    /// no earlier than where the acknowledgements on the connection before had ended. (Byte values repeat after 251:
    /// a byte out of order would need a lap of the stream each time, and there are not so many.)
    fn check_order(&mut self) {
        self.close(CloseReason::Reset);
        let mut reached = 0;
        for (stream, acked) in &self.streams {
            let mut at = reached;
            for (i, &byte) in stream.iter().enumerate().skip(GREETING.len()) {
                at += (u64::from(byte) + 251 - at % 251) % 251 + 1;
                if i < *acked {
                    reached = at;
                }
            }
            assert!(at <= self.uart_sent, "out of order, or twice");
        }
    }
}

fn config(packing: Packing, overflow: Overflow) -> Config<'static> {
    Config {
        greeting: GREETING,
        backoff: Backoff { first: Duration::from_millis(10), ..Config::default().backoff },
        packing,
        overflow,
        ..Config::default()
    }
}

fn packing() -> impl Strategy<Value = Packing> {
    let mark = Delimiter::new(&[10, 11]);
    prop_oneof![
        Just(Packing::NONE),
        Just(Packing { gap: Duration::from_millis(20), ..Packing::NONE }),
        Just(Packing { max_len: 7, gap: Duration::from_millis(20), ..Packing::NONE }),
        Just(Packing { delimiter: mark, ..Packing::NONE }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_lossless_over_reconnects(
        packing in packing(), up in 1..64usize, down in 1..64usize, ops in prop::collection::vec(op(), 1..200),
    ) {
        let up = up.max(packing.max_len);
        let mut world = World::new(config(packing, Overflow::Block), up, down, Acks::Peer);
        ops.iter().for_each(|op| world.apply(op));
        world.check_lossless();
    }

    #[test]
    fn what_overflow_drops_is_counted_and_reading_never_stops(
        packing in packing(), newest in any::<bool>(), up in 16..64usize, ops in prop::collection::vec(op(), 1..200),
    ) {
        let overflow = if newest { Overflow::DropNewest } else { Overflow::DropOldest };
        let mut world = World::new(config(packing, overflow), up, 16, Acks::Peer);
        for op in ops.iter().filter(|op| !matches!(op, Op::Unplug)) {
            world.apply(op);
            prop_assert!(!world.bridge.ports().uart_rx.is_empty());
        }
        world.check_order();
    }

    #[test]
    fn datagrams_are_whole(
        gap in any::<bool>(), overflow in 0..3u8, ops in prop::collection::vec(op(), 1..200),
    ) {
        let gap = if gap { Duration::from_millis(20) } else { Duration::NEVER };
        let packing = Packing { max_len: 12, gap, delimiter: None, datagrams: true };
        let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest][usize::from(overflow)];
        let mut world = World::new(config(packing, overflow), 32, 16, Acks::OnWrite);
        for op in &ops {
            // The socket takes a datagram whole.
            let op = if let Op::Write(_) = op { Op::Write(usize::MAX) } else { op.clone() };
            let lent: usize = world.bridge.ports().tx.iter().map(|part| part.len()).sum();
            prop_assert!(lent <= 12);
            world.apply(&op);
        }
    }
}

#[test]
fn an_attempt_that_nobody_heard_of_is_not_waited_for() {
    let mut bridge: Bridge<_, _> =
        Bridge::new(&Config::DEFAULT, 1, [0; 8], [0; 8]).expect("settings are valid");
    bridge.handle(Instant::START, Event::IpReady).expect("in order");
    bridge.handle(Instant::START, Event::Timeout).expect("in order");
    // The device sleeps through the time for connecting before its adapter polls.
    let late = Instant::START + Duration::from_secs(60);
    bridge.handle(late, Event::Timeout).expect("in order");
    let first = [bridge.poll(late), bridge.poll(late)];
    assert!(matches!(first, [Action::OpenUart, Action::Connect(_)]), "{first:?}");
}
