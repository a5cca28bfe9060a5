//! Greetings and heartbeats: the bridge's own bytes in the uplink.

use uartbridge_core::{Config, Duration, Event, Heartbeat, Timer};

use crate::rig::{CONFIG, Rig, secs};

const BEATS: Config<'static> = Config { heartbeat: Heartbeat { bytes: b"PING", after: secs(10) }, ..CONFIG };

#[test]
fn a_heartbeat_comes_after_idle_time_and_not_before() {
    let mut rig = Rig::connected(BEATS, 16, 16);
    assert_eq!(rig.deadline(), Some((secs(10), Timer::Heartbeat)));
    rig.pass(Duration::from_millis(9_999));
    assert_eq!(rig.writes_all(), b"");
    rig.pass(Duration::from_millis(1));
    assert_eq!((rig.writes(2), rig.writes_all()), (b"PI".to_vec(), b"NG".to_vec()));
    rig.acknowledges();
    assert_eq!(rig.deadline(), Some((secs(10), Timer::Heartbeat)));
    assert_eq!(rig.bridge.stats().heartbeats, 1);
}

#[test]
fn what_the_device_says_puts_a_heartbeat_off() {
    let mut rig = Rig::connected(BEATS, 16, 16);
    rig.pass(secs(9));
    rig.says(b"data");
    assert_eq!(rig.writes_all(), b"data");
    rig.acknowledges();
    rig.pass(secs(9));
    assert_eq!(rig.writes_all(), b"");
    rig.pass(secs(1));
    assert_eq!(rig.writes_all(), b"PING");
}

#[test]
fn no_heartbeat_comes_while_bytes_wait_or_are_on_their_way() {
    let mut rig = Rig::connected(BEATS, 16, 16);
    rig.says(b"data");
    rig.pass(secs(11));
    assert_eq!(rig.writes_all(), b"data");
    rig.pass(secs(11));
    assert_eq!(rig.writes_all(), b"");
    rig.acknowledges();
    assert_eq!(rig.writes_all(), b"PING");
}

#[test]
fn a_heartbeat_is_no_byte_of_the_device() {
    let mut rig = Rig::connected(BEATS, 16, 16);
    rig.pass(secs(10));
    assert_eq!(rig.writes(3), b"PIN");
    rig.says(b"data");
    assert_eq!(rig.writes_all(), b"Gdata");
    rig.has = 6;
    rig.tell(Event::TxAcked(6));
    assert_eq!(rig.bridge.stats().tx_acked, 2);
    rig.breaks();
    rig.pass(secs(1));
    assert_eq!(rig.writes_all(), b"ta");
    assert_eq!(rig.bridge.stats().replayed, 2);
}

#[test]
fn a_greeting_precedes_everything_on_each_connection() {
    let mut rig = Rig::connected(Config { greeting: b"ID 7;", ..CONFIG }, 16, 16);
    rig.says(b"one");
    assert_eq!(rig.writes_all(), b"ID 7;one");
    rig.has = 6;
    rig.tell(Event::TxAcked(6));
    rig.breaks();
    rig.pass(secs(1));
    rig.says(b"two");
    assert_eq!(rig.writes(6), b"ID 7;");
    assert_eq!(rig.writes_all(), b"netwo");
}

#[test]
fn a_greeting_counts_towards_the_total_of_its_connection() {
    let mut rig = Rig::connected(Config { greeting: b"ID 7;", ..CONFIG }, 16, 16);
    rig.says(b"one");
    rig.writes_all();
    assert_eq!(rig.bridge.tx_total(), 8);
    rig.breaks();
    assert_eq!(rig.bridge.tx_total(), 0);
}

#[test]
fn a_greeting_is_not_written_where_nothing_can_be() {
    let mut rig = Rig::connected(Config { greeting: b"ID 7;", ..CONFIG }, 16, 16);
    rig.tell(Event::TxFailed);
    assert_eq!(rig.writes_all(), b"");
}
