//! Random sequences of operations in the reference world: the promises of the crate hold at every step.

use proptest::prelude::*;
use uartbridge_core::{
    Acks, Action, Backoff, Bridge, CloseReason, Config, Delimiter, Duration, Event, Heartbeat, Instant,
    Overflow, Packing, Power,
};
use uartbridge_reference::{Op, World};
use uartbridge_trace::Off;

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..40usize).prop_map(Op::Uart),
        6 => (1..40usize).prop_map(Op::Write),
        4 => (0..60usize).prop_map(Op::Ack),
        4 => (1..40usize).prop_map(Op::Peer),
        4 => (1..40usize).prop_map(Op::Drain),
        1 => Just(Op::PeerCloses),
        1 => Just(Op::WriteFails),
        2 => Just(Op::Breaks(CloseReason::Reset)),
        1 => Just(Op::Unplug),
        1 => Just(Op::IpFlaps),
        4 => (0..3_000_000u64).prop_map(Op::Wait),
    ]
}

/// An adapter that is late, that is mistaken, and whose clock is set.
fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => op(),
        2 => any::<bool>().prop_map(Op::Eager),
        4 => any::<bool>().prop_map(Op::Poll),
        1 => Just(Op::Ignore),
        2 => Just(Op::Act),
        2 => Just(Op::ToDeadline),
        1 => any::<bool>().prop_map(Op::Ip),
        1 => any::<u64>().prop_map(Op::Clock),
        2 => (0..10_000_000u64).prop_map(Op::Back),
        1 => Just(Op::UartEnds),
        1 => Just(Op::Stop),
        1 => any::<bool>().prop_map(|peer| Op::Acks(if peer { Acks::Peer } else { Acks::OnWrite })),
        3 => event().prop_map(Op::Event),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let n = || prop_oneof![0..50usize, any::<usize>()];
    prop_oneof![
        n().prop_map(Event::UartRx),
        n().prop_map(Event::SockRx),
        n().prop_map(Event::SockRxCut),
        n().prop_map(Event::TxDone),
        n().prop_map(|n| Event::TxAcked(n as u64)),
        n().prop_map(Event::UartTxDone),
        Just(Event::Connected(Acks::Peer)),
        Just(Event::Closed(CloseReason::Refused)),
        Just(Event::UartOpened),
        Just(Event::Timeout),
    ]
}

const GREETING: &[u8] = b"hi!";

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
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_lossless_over_reconnects(
        packing in packing(), up in 1..64usize, down in 1..64usize, ops in prop::collection::vec(op(), 1..200),
    ) {
        let up = up.max(packing.max_len);
        run(&config(packing, Overflow::Block), (up, down), Acks::Peer, &ops);
    }

    #[test]
    fn what_overflow_drops_is_counted_and_reading_never_stops(
        packing in packing(), newest in any::<bool>(), up in 16..64usize, ops in prop::collection::vec(op(), 1..200),
    ) {
        let overflow = if newest { Overflow::DropNewest } else { Overflow::DropOldest };
        run(&config(packing, overflow), (up, 16), Acks::Peer, &ops);
    }

    #[test]
    fn datagrams_are_whole(
        gap in any::<bool>(), overflow in 0..3u8, ops in prop::collection::vec(op(), 1..200),
    ) {
        let gap = if gap { Duration::from_millis(20) } else { Duration::NEVER };
        let packing = Packing { max_len: 12, gap, delimiter: None, datagrams: true };
        let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest][usize::from(overflow)];
        run(&config(packing, overflow), (32, 16), Acks::OnWrite, &ops);
    }

    #[test]
    fn an_adapter_that_is_late_or_mistaken_does_no_harm(
        packing in packing(), overflow in 0..3u8, plan in 0..3usize, up in 16..64usize, ops in prop::collection::vec(any_op(), 1..200),
    ) {
        let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest][usize::from(overflow)];
        let second = Duration::from_secs(1);
        let power = [Power::AlwaysOn, Power::Doze { after: second }, Power::OnDemand { linger: second }];
        let heartbeat = Heartbeat { bytes: b"beat", after: Duration::from_secs(2) };
        let power = power[plan];
        run(&Config { power, heartbeat, ..config(packing, overflow) }, (up, 8), Acks::Peer, &ops);
    }
}

/// The reference world checks each step.
fn run(config: &Config<'_>, rings: (usize, usize), acks: Acks, ops: &[Op]) {
    let mut world =
        World::<_, 4>::new(config, rings, 7, Off).expect("settings are valid").acknowledged_by(acks);
    world.apply(&Op::Ip(true));
    ops.iter().for_each(|op| world.apply(op));
    world.all_goes_well();
    world.depth();
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
