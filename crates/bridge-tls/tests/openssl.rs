//! Against OpenSSL's `s_server`, over loopback sockets.

mod common;
use common::*;
use uartbridge_tls::{Config, Failure, Objection, State, Trust, Version, memory_sessions};
use wire::{REFUSING, Server, Wire};

fn mutual(authority: &Authority, client: Option<&Certificate>) -> Config {
    let mut settings = settings(Trust::Authorities(authority.roots()));
    settings.identity = client.map(Certificate::identity);
    settings.sessions = Some(memory_sessions(1));
    config(settings)
}

/// The protocol versions to try, as `s_server` takes them and as we report them.
fn spoken() -> impl Iterator<Item = (&'static str, Version)> {
    let of = |tls13: &bool| if *tls13 { ("-tls1_3", Version::Tls13) } else { ("-tls1_2", Version::Tls12) };
    versions().iter().map(of)
}

#[test]
fn mutual_authentication_data_key_updates_and_the_end() {
    let authority = Authority::new("ours");
    let config = mutual(&authority, Some(&authority.client()));
    for (option, version) in spoken() {
        let options = [&[option][..], &REFUSING].concat();
        let mut server = Server::new(&authority.server(), &authority, &options);
        let mut wire = Wire::new(&config, &server);
        wire.until(|wire| wire.client.state() == State::Proven);
        assert_eq!(wire.client.state(), State::Proven);
        assert_eq!(wire.client.facts().map(|facts| facts.version), Some(version));
        let said = b"from the client\n";
        assert_eq!(wire.client.write_plain(said), said.len());
        wire.flush();
        server.line_with("from the client");
        server.type_in("from the server");
        wire.until_read(b"from the server\n");
        if version == Version::Tls13 {
            for command in ["k", "K"] {
                // A command swallows the rest of what its read gave.
                server.type_in(command);
                wire.receive();
                server.type_in("after a key update");
                wire.until_read(b"after a key update\n");
                wire.read.clear();
                assert_eq!(wire.client.write_plain(b"and back\n"), 9);
                wire.flush();
                server.line_with("and back");
            }
        }
        wire.client.close();
        wire.until(|wire| wire.client.state() == State::Closed);
        assert_eq!(wire.client.state(), State::Closed);
    }
}

#[test]
fn a_session_is_taken_up_again() {
    let authority = Authority::new("ours");
    for (option, _) in spoken() {
        let config = mutual(&authority, None);
        let server = Server::new(&authority.server(), &authority, &[option]);
        for resumed in [false, true] {
            let mut wire = Wire::new(&config, &server);
            wire.until(|wire| wire.client.state() == State::Proven);
            assert_eq!(wire.client.facts().map(|facts| facts.resumed), Some(resumed), "{option}");
            wire.client.close();
            wire.flush();
        }
    }
}

#[test]
fn client_certificate_missing_or_refused() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let stranger = theirs.client();
    for (option, _) in spoken() {
        for (client, expected) in [
            (None, Failure::ClientCertificateRequired),
            (Some(&stranger), Failure::ClientCertificateRefused(Objection::UnknownAuthority)),
        ] {
            let server = Server::new(&ours.server(), &ours, &[&[option][..], &REFUSING].concat());
            let mut wire = Wire::new(&mutual(&ours, client), &server);
            wire.until(|wire| wire.client.state() == State::Proven);
            assert_eq!(wire.client.state(), State::Failed(expected), "{option}");
        }
    }
}

#[test]
fn renegotiation_is_refused_and_blamed_on_nobodys_certificate() {
    if !versions().contains(&false) {
        return; // TLS 1.3 has none.
    }
    let authority = Authority::new("ours");
    let mut server = Server::new(&authority.server(), &authority, &["-tls1_2"]);
    let mut wire = Wire::new(&mutual(&authority, None), &server);
    wire.until(|wire| wire.client.state() == State::Proven);
    assert_eq!(wire.client.write_plain(b"here\n"), 5);
    wire.flush();
    server.line_with("here");
    server.type_in("r");
    wire.until(|_| false);
    // OpenSSL takes our `no_renegotiation` for an error and gives up with `handshake_failure` (40).
    assert_eq!(wire.client.state(), State::Failed(Failure::Alert(40)));
}

#[test]
fn too_old_a_protocol() {
    let authority = Authority::new("ours");
    let options = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let server = Server::new(&authority.server(), &authority, &options);
    let mut wire = Wire::new(&mutual(&authority, None), &server);
    wire.until(|_| false);
    assert_eq!(wire.client.state(), State::Failed(Failure::ProtocolVersion));
}

#[test]
fn whole_records_of_16_kib() {
    let authority = Authority::new("ours");
    for (option, _) in spoken() {
        let server = Server::new(&authority.server(), &authority, &[option, "-WWW"]);
        // `-WWW` serves files of the working directory, which is this package's.
        let file = std::fs::read("src/connection.rs").expect("this package's source");
        let mut wire = Wire::new(&mutual(&authority, None), &server);
        wire.client.write_plain(b"");
        wire.until(|wire| matches!(wire.client.state(), State::Unproven | State::Proven));
        assert!(wire.client.write_plain(b"GET /src/connection.rs HTTP/1.0\r\n\r\n") > 0);
        wire.until(|wire| wire.client.peer_closed());
        assert!(wire.read.ends_with(&file), "{option}: {} bytes", wire.read.len());
    }
}
