//! When a connection counts as dead.

use uartbridge_core::{
    Acks, Close, CloseCause, Config, Duration, Event, Heartbeat, Instant, Supervise, Timer,
};

use crate::rig::{Answer, CONFIG, Rig, secs};

const SILENT: Config<'static> =
    Config { supervise: Supervise { silent: secs(20), ..CONFIG.supervise }, ..CONFIG };

#[test]
fn a_peer_that_acknowledges_nothing_is_given_up() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.pass(secs(100));
    rig.says(b"data");
    rig.writes_all();
    rig.pass(secs(29));
    assert_eq!(rig.asked(), []);
    rig.pass(secs(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Unacked)]);
}

#[test]
fn each_acknowledgement_gives_the_peer_the_whole_time_again() {
    let mut rig = Rig::connected(CONFIG, 64, 16);
    rig.says(b"seven b");
    rig.writes_all();
    for has in 1..7 {
        rig.pass(secs(29));
        rig.has = has;
        rig.tell(Event::TxAcked(has));
        assert!(rig.is_open(), "{has}");
    }
    rig.pass(Duration::from_millis(29_999));
    assert!(rig.asked().is_empty());
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Unacked)]);
}

#[test]
fn more_bytes_written_give_a_dead_peer_no_more_time() {
    let mut rig = Rig::connected(CONFIG, 64, 16);
    for _ in 0..30 {
        assert!(rig.is_open());
        rig.says(b"x");
        rig.writes_all();
        rig.pass(secs(1));
    }
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Unacked)]);
}

#[test]
fn a_greeting_that_nobody_acknowledges_shows_a_dead_peer() {
    let mut rig = Rig::connected(Config { greeting: b"hello", ..CONFIG }, 16, 16);
    assert_eq!(rig.writes_all(), b"hello");
    rig.pass(secs(29));
    assert!(rig.is_open());
    rig.pass(secs(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Unacked)]);
}

#[test]
fn a_greeting_counts_as_acknowledged_when_all_of_it_is() {
    let mut rig = Rig::connected(Config { greeting: b"hello", ..CONFIG }, 16, 16);
    rig.writes_all();
    rig.has = 5;
    rig.pass(secs(300));
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.deadline(), None, "nothing is outstanding");
    assert_eq!(rig.bridge.stats().tx_acked, 0);
}

#[test]
fn a_heartbeat_that_followed_an_unacknowledged_greeting_is_still_awaited_when_that_has_arrived() {
    let heartbeat = Heartbeat { bytes: b"PING", after: secs(10) };
    let mut rig = Rig::connected(Config { greeting: b"hello", heartbeat, ..CONFIG }, 16, 16);
    rig.writes_all();
    rig.pass(secs(10));
    assert_eq!(rig.writes_all(), b"PING");
    rig.has = 5;
    rig.tell(Event::TxAcked(5));
    let arrived = rig.now;
    // Heartbeats go on, and none of them is acknowledged.
    while rig.is_open() && rig.now.since(arrived) < secs(60) {
        rig.writes_all();
        rig.pass(secs(1));
    }
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Unacked)]);
    assert_eq!(rig.now.since(arrived), secs(30));
}

#[test]
fn a_device_that_stood_still_asks_before_it_gives_a_peer_up() {
    // Whether the usual question or the last one is due first.
    for query in [secs(1), secs(60)] {
        let supervise = Supervise { query, ..CONFIG.supervise };
        let mut rig = Rig::connected(Config { supervise, ..CONFIG }, 32, 16);
        rig.says(b"data");
        rig.writes_all();
        rig.has = 4;
        rig.stand_still(secs(300));
        assert!(rig.is_open());
        assert_eq!((rig.questions, rig.bridge.stats().tx_acked), (1, 4));
    }
}

#[test]
fn questions_end_when_all_is_acknowledged() {
    let mut rig = Rig::connected(CONFIG, 64, 16);
    rig.says(b"data");
    rig.writes(2);
    assert_eq!(rig.deadline(), Some((CONFIG.supervise.query, Timer::QueryAcks)));
    rig.writes_all();
    rig.has = 4;
    rig.pass(secs(1));
    assert_eq!((rig.questions, rig.bridge.stats().tx_acked, rig.deadline()), (1, 4, None));
}

#[test]
fn a_quarter_of_the_ring_written_is_asked_about_at_once() {
    let mut rig = Rig::connected(CONFIG, 64, 16);
    rig.says(&[7; 15]);
    rig.writes_all();
    assert_eq!(rig.questions, 0);
    rig.says(&[7]);
    rig.writes_all();
    assert_eq!(rig.questions, 1);
    // And then again after as much.
    rig.says(&[7; 16]);
    rig.writes(15);
    assert_eq!(rig.questions, 1);
    rig.writes(1);
    assert_eq!(rig.questions, 2);
}

/// Whether the next question is asked within milliseconds, and not after the usual time.
fn asks_soon(rig: &Rig) -> bool {
    let (pause, timer) = rig.deadline().expect("a question");
    assert_eq!(timer, Timer::QueryAcks);
    assert!(pause <= Duration::from_millis(4) || pause == CONFIG.supervise.query, "{pause}");
    pause != CONFIG.supervise.query
}

#[test]
fn a_ring_with_less_than_a_quarter_free_asks_soon() {
    let mut rig = Rig::connected(CONFIG, 64, 16);
    rig.says(&[7; 48]);
    rig.writes_all();
    assert!(!asks_soon(&rig));
    rig.says(&[7]);
    rig.writes_all();
    assert!(asks_soon(&rig));
}

#[test]
fn a_connection_that_only_waits_for_acknowledgements_to_end_asks_soon() {
    for end in [Event::PeerClosed, Event::Stop] {
        let mut rig = Rig::connected(CONFIG, 64, 16);
        rig.says(b"last");
        rig.writes_all();
        assert!(!asks_soon(&rig));
        rig.tell(end);
        assert!(asks_soon(&rig), "{end:?}");
    }
}

#[test]
fn a_greeting_alone_however_long_is_not_asked_about_at_once() {
    let mut rig = Rig::connected(Config { greeting: &[7; 64], ..CONFIG }, 64, 16);
    assert_eq!(rig.writes_all().len(), 64);
    assert_eq!(rig.questions, 0);
    rig.pass(CONFIG.supervise.query);
    assert_eq!(rig.questions, 1);
}

#[test]
fn of_a_large_ring_64_kib_written_are_asked_about_at_once() {
    let mut rig = Rig::connected(CONFIG, 1 << 20, 16);
    rig.says(&[7; 64 * 1024]);
    rig.writes(64 * 1024 - 1);
    assert_eq!(rig.questions, 0);
    rig.writes(1);
    assert_eq!(rig.questions, 1);
}

#[test]
fn a_peer_that_says_nothing_is_given_up_where_that_is_wished() {
    let mut rig = Rig::connected(SILENT, 16, 16);
    rig.pass(secs(19));
    assert_eq!(rig.hears(b"a"), 1);
    rig.pass(secs(19));
    assert_eq!(rig.asked(), []);
    rig.pass(secs(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Silent)]);
}

#[test]
fn silence_is_normal_by_default() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.pass(secs(100_000));
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.deadline(), None);
}

#[test]
fn where_nobody_acknowledges_nobody_is_asked() {
    let mut rig = Rig::new(Config { greeting: b"hello", ..SILENT }, 16, 16, Answer::None);
    rig.acks = Acks::OnWrite;
    rig.tell(Event::Connected(Acks::OnWrite));
    rig.says(b"data");
    rig.writes_all();
    assert_eq!(rig.bridge.stats().tx_acked, 4);
    assert_eq!(rig.deadline(), Some((secs(20), Timer::Silent)));
    assert_eq!(rig.questions, 0);
}

#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let mut rig = Rig::connected(SILENT, 16, 16);
    let before = rig.now;
    rig.now = Instant::from_micros(before.as_micros() - 500_000_000);
    rig.tell(Event::Timeout);
    assert_eq!(rig.bridge.poll_timeout(), Some((before + secs(20), Timer::Silent)));
    rig.says(b"x");
    rig.writes_all();
    assert_eq!(rig.bridge.poll_timeout(), Some((before + secs(1), Timer::QueryAcks)));
    rig.breaks();
    assert_eq!(rig.bridge.poll_timeout(), Some((before + CONFIG.backoff.first, Timer::BackOff)));
}
