//! Keys, groups and cipher suites, against OpenSSL's `s_server`.

mod common;
use common::*;
use std::sync::Arc;
use uartbridge_tls::{Config, Identity, NamedGroup, Roots, SetupError, State, Trust};
use wire::{REFUSING, Scratch, Server, Wire};

/// Mutual authentication with each kind of key, group and cipher suite that both providers have; a client key is the
/// server's where the provider can sign with such a key.
#[test]
fn every_kind_of_key_group_and_suite() {
    const AES: &str = "TLS_AES_128_GCM_SHA256";
    const CHACHA: &str = "TLS_CHACHA20_POLY1305_SHA256";
    const PSS: &str = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";
    let p256 = "ec -pkeyopt ec_paramgen_curve:prime256v1";
    for (kind, signing, group, suite) in [
        (p256, "-sha256", NamedGroup::secp256r1, CHACHA),
        ("ed25519", "", NamedGroup::X25519, CHACHA),
        ("rsa:2048", "-sha256", NamedGroup::secp256r1, AES),
        ("rsa:3072", "-sha384", NamedGroup::X25519, CHACHA),
        ("rsa:4096", &format!("-sha512 {PSS}"), NamedGroup::X25519, AES),
    ] {
        let files = Scratch::new();
        let request =
            |who: &str, kind: &str| format!("req -newkey {kind} -noenc -keyout {who}.key -subj /CN={who}");
        files.openssl(&format!("{} -x509 {signing} -out ca.pem", request("ca", kind)).replace("  ", " "));
        let client = if for_chips() && kind.starts_with("rsa") { p256 } else { kind };
        for (who, kind) in [("server", kind), ("client", client)] {
            files.openssl(&format!(
                "{} -out {who}.csr -addext subjectAltName=DNS:localhost",
                request(who, kind)
            ));
            let sign = "x509 -req -CA ca.pem -CAkey ca.key -copy_extensions copyall";
            files.openssl(&format!("{sign} -in {who}.csr {signing} -out {who}.pem").replace("  ", " "));
        }
        for (from, to) in [("server.pem", "cert.pem"), ("server.key", "key.pem")] {
            std::fs::copy(files.path(from), files.path(to)).expect("a copy");
        }
        let mut settings = settings(Trust::Authorities(Roots::new(&files.read("ca.pem")).expect("roots")));
        // These certificates are as old as the test.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        settings.clock = Arc::new(Clock(Some(now.as_secs())));
        settings.identity =
            Some(Identity::new(&files.read("client.pem"), &files.read("client.key")).expect("a pair"));
        let name = if group == NamedGroup::X25519 { "X25519" } else { "P-256" };
        let options = [&["-tls1_3", "-groups", name, "-ciphersuites", suite][..], &REFUSING].concat();
        let mut server = Server::with_files(files, &options);
        let mut wire = Wire::new(&config(settings), &server);
        wire.until(|wire| wire.client.state() == State::Proven);
        assert_eq!(wire.client.state(), State::Proven, "{kind}");
        assert_eq!(wire.client.facts().and_then(|facts| facts.key_exchange), Some(group), "{kind}");
        assert_eq!(wire.client.write_plain(b"by this suite\n"), 14);
        wire.flush();
        server.line_with("by this suite");
        server.type_in("and back");
        wire.until_read(b"and back\n");
    }
}

#[test]
fn keys_in_every_form() {
    let files = Scratch::new();
    let openssl = |line: &str| files.openssl(line);
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=rsa -keyout rsa.pkcs8.pem -out rsa.crt");
    openssl("rsa -in rsa.pkcs8.pem -traditional -out rsa.pkcs1.pem");
    openssl("rsa -in rsa.pkcs8.pem -traditional -outform DER -out rsa.pkcs1.der");
    openssl("ecparam -genkey -name prime256v1 -out ec.sec1.pem");
    openssl("req -x509 -key ec.sec1.pem -subj /CN=ec -out ec.crt");
    openssl("ec -in ec.sec1.pem -outform DER -out ec.sec1.der");
    openssl("pkcs8 -topk8 -nocrypt -in ec.sec1.pem -outform DER -out ec.pkcs8.der");
    openssl("ec -in ec.sec1.pem -aes128 -passout pass:secret -out ec.locked.pem");
    let read = |name: &str| files.read(name);
    for key in
        ["rsa.pkcs8.pem", "rsa.pkcs1.pem", "rsa.pkcs1.der", "ec.sec1.pem", "ec.sec1.der", "ec.pkcs8.der"]
    {
        let certificate = if key.starts_with("rsa") { "rsa.crt" } else { "ec.crt" };
        let mut settings = settings(Trust::InsecureVerifyNobody);
        settings.identity = Some(Identity::new(&read(certificate), &read(key)).expect(key));
        let made = Config::new(settings).map(|config| config.insecure());
        let unusable = for_chips() && key.starts_with("rsa");
        assert_eq!(made, if unusable { Err(SetupError::UnusableKey) } else { Ok(true) }, "{key}");
    }
    let locked = Identity::new(&read("ec.crt"), &read("ec.locked.pem"));
    assert_eq!(locked.err(), Some(SetupError::EncryptedKey));
}
