//! Calls that the contract excludes have no effect.

use uartbridge_core::{Acks, CloseReason, Config, Event, Misuse, Packing};

use crate::rig::{Answer, CONFIG, Rig};

/// The core refuses `event` for `why`, and is as it was.
fn refuses(rig: &mut Rig, event: Event, why: Misuse) {
    let before = format!("{:?}", rig.bridge);
    assert_eq!(rig.misuse(event), Some(why), "{event:?}");
    assert_eq!(format!("{:?}", rig.bridge), before, "{event:?}");
}

#[test]
fn more_than_was_lent_is_refused() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    refuses(&mut rig, Event::UartRx(17), Misuse::MoreThanLent);
    refuses(&mut rig, Event::SockRx(9), Misuse::MoreThanLent);
    refuses(&mut rig, Event::TxDone(1), Misuse::MoreThanLent);
    refuses(&mut rig, Event::UartTxDone(1), Misuse::MoreThanLent);
    rig.says(b"four");
    rig.hears(b"two");
    refuses(&mut rig, Event::TxDone(5), Misuse::MoreThanLent);
    refuses(&mut rig, Event::UartTxDone(4), Misuse::MoreThanLent);
    refuses(&mut rig, Event::UartRx(13), Misuse::MoreThanLent);
    rig.says(&[0; 12]);
    refuses(&mut rig, Event::UartRx(1), Misuse::MoreThanLent);
}

#[test]
fn more_of_a_greeting_than_was_lent_is_refused() {
    let mut rig = Rig::connected(Config { greeting: b"hi", ..CONFIG }, 16, 8);
    rig.says(b"four");
    refuses(&mut rig, Event::TxDone(3), Misuse::MoreThanLent);
}

#[test]
fn a_peer_cannot_have_more_than_was_written() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    rig.says(b"four");
    rig.writes(3);
    refuses(&mut rig, Event::TxAcked(4), Misuse::AckedUnwritten);
    rig.tell(Event::TxAcked(3));
    assert_eq!(rig.bridge.stats().tx_acked, 3);
}

#[test]
fn an_acknowledgement_that_is_older_than_the_last_changes_nothing() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    rig.says(b"four");
    rig.writes_all();
    for (total, acked) in [(3, 3), (1, 3), (0, 3), (4, 4)] {
        rig.tell(Event::TxAcked(total));
        assert_eq!(rig.bridge.stats().tx_acked, acked);
    }
}

#[test]
fn part_of_a_datagram_is_refused() {
    let packing = Packing { max_len: 8, datagrams: true, ..Packing::NONE };
    let mut rig = Rig::connected(Config { packing, ..CONFIG }, 16, 8);
    rig.says(b"four");
    refuses(&mut rig, Event::TxDone(3), Misuse::SplitDatagram);
    assert_eq!(rig.writes_all(), b"four");
}

#[test]
fn events_of_a_connection_need_one() {
    let mut rig = Rig::new(CONFIG, 16, 8, Answer::Refuses);
    for event in [
        Event::TxDone(0),
        Event::TxAcked(0),
        Event::SockRx(0),
        Event::PeerClosed,
        Event::TxFailed,
        Event::Closed(CloseReason::Reset),
        Event::Connected(Acks::Peer),
    ] {
        refuses(&mut rig, event, Misuse::NoConnection);
    }
}

#[test]
fn a_second_connection_is_refused() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    refuses(&mut rig, Event::Connected(Acks::Peer), Misuse::NoConnection);
}

#[test]
fn a_device_opens_and_goes_only_when_it_can() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    refuses(&mut rig, Event::UartOpened, Misuse::NotAsked);
    rig.tell(Event::UartClosed);
    refuses(&mut rig, Event::UartClosed, Misuse::NotAsked);
    refuses(&mut rig, Event::UartOpened, Misuse::NotAsked);
    refuses(&mut rig, Event::UartEnded, Misuse::NotAsked);
}

#[test]
fn a_device_that_is_away_takes_and_brings_nothing() {
    let mut rig = Rig::connected(CONFIG, 16, 8);
    rig.hears(b"down");
    rig.tell(Event::UartClosed);
    refuses(&mut rig, Event::UartRx(1), Misuse::MoreThanLent);
    refuses(&mut rig, Event::UartTxDone(1), Misuse::MoreThanLent);
}

#[test]
fn each_misuse_says_what_it_is() {
    let all = [
        Misuse::MoreThanLent,
        Misuse::SplitDatagram,
        Misuse::AckedUnwritten,
        Misuse::NoConnection,
        Misuse::NotAsked,
    ];
    let mut texts = all.map(|misuse| misuse.to_string());
    texts.sort();
    assert!(texts.iter().all(|text| !text.is_empty()) && texts.windows(2).all(|pair| pair[0] != pair[1]));
}
