//! Which settings can work, and the tutorial's.

use uartbridge_core::{
    Backoff, Config, ConfigError, Delimiter, Duration, Heartbeat, Ladder, Overflow, Packing, Supervise, Timer,
};

use crate::rig::{Answer, CONFIG, Rig, secs};

const LARGEST: usize = (1 << 31) - 1;

/// The field that is wrong, with rings of so many bytes.
fn wrong(config: Config<'_>, (up, down): (usize, usize)) -> Option<&'static str> {
    config.validate(up, down).err().map(|error| error.field)
}

fn backoff(first: Duration, max: Duration) -> Config<'static> {
    Config { backoff: Backoff { first, max, ..CONFIG.backoff }, ..CONFIG }
}

fn packing(packing: Packing) -> Config<'static> {
    Config { packing, ..CONFIG }
}

#[test]
fn rings_have_a_smallest_and_a_largest_size() {
    assert_eq!(wrong(CONFIG, (1, 1)), None);
    assert_eq!(wrong(CONFIG, (0, 1)), Some("up"));
    assert_eq!(wrong(CONFIG, (1, 0)), Some("down"));
    assert_eq!(wrong(CONFIG, (LARGEST, LARGEST)), None);
    assert_eq!(wrong(CONFIG, (LARGEST + 1, 1)), Some("up"));
    assert_eq!(wrong(CONFIG, (1, LARGEST + 1)), Some("down"));
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let dropping = Config { overflow, ..CONFIG };
        assert_eq!((wrong(dropping, (15, 1)), wrong(dropping, (16, 1))), (Some("up"), None));
    }
}

#[test]
fn a_packet_fits_the_ring_and_a_datagram_udp() {
    let long = |max_len| packing(Packing { max_len, ..Packing::NONE });
    assert_eq!(wrong(long(64), (64, 1)), None);
    assert_eq!(wrong(long(65), (64, 1)), Some("packing.max_len"));
    assert_eq!(wrong(long(65_508), (1 << 20, 1)), None, "no datagram");
    let datagrams = |max_len| packing(Packing { max_len, datagrams: true, ..Packing::NONE });
    for (length, fits) in [(0, false), (1, true), (65_507, true), (65_508, false)] {
        assert_eq!(wrong(datagrams(length), (1 << 20, 1)).is_none(), fits, "{length}");
    }
}

#[test]
fn there_is_a_peer_and_the_first_pause_is_not_above_all_others() {
    assert_eq!(wrong(Config { peers: 0, ..CONFIG }, (1, 1)), Some("peers"));
    assert_eq!(wrong(backoff(secs(2), secs(2)), (1, 1)), None);
    assert_eq!(wrong(backoff(secs(3), secs(2)), (1, 1)), Some("backoff.first"));
    assert_eq!(wrong(backoff(Duration::ZERO, Duration::ZERO), (1, 1)), None, "at once is a pause");
}

#[test]
fn what_would_come_again_and_again_at_once_is_refused() {
    let zero = Duration::ZERO;
    let supervise = CONFIG.supervise;
    for (config, field) in [
        (Config { connect_timeout: zero, ..CONFIG }, "connect_timeout"),
        (Config { uart_retry: zero, ..CONFIG }, "uart_retry"),
        (packing(Packing { gap: zero, ..Packing::NONE }), "packing.gap"),
        (Config { heartbeat: Heartbeat { bytes: b"x", after: zero }, ..CONFIG }, "heartbeat.after"),
        (Config { supervise: Supervise { unacked: zero, ..supervise }, ..CONFIG }, "supervise.unacked"),
        (Config { supervise: Supervise { silent: zero, ..supervise }, ..CONFIG }, "supervise.silent"),
        (Config { supervise: Supervise { query: zero, ..supervise }, ..CONFIG }, "supervise.query"),
        (Config { ladder: Ladder { no_ip: zero, ..CONFIG.ladder }, ..CONFIG }, "ladder.no_ip"),
    ] {
        assert_eq!(config.validate(1, 1), Err(ConfigError { field, must: "be above zero" }));
    }
    let none = Config { heartbeat: Heartbeat { bytes: b"", after: zero }, ..CONFIG };
    assert_eq!(wrong(none, (1, 1)), None, "there is no heartbeat");
}

#[test]
fn what_must_end_is_not_for_ever() {
    let never = Duration::NEVER;
    for (config, field) in [
        (Config { close_timeout: never, ..CONFIG }, "close_timeout"),
        (Config { drain_timeout: never, ..CONFIG }, "drain_timeout"),
        (backoff(secs(1), never), "backoff.max"),
    ] {
        assert_eq!(config.validate(1, 1), Err(ConfigError { field, must: "end" }));
    }
    assert_eq!(wrong(Config { connect_timeout: never, ..CONFIG }, (1, 1)), None, "a listener");
}

#[test]
fn what_is_wrong_is_one_sentence() {
    let error = Config { peers: 0, ..CONFIG }.validate(1, 1).expect_err("there is no peer");
    assert_eq!(error.to_string(), "peers must be at least 1");
}

#[test]
fn a_mark_has_one_to_four_bytes() {
    assert_eq!((Delimiter::new(b""), Delimiter::new(b"12345")), (None, None));
    for mark in [&b"1"[..], b"12", b"123", b"1234"] {
        assert_eq!(Delimiter::new(mark).as_ref().map(Delimiter::as_bytes), Some(mark));
    }
}

#[test]
fn the_tutorial_greets_and_tries_again_each_second() {
    let mut rig = Rig::new(Config::tutorial(), 16, 16, Answer::Refuses);
    for _ in 0..5 {
        assert_eq!(rig.deadline(), Some((secs(1), Timer::BackOff)));
        rig.pass(secs(1));
    }
    rig.answer = Answer::Connects;
    rig.pass(secs(1));
    assert_eq!(rig.writes_all(), b"TCP  CONNECT");
    rig.answer = Answer::Refuses;
    rig.breaks();
    assert_eq!(rig.bridge.stats().failures, 0, "any connection has worked");
    assert_eq!(wrong(Config::tutorial(), (Config::TUTORIAL_RING, Config::TUTORIAL_RING)), None);
}
