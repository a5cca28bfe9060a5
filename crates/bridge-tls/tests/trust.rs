//! Who is believed, and each way in which one side refuses the other.

mod common;
use common::*;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use std::sync::Arc;
use uartbridge_tls::{
    Client, Config, Event, Failure, Fault, Identity, Objection, Pin, Roots, SetupError, State, Trust,
};

/// The failure of a client that trusts `authority` alone, with a server whose certificate was changed so.
fn refusal(change: impl FnOnce(&mut CertificateParams)) -> Failure {
    let authority = Authority::new("ours");
    let certificate = authority.issue(change);
    let mut pair =
        Pair::new(&config(settings(Trust::Authorities(authority.roots()))), server(&certificate, None, true));
    pair.run();
    assert!(
        matches!(pair.server_error, Some(rustls::Error::AlertReceived(_))),
        "the server must learn the reason, not {:?}",
        pair.server_error
    );
    pair.failure()
}

fn pin(certificate: &Certificate) -> Pin {
    let provider = provider();
    let hash = provider
        .cipher_suites
        .iter()
        .find_map(|suite| {
            let hash = suite.tls13()?.common.hash_provider;
            (hash.output_len() == 32).then_some(hash)
        })
        .expect("SHA-256");
    let parsed_der = certificate.der.clone().into();
    let parsed = webpki::EndEntityCert::try_from(&parsed_der).expect("certificate");
    Pin(hash.hash(&parsed.subject_public_key_info()).as_ref().try_into().expect("32 bytes"))
}

#[test]
fn servers_certificate_refused() {
    assert_eq!(
        refusal(|params| params.subject_alt_names =
            CertificateParams::new(["other".to_string()]).expect("name").subject_alt_names),
        Failure::WrongName
    );
    assert_eq!(refusal(|params| params.not_after = date_time_ymd(2021, 1, 1)), Failure::Expired);
    assert_eq!(refusal(|params| params.not_before = date_time_ymd(2039, 1, 1)), Failure::NotYetValid);
    assert_eq!(
        refusal(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Failure::WrongUsage
    );
    assert_eq!(Failure::Expired.fault(), Fault::Server);
}

#[test]
fn unknown_authority_and_self_signed() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (certificate, expected) in
        [(theirs.server(), Failure::UnknownAuthority), (self_signed(), Failure::SelfSigned)]
    {
        for &tls13 in versions() {
            let trust = Trust::Authorities(ours.roots());
            let mut pair = Pair::new(&config(settings(trust)), server(&certificate, None, tls13));
            pair.run();
            assert_eq!(pair.failure(), expected);
            assert_eq!(
                pair.server_error,
                Some(rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA))
            );
        }
    }
}

#[test]
fn pins_alone_and_with_an_authority() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (own, other) = (ours.server(), theirs.server());
    let reserve = Pin([7; 32]);
    let cases = [
        (Trust::Pins(vec![reserve, pin(&other)]), &other, Ok(())),
        (Trust::Pins(vec![reserve]), &own, Err(Failure::PinMismatch)),
        (Trust::AuthoritiesAndPins(ours.roots(), vec![pin(&own), reserve]), &own, Ok(())),
        (Trust::AuthoritiesAndPins(ours.roots(), vec![reserve]), &own, Err(Failure::PinMismatch)),
        (Trust::AuthoritiesAndPins(ours.roots(), vec![pin(&other)]), &other, Err(Failure::UnknownAuthority)),
        (Trust::InsecureVerifyNobody, &other, Ok(())),
    ];
    for (trust, certificate, expected) in cases {
        let told = format!("{trust:?}");
        let mut pair = Pair::new(&config(settings(trust)), server(certificate, None, true));
        pair.run();
        match expected {
            Ok(()) => assert_eq!(pair.client.state(), State::Proven, "{told}"),
            Err(failure) => assert_eq!(pair.failure(), failure, "{told}"),
        }
    }
}

#[test]
fn without_a_clock_dates_cannot_be_checked_but_pins_can() {
    let authority = Authority::new("ours");
    let certificate = authority.server();
    for (trust, expected) in [
        (Trust::Authorities(authority.roots()), State::Failed(Failure::NoClock)),
        (Trust::Pins(vec![pin(&certificate)]), State::Proven),
    ] {
        let mut settings = settings(trust);
        settings.clock = Arc::new(Clock(None));
        let mut pair = Pair::new(&config(settings), server(&certificate, None, true));
        pair.run();
        assert_eq!(pair.client.state(), expected);
    }
}

#[test]
fn names_may_be_addresses_or_nonsense() {
    let authority = Authority::new("ours");
    let config = config(settings(Trust::Authorities(authority.roots())));
    let certificate = authority.server();
    for (name, expected) in [("127.0.0.1", State::Proven), ("127.0.0.2", State::Failed(Failure::WrongName))] {
        let mut pair = Pair::new(&config, server(&certificate, None, true));
        pair.client = Client::new(&config, name, boxed(16_645), boxed(4096)).expect("an address");
        pair.run();
        assert_eq!(pair.client.state(), expected, "{name}");
    }
    let nonsense = Client::new(&config, "no name!", boxed(16_645), boxed(4096));
    assert_eq!(nonsense.err(), Some(SetupError::BadName));
    let small = Client::new(&config, "localhost", boxed(511), boxed(4096));
    assert_eq!(small.err(), Some(SetupError::BufferTooSmall));
}

#[test]
fn client_certificate_accepted_missing_and_refused() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let certificate = ours.server();
    let expired = ours.issue(|params| {
        params.not_after = date_time_ymd(2021, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let refused = |objection| State::Failed(Failure::ClientCertificateRefused(objection));
    let required = State::Failed(Failure::ClientCertificateRequired);
    let cases = [
        (Some(ours.client()), State::Proven),
        (None, required),
        (Some(theirs.client()), refused(Objection::UnknownAuthority)),
        (Some(expired), refused(Objection::Expired)),
        (Some(ours.server()), refused(Objection::Unsupported)),
    ];
    for (identity, expected) in &cases {
        for &tls13 in versions() {
            let mut settings = settings(Trust::Authorities(ours.roots()));
            settings.identity = identity.as_ref().map(Certificate::identity);
            let mut pair = Pair::new(&config(settings), server(&certificate, Some(&ours), tls13));
            while pair.client.state() == State::Handshaking && pair.turn() {}
            let written = pair.client.write_plain(b"taken, but by whom?");
            assert_eq!(written > 0, tls13 || *expected == State::Proven);
            pair.run();
            assert_eq!(pair.client.state(), *expected, "TLS 1.3: {tls13}");
            pair.client.handle(pair.now, Event::Acked(pair.sent)).expect("written");
            let acked = if *expected == State::Proven { written as u64 } else { 0 };
            assert_eq!(pair.client.acked(), acked, "what a refusing server's TCP took does not count");
        }
    }
}

#[test]
fn settings_that_cannot_work() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.client(), authority.client());
    let mut mixed = settings(Trust::Authorities(authority.roots()));
    mixed.identity =
        Some(Identity::new(one.pem.as_bytes(), other.key.serialize_pem().as_bytes()).expect("readable"));
    assert_eq!(Config::new(mixed).err(), Some(SetupError::KeyMismatch));
    assert_eq!(Config::new(settings(Trust::Pins(vec![]))).err(), Some(SetupError::NothingTrusted));
    let (none, ignored) = Roots::from_platform([&b"not DER"[..]]);
    assert_eq!((none.is_empty(), ignored), (true, 1));
    assert_eq!(Config::new(settings(Trust::Authorities(none))).err(), Some(SetupError::NothingTrusted));
    let mut alpn = settings(Trust::InsecureVerifyNobody);
    alpn.alpn = vec![vec![]];
    assert_eq!(Config::new(alpn).err(), Some(SetupError::BadAlpn));

    let pem = one.pem.as_bytes();
    let key = one.key.serialize_pem();
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let error = |certificate: &[u8], key: &[u8]| Identity::new(certificate, key).err();
    assert_eq!(error(b"", key.as_bytes()), Some(SetupError::NoCertificate));
    assert_eq!(error(key.as_bytes(), key.as_bytes()), Some(SetupError::NoCertificate));
    assert_eq!(error(pem, pem), Some(SetupError::NoKey));
    assert_eq!(error(pem, b"rubbish"), Some(SetupError::NoKey));
    assert_eq!(error(pem, encrypted), Some(SetupError::EncryptedKey));
    assert_eq!(error(&pem[..pem.len() - 10], key.as_bytes()), Some(SetupError::BadPem));
    assert!(Identity::new(&one.der, one.key.serialized_der()).is_ok(), "DER");
    assert_eq!(Roots::new(&pem[..100]).err(), Some(SetupError::BadPem));
}
