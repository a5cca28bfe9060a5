//! Receiving without a copy in between.

mod common;

use common::*;
use uartbridge_tls::{Misuse, Trust};

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
