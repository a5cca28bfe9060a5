//! The server's side, against rustls' own buffered client.

mod common;

use common::*;
use proptest::prelude::*;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;
use uartbridge_tls::{
    Clients, Event, Failure, INPUT_FOR_ANY_RECORD, Objection, Refusal, Server, ServerConfig, ServerSettings,
    SetupError, State, Version,
};

type BoxedServer = Server<Box<[u8]>, Box<[u8]>>;

/// A server and a client with a wire between them that holds nothing.
struct Pair {
    server: BoxedServer,
    client: ClientConnection,
    /// Ciphertext that the server's socket took.
    sent: u64,
    chunk: usize,
    client_error: Option<rustls::Error>,
}

impl Pair {
    fn new(server: &ServerConfig, client: &Arc<ClientConfig>) -> Self {
        let server = Server::new(server, boxed(INPUT_FOR_ANY_RECORD), boxed(4096)).expect("a server");
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(client.clone(), name).expect("a client");
        Self { server, client, sent: 0, chunk: usize::MAX, client_error: None }
    }

    fn turn(&mut self) -> bool {
        let mut moved = false;
        let tx = self.server.ports().tx;
        let count = tx.len().min(self.chunk);
        if count > 0 {
            let mut bytes = &tx[..count];
            while !bytes.is_empty() && self.client.read_tls(&mut bytes).expect("a slice") > 0 {}
            self.server.handle(Duration::ZERO, Event::Tx(count)).expect("lent");
            self.sent += count as u64;
            if let Err(error) = self.client.process_new_packets() {
                self.client_error.get_or_insert(error);
            }
            moved = true;
        }
        let rx = self.server.ports().rx;
        let count = rx.len().min(self.chunk);
        if count > 0 && self.client.wants_write() {
            let written = self.client.write_tls(&mut &mut rx[..count]).expect("a slice");
            self.server.handle(Duration::ZERO, Event::Rx(written)).expect("lent");
            moved |= written > 0;
        }
        moved
    }

    fn run(&mut self) {
        while self.turn() {}
    }

    fn client_reads(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = self.client.reader().read(&mut some) {
            bytes.extend_from_slice(&some[..count]);
        }
        bytes
    }

    fn server_reads(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut some = [0; 1000];
        while let count @ 1.. = self.server.read_plain(&mut some) {
            bytes.extend_from_slice(&some[..count]);
        }
        bytes
    }
}

fn serving(authority: &Authority, clients: Clients) -> ServerSettings {
    let clock = Arc::new(Clock(Some(TODAY)));
    ServerSettings { clients, ..ServerSettings::new(provider(), clock, authority.server().identity()) }
}

fn required(authority: &Authority) -> ServerConfig {
    ServerConfig::new(serving(authority, Clients::Required(authority.roots()))).expect("settings")
}

fn client(authority: &Authority, certificate: Option<&Certificate>, tls13: bool) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("pem")).expect("root");
    let version = if tls13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
    let builder = ClientConfig::builder_with_details(ring(), Arc::new(Clock(Some(TODAY))))
        .with_protocol_versions(&[version])
        .expect("version")
        .with_root_certificates(roots);
    Arc::new(match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let key = PrivateKeyDer::try_from(certificate.key.serialize_der()).expect("key");
            builder.with_client_auth_cert(vec![certificate.der.clone().into()], key).expect("pair")
        }
    })
}

#[test]
fn bytes_both_ways_acknowledgements_and_the_end() {
    let authority = Authority::new("ours");
    let certificate = authority.client();
    for &tls13 in versions() {
        for chunk in [1, 1000, usize::MAX] {
            let mut pair = Pair::new(&required(&authority), &client(&authority, Some(&certificate), tls13));
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
            let mut pair = Pair::new(&required(&authority), &client(&authority, certificate.as_ref(), tls13));
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
        let mut pair = Pair::new(&required(&authority), &client(&other, Some(&authority.client()), tls13));
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
        let mut pair = Pair::new(&config, &client(&authority, certificate.as_ref(), true));
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
    let mut pair = Pair::new(&config, &client(&authority, None, true));
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
        let mut pair = Pair::new(&required(&authority), &client(&authority, Some(&certificate), tls13));
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
            let mut pair = Pair::new(server, &client);
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
        let mut pair = Pair::new(&required(&authority), &client(&authority, Some(&certificate), true));
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
