//! The server's side, against rustls' own buffered client.

mod common;

use common::served::*;
use common::*;
use rustls::HandshakeKind;
use std::io::{Read, Write};
use std::time::Duration;
use uartbridge_tls::{
    Clients, Event, Failure, Objection, Refusal, Server, ServerConfig, SetupError, State, Version,
};

#[test]
fn bytes_both_ways_acknowledgements_and_the_end() {
    let authority = Authority::new("ours");
    let certificate = authority.client();
    for &tls13 in versions() {
        for chunk in [1, 1000, usize::MAX] {
            let mut pair = Served::new(&required(&authority), &client(&authority, Some(&certificate), tls13));
            pair.chunk = chunk;
            pair.run();
            assert_eq!(pair.server.state(), State::Proven, "{:?}", pair.client_error);
            let facts = pair.server.facts().expect("a finished handshake");
            assert_eq!(facts.version, if tls13 { Version::Tls13 } else { Version::Tls12 });
            assert_eq!(pair.server.peer_certificate(), Some(certificate.der.as_slice()));
            pair.server.handle(Duration::ZERO, Event::Acked(pair.sent)).expect("written");

            let bytes: Vec<u8> = (0..30_000).map(|place| (place * 7 % 251) as u8).collect();
            let (mut up, mut down, mut written) = (vec![], vec![], 0);
            pair.client.writer().write_all(&bytes).expect("buffered");
            while up.len() < bytes.len() || down.len() < bytes.len() {
                written += pair.server.write_plain(&bytes[written..]);
                pair.turn();
                down.extend(pair.server_reads());
                up.extend(pair.client_reads());
            }
            assert!(up == bytes && down == bytes, "TLS 1.3: {tls13}, chunks of {chunk}");
            assert_eq!(pair.server.acked(), 0, "only the handshake was acknowledged");
            pair.run();
            pair.server.handle(Duration::ZERO, Event::Acked(pair.sent - 1)).expect("written");
            assert!(pair.server.acked() < bytes.len() as u64, "the last record is not whole");
            pair.server.handle(Duration::ZERO, Event::Acked(pair.sent)).expect("written");
            assert_eq!(pair.server.acked(), bytes.len() as u64);

            pair.client.send_close_notify();
            pair.run();
            assert!(pair.server.peer_closed() && pair.server.state() == State::Proven);
            assert_eq!(pair.server.write_plain(b"still"), 5);
            pair.run();
            assert_eq!(pair.client_reads(), b"still");
            pair.server.close();
            pair.run();
            assert_eq!(pair.server.state(), State::Closed);
            assert_eq!(pair.client.reader().read(&mut [0]).expect("an orderly end"), 0);
        }
    }
}

#[test]
fn every_refusal_is_told_as_what_it_is_and_the_client_hears_of_it() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let client_auth = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let expired = authority.issue(|params| {
        params.extended_key_usages = client_auth.clone();
        params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    });
    let early = authority.issue(|params| {
        params.extended_key_usages = client_auth.clone();
        params.not_before = rcgen::date_time_ymd(2026, 7, 1);
    });
    let cases = [
        (None, Failure::ClientCertificateRequired, "it shows no certificate"),
        (Some(other.client()), Failure::UnknownAuthority, "an authority that is not trusted"),
        (Some(expired), Failure::Expired, "has expired"),
        (Some(early), Failure::NotYetValid, "not valid yet"),
        (Some(authority.server()), Failure::WrongUsage, "not for clients"),
    ];
    for (certificate, failure, words) in cases {
        for &tls13 in versions() {
            let mut pair =
                Served::new(&required(&authority), &client(&authority, certificate.as_ref(), tls13));
            pair.run();
            assert_eq!(pair.server.state(), State::Failed(failure), "TLS 1.3: {tls13}");
            let said = BoxedServer::words(failure);
            assert!(said.contains(words) && said == Refusal(failure).to_string(), "{said}");
            let heard = pair.client_error.expect("an alert");
            assert!(matches!(heard, rustls::Error::AlertReceived(_)), "{heard:?}");
            assert_eq!(pair.server.acked(), 0);
        }
    }
    for &tls13 in versions() {
        let mut pair = Served::new(&required(&authority), &client(&other, Some(&authority.client()), tls13));
        pair.run();
        let failure = Failure::ServerCertificateRefused(Objection::UnknownAuthority);
        assert_eq!(pair.server.state(), State::Failed(failure), "{:?}", pair.client_error);
    }
    let mut server: BoxedServer =
        Server::new(&required(&authority), boxed(2048), boxed(2048)).expect("a server");
    let garbage = b"GET / HTTP/1.0\r\n\r\n";
    server.ports().rx[..garbage.len()].copy_from_slice(garbage);
    server.handle(Duration::ZERO, Event::Rx(garbage.len())).expect("lent");
    assert_eq!(server.state(), State::Failed(Failure::NotTls));
    assert_ne!(BoxedServer::words(Failure::NotTls), BoxedClient::words(Failure::NotTls));
}

#[test]
fn optional_clients_are_verified_only_if_they_show_a_certificate() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let clients = || Clients::Optional(authority.roots());
    let config = ServerConfig::new(serving(&authority, clients())).expect("settings");
    for (certificate, state) in [
        (None, State::Proven),
        (Some(authority.client()), State::Proven),
        (Some(other.client()), State::Failed(Failure::UnknownAuthority)),
    ] {
        let mut pair = Served::new(&config, &client(&authority, certificate.as_ref(), true));
        pair.run();
        assert_eq!(pair.server.state(), state);
    }
}

/// A server without client certificates could send before it has heard the end of the handshake (RFC 8446 §4.4.4); what it
/// said to an impostor then would count as delivered.
#[test]
fn nothing_is_said_before_the_client_has_finished() {
    let authority = Authority::new("ours");
    let config = ServerConfig::new(serving(&authority, Clients::Anybody)).expect("settings");
    let mut pair = Served::new(&config, &client(&authority, None, true));
    let mut hello = vec![];
    pair.client.write_tls(&mut hello).expect("a vector");
    pair.server.ports().rx[..hello.len()].copy_from_slice(&hello);
    pair.server.handle(Duration::ZERO, Event::Rx(hello.len())).expect("lent");
    assert!(!pair.server.ports().tx.is_empty(), "the server's flight");
    assert_eq!(pair.server.state(), State::Handshaking);
    assert_eq!(pair.server.write_plain(b"early"), 0);
    pair.run();
    assert_eq!(pair.server.state(), State::Proven);
}

#[test]
fn a_client_may_speak_in_the_same_breath_as_its_finished() {
    let authority = Authority::new("ours");
    for &tls13 in versions() {
        let certificate = authority.client();
        let mut pair = Served::new(&required(&authority), &client(&authority, Some(&certificate), tls13));
        pair.client.writer().write_all(b"at once").expect("buffered");
        pair.run();
        assert_eq!(pair.server.state(), State::Proven, "TLS 1.3: {tls13}");
        assert_eq!(pair.server_reads(), b"at once");
        assert_eq!(pair.server.write_plain(b"answer"), 6);
        pair.run();
        assert_eq!(pair.client_reads(), b"answer");
    }
}

#[test]
fn sessions_are_taken_up_again_while_the_tickets_last() {
    let authority = Authority::new("ours");
    let certificate = authority.client();
    let config = || {
        let mut settings = serving(&authority, Clients::Required(authority.roots()));
        settings.tickets = Some(rustls::crypto::ring::Ticketer::new().expect("random numbers"));
        ServerConfig::new(settings).expect("settings")
    };
    for &tls13 in versions() {
        let client = client(&authority, Some(&certificate), tls13);
        let server = config();
        let kind = |server: &ServerConfig| {
            let mut pair = Served::new(server, &client);
            pair.run();
            assert_eq!(pair.server.state(), State::Proven);
            assert_eq!(pair.server.peer_certificate(), Some(certificate.der.as_slice()));
            let resumed = pair.client.handshake_kind() == Some(HandshakeKind::Resumed);
            assert_eq!(pair.server.facts().expect("a finished handshake").resumed, resumed);
            resumed
        };
        assert_eq!([kind(&server), kind(&server), kind(&config())], [false, true, false]);
    }
}

#[test]
fn settings_that_cannot_work() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let mut settings = serving(&authority, Clients::Anybody);
    let (certificate, key) = (authority.server().pem, other.server().key.serialize_pem());
    settings.identity =
        uartbridge_tls::Identity::new(certificate.as_bytes(), key.as_bytes()).expect("two good files");
    assert_eq!(ServerConfig::new(settings).err(), Some(SetupError::KeyMismatch));
    let mut settings = serving(&authority, Clients::Anybody);
    settings.alpn = vec![vec![]];
    assert_eq!(ServerConfig::new(settings).err(), Some(SetupError::BadAlpn));
}
