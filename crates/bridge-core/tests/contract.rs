//! What the contract says at its edges.

use uartbridge_core::{
    Acks, Action, Bridge, Config, Duration, Event, Instant, LinkState, Misuse, Overflow, Packing,
};

/// A bridge with rings of 32 bytes that is connected.
fn connected(config: &Config<'static>) -> Bridge<'static, [u8; 32], [u8; 32], 4> {
    let config = Box::leak(Box::new(*config));
    let mut bridge = Bridge::new(config, 1, [0; 32], [0; 32]).expect("settings are valid");
    let now = Instant::START;
    bridge.handle(now, Event::IpReady).expect("in order");
    assert_eq!(bridge.poll(now), Action::OpenUart);
    bridge.handle(now, Event::UartOpened).expect("in order");
    bridge.handle(now, Event::Timeout).expect("in order");
    assert!(matches!(bridge.poll(now), Action::Connect(_)));
    bridge.handle(now, Event::Connected(Acks::OnWrite)).expect("in order");
    bridge
}

#[test]
fn at_the_end_of_time_nothing_is_due_for_ever() {
    let mut bridge = connected(&Config::DEFAULT);
    let end = Instant::from_micros(u64::MAX);
    assert_eq!(bridge.handle(end, Event::Timeout), Ok(()));
    assert!(matches!(bridge.poll(end), Action::Sleep(_)));
}

#[test]
fn more_than_was_lent_is_refused_on_each_port() {
    let mut bridge = connected(&Config::DEFAULT);
    let now = Instant::START;
    bridge.sock_rx()[..20].fill(1);
    bridge.handle(now, Event::SockRx(20)).expect("lent");
    assert_eq!(bridge.sock_rx().len(), 0, "less than half of the ring is free");
    assert_eq!(bridge.handle(now, Event::SockRx(1)), Err(Misuse::MoreThanLent));

    bridge.handle(now, Event::UartTxDone(19)).expect("lent");
    bridge.handle(now, Event::SockRx(12)).expect("lent");
    bridge.handle(now, Event::SockRx(8)).expect("lent");
    // What it holds lies across its fold, and the first part of it is lent.
    assert_eq!(bridge.uart_tx().len(), 13);
    assert_eq!(bridge.handle(now, Event::UartTxDone(14)), Err(Misuse::MoreThanLent));
    bridge.handle(now, Event::UartTxDone(13)).expect("lent");
    assert_eq!(bridge.uart_tx().len(), 8);
}

#[test]
fn a_bridge_that_has_finished_knows_no_connection() {
    let mut bridge = connected(&Config::DEFAULT);
    let now = Instant::START;
    bridge.handle(now, Event::Stop).expect("always");
    assert!(matches!(bridge.poll(now), Action::Close(_)));
    bridge.handle(now, Event::Closed(uartbridge_core::CloseReason::Done)).expect("in order");
    assert_eq!(bridge.poll(now), Action::Finished);
    for event in [Event::Connected(Acks::Peer), Event::PeerClosed, Event::TxFailed] {
        assert_eq!(bridge.handle(now, event), Err(Misuse::NoConnection), "{event:?}");
    }
    assert_eq!((bridge.link_state(), bridge.stats().connections), (LinkState::Finished, 1));
}

/// With every place for an end of a packet taken, nothing could be read, and what the driver then loses nobody counts.
#[test]
fn a_policy_that_drops_goes_on_reading_when_a_pause_ends_the_last_packet_there_is_place_for() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let gap = Duration::from_millis(20);
        let packing = Packing { max_len: 12, gap, datagrams: true, ..Packing::NONE };
        let mut bridge = connected(&Config { packing, overflow, ..Config::DEFAULT });
        let mut now = Instant::START;
        for _ in 0..6 {
            assert!(!bridge.uart_rx().is_empty(), "{overflow:?}");
            bridge.handle(now, Event::UartRx(1)).expect("lent");
            now = now + gap;
            bridge.handle(now, Event::Timeout).expect("always");
        }
        let stats = bridge.stats();
        assert_eq!((stats.up_held, stats.up_dropped, stats.up_dropped_packets), (3, 3, 3), "{overflow:?}");
    }
}

#[test]
fn a_span_is_told_in_the_largest_unit_that_shows_it_whole() {
    for (micros, told) in [
        (0, "0 ms"),
        (1, "1 µs"),
        (999, "999 µs"),
        (1_000, "1 ms"),
        (1_500, "1500 µs"),
        (100_000, "100 ms"),
        (999_000, "999 ms"),
        (1_000_000, "1 s"),
        (1_000_001, "1000001 µs"),
        (1_500_000, "1.5 s"),
        (1_550_000, "1550 ms"),
        (12_300_000, "12.3 s"),
        (3_600_000_000, "3600 s"),
        (u64::MAX, "never"),
    ] {
        assert_eq!(Duration::from_micros(micros).to_string(), told);
    }
}
