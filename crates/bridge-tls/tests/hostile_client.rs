//! What a hostile client can do.

mod common;

use common::served::*;
use common::*;
use proptest::prelude::*;
use std::io::Write;
use std::time::Duration;
use uartbridge_tls::{Event, Server, State};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Arbitrary bytes, and arbitrary records, instead of a client's first message.
    #[test]
    fn no_panic_on_arbitrary_ciphertext(
        records in prop::collection::vec((20u8..25, prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let authority = Authority::new("ours");
        let config = required(&authority);
        let wire: Vec<u8> = records
            .iter()
            .flat_map(|(kind, body)| {
                let len = (body.len() as u16).to_be_bytes();
                [*kind, 3, 3, len[0], len[1]].into_iter().chain(body.iter().copied())
            })
            .collect();
        for bytes in [wire, noise] {
            let mut server: BoxedServer = Server::new(&config, boxed(600), boxed(512)).expect("a server");
            feed(&mut server, &bytes);
            prop_assert!(server.state() != State::Proven);
        }
    }

    /// A genuine client with one byte changed: no panic, and never bytes that it has not sent.
    #[test]
    fn no_panic_on_damaged_ciphertext(place in 0usize..2600, flip in 1u8.., chunk in 1usize..500) {
        let authority = Authority::new("ours");
        let certificate = authority.client();
        let mut pair = Served::new(&required(&authority), &client(&authority, Some(&certificate), true));
        pair.client.writer().write_all(&[42; 600]).expect("buffered");
        let mut seen = 0;
        loop {
            let tx = pair.server.ports().tx.to_vec();
            pair.server.handle(Duration::ZERO, Event::Tx(tx.len())).expect("lent");
            let mut rest = &tx[..];
            while !rest.is_empty() && pair.client.read_tls(&mut rest).expect("a slice") > 0 {}
            // It may have been refused.
            let _ = pair.client.process_new_packets();
            let mut wire = vec![];
            while pair.client.wants_write() {
                pair.client.write_tls(&mut wire).expect("a vector");
            }
            if tx.is_empty() && wire.is_empty() {
                break;
            }
            if let Some(byte) = place.checked_sub(seen).and_then(|at| wire.get_mut(at)) {
                *byte ^= flip;
            }
            seen += wire.len();
            wire.chunks(chunk).for_each(|piece| feed(&mut pair.server, piece));
        }
        let read = pair.server_reads();
        prop_assert!(read.iter().all(|byte| *byte == 42) && read.len() <= 600);
        prop_assert!(place < seen || read.len() == 600, "nothing was changed: {:?}", pair.server);
    }
}

/// Hands over all that is taken.
fn feed(server: &mut BoxedServer, mut bytes: &[u8]) {
    loop {
        let room = server.ports().rx;
        let count = room.len().min(bytes.len());
        if count == 0 {
            return;
        }
        room[..count].copy_from_slice(&bytes[..count]);
        server.handle(Duration::ZERO, Event::Rx(count)).expect("lent");
        bytes = &bytes[count..];
    }
}
