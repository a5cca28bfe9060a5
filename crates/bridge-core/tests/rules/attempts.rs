//! Back-off, fail-over and the ladder.

use uartbridge_core::{
    Backoff, Close, CloseCause, CloseReason, Config, Duration, Event, Ladder, LinkState, PeerIndex, Step,
    Timer,
};

use crate::rig::{Answer, Asked, CONFIG, Rig, secs};

/// The pauses of the next `n` failing attempts, in seconds.
fn pauses(rig: &mut Rig, n: usize) -> Vec<u64> {
    let mut pauses = Vec::new();
    for _ in 0..n {
        let (pause, timer) = rig.deadline().expect("a next attempt");
        assert_eq!(timer, Timer::BackOff);
        pauses.push(pause.as_micros() / 1_000_000);
        rig.pass(pause);
    }
    pauses
}

#[test]
fn pauses_grow_while_nobody_answers_and_start_anew_after_a_connection_that_lasted() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::Refuses);
    assert_eq!(pauses(&mut rig, 5), [1, 2, 4, 8, 8]);
    rig.answer = Answer::Connects;
    rig.pass(secs(8));
    assert!(rig.is_open());
    assert_eq!(rig.bridge.stats().failures, 6);
    rig.pass(secs(10));
    rig.answer = Answer::Refuses;
    rig.breaks();
    assert_eq!(rig.bridge.stats().failures, 0);
    assert_eq!(pauses(&mut rig, 3), [1, 1, 2]);
}

#[test]
fn a_connection_that_does_not_last_counts_as_a_failure() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    let just_not = Duration::from_micros(secs(10).as_micros() - 1);
    for pause in [1, 2, 4, 8] {
        assert!(rig.is_open());
        rig.pass(just_not);
        rig.breaks();
        assert_eq!(rig.deadline(), Some((secs(pause), Timer::BackOff)));
        rig.pass(secs(pause));
    }
}

#[test]
fn an_attempt_that_nobody_answers_is_given_up() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    assert_eq!(rig.deadline(), Some((CONFIG.connect_timeout, Timer::Connect)));
    assert_eq!(rig.bridge.link_state(), LinkState::Connecting(PeerIndex(0)));
    rig.asked();
    rig.pass(CONFIG.connect_timeout);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::ConnectTimeout)]);
    assert_eq!(rig.deadline(), Some((secs(1), Timer::BackOff)));
    assert_eq!(rig.bridge.link_state(), LinkState::BackOff(secs(1)));
    assert_eq!((rig.bridge.stats().attempts, rig.bridge.stats().failures), (1, 1));
}

#[test]
fn a_connection_that_comes_after_it_was_given_up_is_dropped() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    rig.closes = false;
    rig.pass(CONFIG.connect_timeout);
    rig.asked();
    assert_eq!(rig.bridge.link_state(), LinkState::Closing);
    rig.tell(Event::Connected(rig.acks));
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::ConnectTimeout)]);
    rig.says(b"late");
    assert_eq!(rig.writes_all(), b"");
    assert!(rig.bridge.sock_rx().is_empty());
    rig.tell(Event::Closed(CloseReason::Done));
    assert_eq!(rig.deadline(), Some((secs(1), Timer::BackOff)));
}

#[test]
fn fail_over_goes_through_all_peers_and_back() {
    let ladder = Ladder { next_peer: 2, ..CONFIG.ladder };
    let mut rig = Rig::new(Config { peers: 3, ladder, ..CONFIG }, 16, 16, Answer::Refuses);
    let mut peers = Vec::new();
    for _ in 0..7 {
        for asked in rig.asked() {
            if let Asked::Connect(PeerIndex(peer)) = asked {
                peers.push(peer);
            }
        }
        assert_eq!(rig.bridge.peer().0, [0, 1, 1, 2, 2, 0, 0][peers.len() - 1]);
        rig.pass(rig.deadline().expect("a next attempt").0);
    }
    assert_eq!(peers, [0, 0, 1, 1, 2, 2, 0]);
}

#[test]
fn steps_of_the_ladder_are_told_once_each() {
    let ladder = Ladder { reset_radio: 2, restart: 3, ..CONFIG.ladder };
    let mut rig = Rig::new(Config { ladder, ..CONFIG }, 16, 16, Answer::Refuses);
    pauses(&mut rig, 3);
    let steps: Vec<_> = rig.asked().into_iter().filter(|asked| matches!(asked, Asked::Recover(_))).collect();
    assert_eq!(steps, [Step::ResetRadio, Step::Restart, Step::ResetRadio].map(Asked::Recover));
}

#[test]
fn being_long_without_an_address_is_a_failure_each_time() {
    let ladder = Ladder { reset_radio: 2, no_ip: secs(60), ..CONFIG.ladder };
    let mut rig = Rig::connected(Config { ladder, ..CONFIG }, 16, 16);
    rig.tell(Event::IpLost);
    assert_eq!(rig.asked(), [Asked::Close(Close::Abort(CloseCause::IpLost))]);
    assert_eq!(rig.bridge.link_state(), LinkState::NoIp);
    assert_eq!(rig.bridge.stats().failures, 0);
    rig.pass(secs(59));
    assert_eq!((rig.asked(), rig.bridge.stats().failures), (vec![], 0));
    rig.pass(secs(1));
    assert_eq!((rig.asked(), rig.bridge.stats().failures), (vec![], 1));
    rig.pass(secs(60));
    assert_eq!(rig.asked(), [Asked::Recover(Step::ResetRadio)]);
    rig.tell(Event::IpReady);
    assert!(rig.is_open(), "an address is tried at once");
}

#[test]
fn an_address_that_goes_during_an_attempt_ends_it_without_blame() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    rig.asked();
    rig.tell(Event::IpLost);
    assert_eq!(rig.closed(), [Close::Abort(CloseCause::IpLost)]);
    assert_eq!((rig.bridge.link_state(), rig.bridge.stats().failures), (LinkState::NoIp, 0));
}

#[test]
fn an_address_that_comes_back_before_the_socket_is_gone_is_not_forgotten() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.closes = false;
    rig.tell(Event::IpLost);
    rig.tell(Event::IpReady);
    rig.tell(Event::Closed(CloseReason::Done));
    assert_eq!(rig.deadline(), Some((secs(1), Timer::BackOff)));
}

#[test]
fn the_same_seed_gives_the_same_pauses() {
    let jittery = Config { backoff: Backoff { jitter: true, ..CONFIG.backoff }, ..CONFIG };
    let run = || {
        let mut rig = Rig::new(jittery, 16, 16, Answer::Refuses);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let (pause, _) = rig.deadline().expect("a next attempt");
            pauses.push(pause);
            rig.pass(pause);
        }
        pauses
    };
    assert_eq!(run(), run());
}
