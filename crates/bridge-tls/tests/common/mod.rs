//! Certificates made on the spot, and a client and a server in one process.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod wire;

pub(crate) mod served;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;
use uartbridge_tls::{
    Client, Config, CryptoProvider, Event, Failure, INPUT_FOR_ANY_RECORD, Identity, Roots, Settings, State,
    TimeProvider, Trust, UnixTime, memory_sessions,
};
use uartbridge_tls_rustcrypto::{Crypto, GetRandomFailed};

pub(crate) type BoxedClient = Client<Box<[u8]>, Box<[u8]>>;

#[derive(Debug)]
pub(crate) struct Clock(pub(crate) Option<u64>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// 1 June 2026, when everything here is valid that should be.
pub(crate) const TODAY: u64 = 1_780_272_000;

/// The provider under test: the one for chips where `tests/rustcrypto.rs` has these tests once more, with plaintext that stays
/// in place; ring otherwise.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    if for_chips() { rustcrypto() } else { ring() }
}

pub(crate) fn rustcrypto() -> Arc<CryptoProvider> {
    static CRYPTO: Crypto = Crypto::new(random);
    Arc::new(CRYPTO.provider())
}

/// The provider of the other side.
pub(crate) fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn for_chips() -> bool {
    env!("CARGO_CRATE_NAME") == "rustcrypto"
}

/// For each protocol version that the provider under test speaks: whether it is TLS 1.3.
pub(crate) fn versions() -> &'static [bool] {
    if for_chips() { &[true] } else { &[true, false] }
}

fn random(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    ring().secure_random.fill(bytes)
}

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("authority").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let (params, key) = leaf(change);
        let made = params.signed_by(&key, &self.issuer).expect("certificate");
        Certificate { pem: made.pem(), der: made.der().to_vec(), key }
    }

    pub(crate) fn server(&self) -> Certificate {
        self.issue(|_| {})
    }

    pub(crate) fn client(&self) -> Certificate {
        self.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::new(self.pem.as_bytes()).expect("roots")
    }
}

pub(crate) fn self_signed() -> Certificate {
    let (mut params, key) = leaf(|_| {});
    params.distinguished_name.push(rcgen::DnType::CommonName, "itself");
    let made = params.self_signed(&key).expect("certificate");
    Certificate { pem: made.pem(), der: made.der().to_vec(), key }
}

fn leaf(change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let names = ["localhost".to_string(), "127.0.0.1".to_string()];
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "leaf");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    (params, KeyPair::generate().expect("key"))
}

impl Certificate {
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(self.pem.as_bytes(), self.key.serialize_pem().as_bytes()).expect("identity")
    }
}

pub(crate) fn settings(trust: Trust) -> Settings {
    let mut settings = Settings::new(provider(), Arc::new(Clock(Some(TODAY))), trust);
    settings.in_place = for_chips();
    settings
}

pub(crate) fn config(settings: Settings) -> Config {
    Config::new(settings).expect("settings")
}

/// A server, which asks for client certificates of `clients` if that is given.
pub(crate) fn server(certificate: &Certificate, clients: Option<&Authority>, tls13: bool) -> ServerConfig {
    let version = if tls13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
    let builder =
        ServerConfig::builder_with_provider(ring()).with_protocol_versions(&[version]).expect("version");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            let pem = authority.pem.as_bytes();
            roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(pem).expect("pem")).expect("root");
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring()).build().expect("roots"),
            )
        }
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(certificate.key.serialize_der()).expect("key");
    builder.with_single_cert(vec![certificate.der.clone().into()], key).expect("pair")
}

/// A client's settings, and the certificate of a server that they trust.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) certificate: Certificate,
}

pub(crate) fn world() -> World {
    let authority = Authority::new("ours");
    let mut settings = settings(Trust::Authorities(authority.roots()));
    settings.sessions = Some(memory_sessions(4));
    World { config: config(settings), certificate: authority.server() }
}

/// A server that gives no sign of its own after the handshake.
pub(crate) fn silent(certificate: &Certificate) -> ServerConfig {
    let mut server = server(certificate, None, true);
    server.send_tls13_tickets = 0;
    server
}

/// A client and a server with a wire between them that holds nothing.
pub(crate) struct Pair {
    pub(crate) client: BoxedClient,
    pub(crate) server: ServerConnection,
    pub(crate) now: Duration,
    /// Ciphertext that the client's socket took.
    pub(crate) sent: u64,
    /// At most so many bytes at a time, either way.
    pub(crate) chunk: usize,
    /// What the server made of the client's ciphertext.
    pub(crate) server_error: Option<rustls::Error>,
}

impl Pair {
    pub(crate) fn new(config: &Config, server: ServerConfig) -> Self {
        Self::with_buffers(config, Arc::new(server), INPUT_FOR_ANY_RECORD, 4096)
    }

    pub(crate) fn with_buffers(
        config: &Config,
        server: Arc<ServerConfig>,
        input: usize,
        output: usize,
    ) -> Self {
        let client =
            Client::new(config, "localhost", boxed(input), boxed(output)).expect("a client can be made");
        let server = ServerConnection::new(server).expect("a server can be made");
        Self { client, server, now: Duration::ZERO, sent: 0, chunk: usize::MAX, server_error: None }
    }

    /// One chunk each way; whether anything moved.
    pub(crate) fn turn(&mut self) -> bool {
        let mut moved = false;
        let tx = self.client.ports().tx;
        let count = tx.len().min(self.chunk);
        if count > 0 {
            let mut bytes = &tx[..count];
            while !bytes.is_empty() && self.server.read_tls(&mut bytes).expect("a slice") > 0 {}
            self.client.handle(self.now, Event::Tx(count)).expect("lent");
            self.sent += count as u64;
            if let Err(error) = self.server.process_new_packets() {
                self.server_error.get_or_insert(error);
            }
            moved = true;
        }
        let rx = self.client.ports().rx;
        let count = rx.len().min(self.chunk);
        if count > 0 && self.server.wants_write() {
            let written = self.server.write_tls(&mut &mut rx[..count]).expect("a slice");
            self.client.handle(self.now, Event::Rx(written)).expect("lent");
            moved |= written > 0;
        }
        moved
    }

    pub(crate) fn run(&mut self) {
        while self.turn() {}
    }

    /// Everything that the server has decrypted.
    pub(crate) fn server_reads(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = self.server.reader().read(&mut some) {
            bytes.extend_from_slice(&some[..count]);
        }
        bytes
    }

    pub(crate) fn server_writes(&mut self, bytes: &[u8]) {
        self.server.writer().write_all(bytes).expect("buffered");
    }

    pub(crate) fn client_reads(&mut self) -> Vec<u8> {
        read_all(&mut self.client)
    }

    pub(crate) fn failure(&self) -> Failure {
        let State::Failed(failure) = self.client.state() else { panic!("{:?}", self.client) };
        failure
    }
}

pub(crate) fn boxed(len: usize) -> Box<[u8]> {
    vec![0; len].into()
}

pub(crate) fn read_all(client: &mut BoxedClient) -> Vec<u8> {
    let mut bytes = vec![];
    let mut some = [0; 1000];
    loop {
        match client.read_plain(&mut some) {
            0 => return bytes,
            count => bytes.extend_from_slice(&some[..count]),
        }
    }
}
