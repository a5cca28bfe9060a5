//! Receiving without a copy in between.

mod common;

use common::*;
use uartbridge_tls::{Misuse, State, Trust};

#[test]
fn ciphertext_can_be_received_straight_into_the_readers_memory() {
    let authority = Authority::new("ours");
    let config = config(settings(Trust::Authorities(authority.roots())));
    let mut pair = Pair::new(&config, server(&authority.server(), None, true));
    pair.run();
    let bytes: Vec<u8> = (0..50_000).map(|place| (place * 7 % 251) as u8).collect();
    pair.server_writes(&bytes);
    let (mut down, mut plain) = (vec![], [0; 10_000]);
    while down.len() < bytes.len() {
        let count = pair.server.write_tls(&mut &mut *pair.client.ports().rx).expect("a slice");
        let mut taken = pair.client.receive(pair.now, count, &mut plain).expect("lent");
        while taken > 0 {
            down.extend_from_slice(&plain[..taken]);
            taken = pair.client.read_plain(&mut plain);
        }
    }
    assert!(down == bytes);
    let lent = pair.client.ports().rx.len();
    let misuse = pair.client.receive(pair.now, lent + 1, &mut plain);
    assert_eq!(misuse, Err(Misuse::MoreThanLent { reported: lent + 1, lent }));
}

#[test]
fn a_server_may_speak_in_the_same_breath_as_its_finished() {
    let authority = Authority::new("ours");
    let config = config(settings(Trust::Authorities(authority.roots())));
    for &tls13 in versions() {
        let mut server = server(&authority.server(), None, tls13);
        server.send_half_rtt_data = true;
        let mut pair = Pair::new(&config, server);
        pair.server_writes(b"at once");
        pair.run();
        assert_eq!(pair.client.state(), State::Proven, "TLS 1.3: {tls13}");
        assert_eq!(pair.client_reads(), b"at once");
        assert_eq!(pair.client.write_plain(b"answer"), 6);
        pair.run();
        assert_eq!(pair.server_reads(), b"answer");
    }
}
