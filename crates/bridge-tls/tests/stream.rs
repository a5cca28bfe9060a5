//! Bytes, ends and acknowledgements of a connection that was believed; and what a hostile peer can do.

mod common;
use common::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use uartbridge_tls::{Client, Event, Failure, INPUT_FOR_ANY_RECORD, Misuse, State, Trust, Version};

fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 7 % 251) as u8).collect()
}

#[test]
fn bytes_both_ways_in_chunks_of_any_size() {
    let World { config, certificate } = world();
    for &tls13 in versions() {
        for chunk in [1, 7, 1000, usize::MAX] {
            let mut pair = Pair::new(&config, server(&certificate, None, tls13));
            pair.chunk = chunk;
            pair.run();
            assert_eq!(pair.client.state(), State::Proven);
            let bytes = numbered(if chunk == 1 { 20_000 } else { 60_000 });
            let (mut up, mut down, mut written) = (vec![], vec![], 0);
            pair.server_writes(&bytes);
            while written < bytes.len() || down.len() < bytes.len() {
                written += pair.client.write_plain(&bytes[written..]);
                pair.turn();
                up.extend(pair.server_reads());
                down.extend(pair.client_reads());
            }
            pair.run();
            up.extend(pair.server_reads());
            assert!(up == bytes && down == bytes, "TLS 1.3: {tls13}, chunks of {chunk}");
            assert_eq!(pair.client.acked(), 0, "nobody has acknowledged anything");
            pair.client.handle(pair.now, Event::Acked(pair.sent)).expect("written");
            assert_eq!(pair.client.acked(), bytes.len() as u64);
        }
    }
}

#[test]
fn small_buffers_carry_small_records() {
    let World { config, certificate } = world();
    let mut server = server(&certificate, None, true);
    server.max_fragment_size = Some(512);
    let mut pair = Pair::with_buffers(&config, Arc::new(server), 2048, 512);
    pair.run();
    let bytes = numbered(5000);
    pair.server_writes(&bytes);
    let (mut up, mut down, mut written) = (vec![], vec![], 0);
    while up.len() < bytes.len() || down.len() < bytes.len() {
        written += pair.client.write_plain(&bytes[written..]);
        pair.run();
        up.extend(pair.server_reads());
        down.extend(pair.client_reads());
    }
    assert!(up == bytes && down == bytes);
}

#[test]
fn a_record_or_handshake_that_does_not_fit_is_a_clear_error() {
    let World { config, certificate } = world();
    let mut pair = Pair::with_buffers(&config, Arc::new(server(&certificate, None, true)), 2048, 4096);
    pair.run();
    pair.server_writes(&numbered(3000));
    pair.run();
    assert_eq!(pair.failure(), Failure::RecordTooLarge { record: 3000 + 22, buffer: 2048 });

    let mut small = server(&certificate, None, true);
    small.max_fragment_size = Some(300);
    let mut pair = Pair::with_buffers(&config, Arc::new(small), 512, 4096);
    pair.run();
    assert_eq!(pair.failure(), Failure::HandshakeTooLarge { buffer: 512 });
}

/// The limit is for the handshake alone: larger records of data pass.
#[test]
fn a_handshake_beyond_its_limit_is_a_clear_error() {
    let authority = Authority::new("ours");
    let certificate = authority.server();
    let limited = |limit| {
        let mut settings = settings(Trust::Authorities(authority.roots()));
        settings.handshake_limit = limit;
        let mut server = server(&certificate, None, true);
        server.max_fragment_size = Some(300);
        let mut pair = Pair::new(&config(settings), server);
        pair.run();
        pair
    };
    assert_eq!(limited(400).failure(), Failure::HandshakeTooLarge { buffer: 400 });
    let mut enough = limited(1024);
    assert_eq!(enough.client.state(), State::Proven);
    enough.server.set_buffer_limit(None);
    let data = numbered(5000);
    enough.server_writes(&data);
    enough.run();
    assert_eq!(enough.client_reads(), data);
}

#[test]
fn ends_without_close_notify() {
    let World { config, certificate } = world();
    let mut early = Pair::new(&config, server(&certificate, None, true));
    early.client.handle(early.now, Event::Eof).expect("always");
    assert_eq!(early.failure(), Failure::ClosedInHandshake);

    let mut unproven = Pair::new(&config, silent(&certificate));
    unproven.run();
    unproven.client.handle(unproven.now, Event::Eof).expect("always");
    assert_eq!(unproven.failure(), Failure::ClosedUnproven);

    let mut late = Pair::new(&config, server(&certificate, None, true));
    late.run();
    late.server_writes(b"all of this");
    late.run();
    late.server_writes(b"half of this");
    let mut record = vec![];
    late.server.write_tls(&mut record).expect("a vector");
    assert_eq!(late.client.ports().rx.len(), 0, "plaintext waits");
    assert_eq!(late.client_reads(), b"all of this");
    late.client.ports().rx[..20].copy_from_slice(&record[..20]);
    late.client.handle(late.now, Event::Rx(20)).expect("lent");
    late.client.handle(late.now, Event::Eof).expect("always");
    assert_eq!(late.client_reads(), b"");
    assert_eq!(late.failure(), Failure::Truncated);
}

#[test]
fn close_notify_both_ways() {
    let World { config, certificate } = world();
    for &tls13 in versions() {
        let mut pair = Pair::new(&config, server(&certificate, None, tls13));
        pair.run();
        pair.server_writes(b"last words");
        pair.server.send_close_notify();
        pair.run();
        assert!(!pair.client.peer_closed(), "there is still something to read");
        assert_eq!(pair.client_reads(), b"last words");
        assert!(pair.client.peer_closed());
        pair.client.handle(pair.now, Event::Eof).expect("always");
        assert_eq!(pair.client.state(), State::Proven, "our direction goes on");
        assert_eq!(pair.client.write_plain(b"so long"), 7);
        pair.client.close();
        assert_eq!(pair.client.state(), State::Closed);
        assert_eq!(pair.client.write_plain(b"more"), 0);
        pair.run();
        assert_eq!(pair.server_reads(), b"so long");
        assert!(pair.server.process_new_packets().expect("good records").peer_has_closed());

        let mut pair = Pair::new(&config, server(&certificate, None, tls13));
        pair.run();
        pair.client.close();
        assert_eq!(pair.client.state(), State::Closing);
        pair.server_writes(b"answer");
        pair.server.send_close_notify();
        pair.run();
        assert_eq!(pair.client_reads(), b"answer");
        assert_eq!(pair.client.state(), State::Closed);
    }
}

#[test]
fn a_session_is_taken_up_again() {
    for &tls13 in versions() {
        let version = if tls13 { Version::Tls13 } else { Version::Tls12 };
        let World { config, certificate } = world();
        let server = Arc::new(server(&certificate, None, tls13));
        for resumed in [false, true] {
            let mut pair = Pair::with_buffers(&config, server.clone(), INPUT_FOR_ANY_RECORD, 4096);
            assert_eq!(pair.client.facts(), None);
            pair.run();
            let facts = pair.client.facts().expect("established");
            assert_eq!((facts.version, facts.resumed), (version, resumed));
        }
    }
}

#[test]
fn application_protocols() {
    let authority = Authority::new("ours");
    let certificate = authority.server();
    let mut offering = settings(Trust::Authorities(authority.roots()));
    offering.alpn = vec![b"uart/2".to_vec(), b"uart/1".to_vec()];
    let config = config(offering);
    for (wanted, agreed) in [(&b"uart/1"[..], true), (b"h2", false)] {
        let mut server = server(&certificate, None, true);
        server.alpn_protocols = vec![wanted.to_vec()];
        let mut pair = Pair::new(&config, server);
        pair.run();
        if agreed {
            assert_eq!(pair.client.facts().and_then(|facts| facts.alpn).as_deref(), Some(wanted));
        } else {
            assert_eq!(pair.failure(), Failure::NoApplicationProtocol);
        }
    }
}

#[test]
fn damaged_records_and_other_protocols() {
    let World { config, certificate } = world();
    for banner in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\nlogin: "] {
        let mut client = Client::new(&config, "localhost", boxed(16_645), boxed(4096)).expect("client");
        client.ports().rx[..banner.len()].copy_from_slice(banner);
        client.handle(Duration::ZERO, Event::Rx(banner.len())).expect("lent");
        assert_eq!(client.state(), State::Failed(Failure::NotTls), "{banner:?}");
    }
    let mut pair = Pair::new(&config, server(&certificate, None, true));
    pair.run();
    pair.server_writes(b"to be damaged");
    let mut record = vec![];
    pair.server.write_tls(&mut record).expect("a vector");
    record[10] ^= 1;
    pair.client.ports().rx[..record.len()].copy_from_slice(&record);
    pair.client.handle(pair.now, Event::Rx(record.len())).expect("lent");
    assert_eq!(pair.failure(), Failure::BadRecord);
    assert_eq!(pair.client_reads(), b"");
}

#[test]
fn misuse_has_no_effect() {
    let World { config, certificate } = world();
    let mut pair = Pair::new(&config, server(&certificate, None, true));
    let lent = pair.client.ports().tx.len();
    let more = Misuse::MoreThanLent { reported: lent + 1, lent };
    assert_eq!(pair.client.handle(pair.now, Event::Tx(lent + 1)), Err(more));
    assert_eq!(pair.client.handle(pair.now, Event::Acked(1)), Err(Misuse::AckedUnwritten));
    let lent = pair.client.ports().rx.len();
    let more = Misuse::MoreThanLent { reported: usize::MAX, lent };
    assert_eq!(pair.client.handle(pair.now, Event::Rx(usize::MAX)), Err(more));
    pair.run();
    assert_eq!(pair.client.state(), State::Proven);
}

fn feed(client: &mut BoxedClient, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let rx = client.ports().rx;
        let count = rx.len().min(bytes.len());
        if count == 0 {
            return;
        }
        rx[..count].copy_from_slice(&bytes[..count]);
        client.handle(Duration::ZERO, Event::Rx(count)).expect("lent");
        bytes = &bytes[count..];
        read_all(client);
        client.write_plain(b"x");
    }
    client.close();
    client.handle(Duration::ZERO, Event::Eof).expect("always");
    read_all(client);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Arbitrary bytes, and arbitrary records, instead of the server's first flight.
    #[test]
    fn no_panic_on_arbitrary_ciphertext(
        records in prop::collection::vec((20u8..25, prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let config = config(settings(Trust::InsecureVerifyNobody));
        let wire: Vec<u8> = records
            .iter()
            .flat_map(|(kind, body)| {
                let len = (body.len() as u16).to_be_bytes();
                [*kind, 3, 3, len[0], len[1]].into_iter().chain(body.iter().copied())
            })
            .collect();
        for bytes in [wire, noise] {
            let mut client = Client::new(&config, "localhost", boxed(600), boxed(512)).expect("client");
            feed(&mut client, &bytes);
            prop_assert!(!matches!(client.state(), State::Proven | State::Unproven));
        }
    }

    /// A genuine conversation with one byte changed, or cut short: no panic, and never plaintext that was not sent.
    #[test]
    fn no_panic_on_damaged_ciphertext(place in any::<prop::sample::Index>(), flip in 1u8.., chunk in 1usize..500) {
        let authority = Authority::new("ours");
        let certificate = authority.server();
        let config = config(settings(Trust::Authorities(authority.roots())));
        let mut pair = Pair::new(&config, server(&certificate, None, true));
        pair.chunk = chunk;
        let victim = place.index(2200);
        let (mut seen, mut read, mut written) = (0, vec![], false);
        loop {
            if !pair.server.is_handshaking() && !written {
                pair.server_writes(&[42; 600]);
                written = true;
            }
            let tx = pair.client.ports().tx.to_vec();
            if !tx.is_empty() {
                let mut rest = &tx[..];
                while !rest.is_empty() && pair.server.read_tls(&mut rest).expect("a slice") > 0 {}
                pair.client.handle(pair.now, Event::Tx(tx.len())).expect("lent");
                let _ = pair.server.process_new_packets();
            }
            let rx = pair.client.ports().rx;
            let count = rx.len().min(chunk);
            let count = pair.server.write_tls(&mut &mut rx[..count]).expect("a slice");
            if (seen..seen + count).contains(&victim) {
                rx[victim - seen] ^= flip;
            }
            seen += count;
            pair.client.handle(pair.now, Event::Rx(count)).expect("lent");
            read.extend(pair.client_reads());
            if count == 0 && tx.is_empty() {
                break;
            }
        }
        prop_assert!(read.iter().all(|byte| *byte == 42) && read.len() <= 600);
    }
}
