//! From when on a connection counts as one: what shows that the server has accepted this client, and what does not.

mod common;
use common::*;
use std::time::Duration;
use uartbridge_tls::{Event, Failure, Standing, State};

#[test]
fn nothing_counts_before_the_server_has_had_its_say() {
    let World { config, certificate } = world();
    let mut pair = Pair::new(&config, silent(&certificate));
    pair.run();
    assert_eq!(pair.client.state(), State::Unproven);
    assert_eq!(pair.client.write_plain(b"held back"), 9);
    pair.run();
    let second = Duration::from_secs(1);
    assert_eq!(pair.client.poll_timeout(), Some(second / 4), "ask what is acknowledged");
    pair.client.handle(100 * second, Event::Acked(1)).expect("written");
    assert_eq!(pair.client.state(), State::Unproven, "silence of a server that has not heard us");
    pair.client.handle(101 * second, Event::Acked(pair.sent)).expect("written");
    assert_eq!((pair.client.state(), pair.client.acked()), (State::Unproven, 0));
    assert_eq!(pair.client.poll_timeout(), Some(102 * second));
    pair.client.handle(102 * second, Event::Acked(pair.sent)).expect("written");
    assert_eq!((pair.client.state(), pair.client.acked()), (State::Proven, 9));
    assert_eq!(pair.client.poll_timeout(), None);
}

/// It proves nothing if the server cannot have heard of us yet.
#[test]
fn early_data_is_no_proof() {
    let World { config, certificate } = world();
    let mut server = silent(&certificate);
    server.send_half_rtt_data = true;
    let mut pair = Pair::new(&config, server);
    pair.server_writes(b"early");
    pair.run();
    assert_eq!((pair.client.state(), pair.client.readable()), (State::Unproven, 5));
    assert_eq!(pair.client.standing(), Standing::Connecting);
    pair.server_writes(b"late");
    pair.run();
    assert_eq!(pair.client.state(), State::Proven);
    assert_eq!(pair.client_reads(), b"earlylate");
}

#[test]
fn a_farewell_is_no_proof() {
    let World { config, certificate } = world();
    let mut pair = Pair::new(&config, silent(&certificate));
    pair.run();
    pair.server.send_close_notify();
    pair.run();
    assert_eq!(pair.client.standing(), Standing::Over(Some(Failure::ClosedUnproven)));
}

/// What came before a failure is still a connection's worth.
#[test]
fn standing_tells_of_the_end_after_the_last_byte() {
    let World { config, certificate } = world();
    let mut pair = Pair::new(&config, server(&certificate, None, true));
    pair.run();
    pair.server_writes(b"last words");
    let mut wire = vec![];
    pair.server.write_tls(&mut wire).expect("a vector");
    wire.extend(b"garbage");
    pair.client.ports().rx[..wire.len()].copy_from_slice(&wire);
    pair.client.handle(pair.now, Event::Rx(wire.len())).expect("lent");
    assert_eq!((pair.client.standing(), pair.client.readable()), (Standing::Up, 10));
    assert_eq!(pair.client_reads(), b"last words");
    assert_eq!(pair.client.standing(), Standing::Over(Some(Failure::Protocol)));
}

#[test]
fn data_from_the_server_is_a_proof() {
    let World { config, certificate } = world();
    let mut pair = Pair::new(&config, silent(&certificate));
    pair.run();
    pair.server_writes(b"hello");
    pair.run();
    assert_eq!(pair.client.state(), State::Proven);
    assert_eq!(pair.client_reads(), b"hello");
}
