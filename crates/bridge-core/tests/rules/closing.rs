//! Half-closed, failing and ending connections, and the end of the bridge.

use uartbridge_core::{Acks, Close, CloseCause, CloseReason, Config, Duration, Event, LinkState, Timer};

use crate::rig::{Answer, CONFIG, Rig, secs};

#[test]
fn after_the_peers_fin_what_is_held_still_goes_out() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.tell(Event::PeerClosed);
    assert_eq!(rig.bridge.link_state(), LinkState::Closing);
    assert_eq!(rig.asked(), []);
    assert!(rig.bridge.sock_rx().is_empty());
    assert_eq!(rig.writes(2), b"he");
    assert_eq!(rig.writes_all(), b"ld");
    assert_eq!(rig.asked(), []);
    rig.acknowledges();
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::PeerClosed)]);
    assert_eq!(rig.bridge.stats().tx_acked, 4);
}

#[test]
fn a_peer_that_has_closed_gets_only_so_much_time_to_take_the_rest() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.tell(Event::PeerClosed);
    assert_eq!(rig.deadline(), Some((CONFIG.close_timeout, Timer::Close)));
    rig.pass(CONFIG.close_timeout);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::PeerClosed)]);
    assert_eq!(rig.bridge.stats().up_held, 4);
}

#[test]
fn a_greeting_that_is_not_written_goes_out_before_a_half_closed_connection_ends() {
    let mut rig = Rig::connected(Config { greeting: b"hi", ..CONFIG }, 16, 16);
    rig.tell(Event::PeerClosed);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.writes_all(), b"hi");
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::PeerClosed)]);
}

#[test]
fn what_the_peer_sent_before_writing_failed_is_read() {
    let mut rig = Rig::connected(CONFIG, 16, 4);
    rig.says(b"up");
    rig.tell(Event::TxFailed);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.writes_all(), b"");
    let within = Duration::from_micros(CONFIG.close_timeout.as_micros() - 1);
    for _ in 0..4 {
        assert_eq!(rig.hears(b"down"), 4);
        assert_eq!(rig.device_takes(), b"down");
        // Each byte that comes gives it the whole time again.
        rig.pass(within);
    }
    assert_eq!(rig.asked(), []);
    rig.pass(Duration::from_micros(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::CloseTimeout)]);
}

#[test]
fn a_connection_that_neither_reads_nor_writes_is_dropped() {
    for events in [[Event::TxFailed, Event::PeerClosed], [Event::PeerClosed, Event::TxFailed]] {
        let mut rig = Rig::connected(CONFIG, 16, 16);
        rig.says(b"up");
        rig.tell(events[0]);
        assert_eq!(rig.asked(), []);
        rig.tell(events[1]);
        assert_eq!(rig.closed(), [Close::Abort(CloseCause::PeerClosed)]);
    }
}

#[test]
fn a_second_fin_or_failure_changes_nothing() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"up");
    for event in [Event::PeerClosed, Event::PeerClosed] {
        rig.tell(event);
        assert_eq!(rig.asked(), []);
    }
    let mut rig = Rig::connected(CONFIG, 16, 16);
    for event in [Event::TxFailed, Event::TxFailed] {
        rig.tell(event);
        assert_eq!(rig.asked(), []);
    }
}

#[test]
fn bytes_of_the_peer_reach_the_device_after_the_connection_is_gone() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.hears(b"last words");
    rig.breaks();
    assert_eq!(rig.device_takes(), b"last words");
    assert_eq!(rig.bridge.stats().uart_tx, 10);
}

#[test]
fn bytes_in_flight_are_sent_again_and_those_acknowledged_are_not() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"abcdef");
    rig.writes(4);
    rig.has = 1;
    rig.tell(Event::TxAcked(1));
    rig.breaks();
    rig.pass(secs(1));
    assert_eq!(rig.writes_all(), b"bcdef");
    assert_eq!(rig.bridge.stats().replayed, 3);
}

#[test]
fn a_stop_delivers_what_is_held_then_closes_and_finishes() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.tell(Event::Stop);
    assert!(rig.bridge.uart_rx().is_empty(), "nothing more is taken in");
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.writes_all(), b"held");
    assert_eq!(rig.asked(), []);
    rig.closes = false;
    rig.acknowledges();
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Stopping)]);
    assert!(!rig.finished);
    rig.hears(b"bye");
    rig.tell(Event::Closed(CloseReason::Done));
    assert!(!rig.finished, "the device has not got it");
    assert_eq!(rig.device_takes(), b"bye");
    assert!(rig.finished);
    assert_eq!(rig.bridge.link_state(), LinkState::Finished);
    assert_eq!(rig.deadline(), None);
}

#[test]
fn a_stop_writes_the_greeting_before_it_leaves() {
    let mut rig = Rig::connected(Config { greeting: b"hi", ..CONFIG }, 16, 16);
    rig.tell(Event::Stop);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.writes_all(), b"hi");
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Stopping)]);
}

#[test]
fn a_stop_ends_although_nobody_takes_anything() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.writes_all();
    rig.tell(Event::Stop);
    rig.pass(Duration::from_micros(CONFIG.drain_timeout.as_micros() - 1));
    assert!(!rig.finished);
    assert_eq!(rig.asked(), []);
    rig.pass(Duration::from_micros(1));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Stopping)]);
    assert!(rig.finished);
}

#[test]
fn a_stop_ends_although_nobody_answers() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::Refuses);
    rig.says(b"held");
    rig.tell(Event::Stop);
    let mut longest = Duration::ZERO;
    let start = rig.now;
    while let Some((pause, _)) = rig.deadline() {
        longest = longest.max(pause);
        rig.pass(pause);
    }
    assert!(rig.finished);
    assert_eq!(rig.now.since(start), CONFIG.drain_timeout);
    // A long back-off must not outlast the drain time.
    assert_eq!(longest, Duration::from_micros(CONFIG.drain_timeout.as_micros() / 8));
}

#[test]
fn a_stop_without_an_address_waits_for_one_only_so_long() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.tell(Event::IpLost);
    rig.tell(Event::Stop);
    assert_eq!(rig.deadline(), Some((CONFIG.drain_timeout, Timer::Drain)));
    assert!(!rig.finished);
    rig.pass(CONFIG.drain_timeout);
    assert!(rig.finished);
}

#[test]
fn a_stop_during_the_back_off_dials_at_once_if_there_is_something_to_say() {
    for held in [&b"held"[..], b""] {
        let mut rig = Rig::new(CONFIG, 16, 16, Answer::Refuses);
        rig.says(held);
        rig.pass(secs(3));
        rig.answer = Answer::Connects;
        rig.tell(Event::Stop);
        assert_eq!((rig.is_open(), rig.finished), (!held.is_empty(), held.is_empty()));
    }
}

#[test]
fn a_stop_with_bytes_for_the_device_alone_plans_no_attempt() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.hears(b"down");
    rig.breaks();
    assert_eq!(rig.bridge.link_state(), LinkState::BackOff(secs(1)));
    rig.tell(Event::Stop);
    assert_eq!((rig.bridge.link_state(), rig.finished), (LinkState::Parked, false));
    assert_eq!(rig.device_takes(), b"down");
    assert!(rig.finished);
}

#[test]
fn a_stop_with_nothing_to_say_gives_an_attempt_up() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    rig.asked();
    rig.tell(Event::Stop);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::Stopping)]);
    assert!(rig.finished);
    assert_eq!(rig.bridge.stats().failures, 0);
}

#[test]
fn a_second_stop_does_not_lengthen_the_first() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"held");
    rig.tell(Event::Stop);
    rig.pass(secs(3));
    rig.tell(Event::Stop);
    assert_eq!(rig.deadline().map(|(left, _)| left <= secs(2)), Some(true));
    rig.pass(secs(2));
    assert!(rig.finished);
}

#[test]
fn a_close_that_the_peer_does_not_answer_becomes_an_abort() {
    let mut rig = Rig::connected(Config { drain_timeout: secs(60), ..CONFIG }, 16, 16);
    rig.closes = false;
    rig.tell(Event::Stop);
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Stopping)]);
    assert_eq!(rig.deadline(), Some((CONFIG.close_timeout, Timer::Close)));
    rig.pass(CONFIG.close_timeout);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::CloseTimeout)]);
    assert_eq!(rig.deadline().map(|(_, timer)| timer), None, "only the socket's end is awaited");
    rig.tell(Event::Closed(CloseReason::Done));
    assert!(rig.finished);
}

#[test]
fn a_close_that_the_peer_does_not_answer_is_told_as_such_when_the_time_for_a_stop_ends_with_it() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    assert_eq!(CONFIG.close_timeout, CONFIG.drain_timeout);
    rig.closes = false;
    rig.tell(Event::Stop);
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Stopping)]);
    rig.pass(CONFIG.close_timeout);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::CloseTimeout)]);
}

#[test]
fn an_address_that_goes_ends_the_connection() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.closes = false;
    rig.says(b"up");
    rig.tell(Event::IpLost);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::IpLost)]);
    assert_eq!(rig.writes_all(), b"");
    rig.tell(Event::IpLost);
    assert_eq!(rig.closed(), [], "once");
}

#[test]
fn a_pipe_that_has_ended_is_delivered_however_long_that_takes() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::Refuses);
    rig.says(b"held");
    rig.tell(Event::UartEnded);
    rig.pass(secs(1_000));
    assert!(!rig.finished);
    rig.answer = Answer::Connects;
    rig.pass(CONFIG.backoff.max);
    assert_eq!(rig.writes_all(), b"held");
    rig.acknowledges();
    assert!(rig.finished);
}

#[test]
fn a_pipe_that_has_ended_empty_wants_one_connection_for_what_may_come_down() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    rig.closes = false;
    rig.tell(Event::UartEnded);
    assert!(!rig.finished);
    rig.tell(Event::Connected(Acks::Peer));
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Stopping)]);
    rig.hears(b"answer");
    rig.tell(Event::PeerClosed);
    rig.tell(Event::Closed(CloseReason::Done));
    assert_eq!(rig.device_takes(), b"answer");
    assert!(rig.finished);
}

#[test]
fn a_pipe_that_takes_nothing_more_is_not_waited_for() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.closes = false;
    rig.hears(b"unheard");
    rig.tell(Event::UartEnded);
    rig.tell(Event::Closed(CloseReason::Done));
    assert!(!rig.finished);
    rig.tell(Event::UartClosed);
    assert!(rig.finished);
}
