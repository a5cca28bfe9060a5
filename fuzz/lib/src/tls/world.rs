//! Everything around a connection, the same in each run: certificates, clock, random bytes.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use uartbridge_tls::{CryptoProvider, Identity, TimeProvider, UnixTime};
use uartbridge_tls_rustcrypto::{Crypto, GetRandomFailed};

thread_local! {
    /// The state of the random generator, set anew for each run.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Starts the random bytes from their beginning.
pub(super) fn reset() {
    SEED.set(1);
}

/// SplitMix64: all that matters is that the bytes differ from one another and not from run to run.
fn random(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    for chunk in bytes.chunks_mut(8) {
        SEED.set(SEED.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut mixed = SEED.get();
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
    }
    Ok(())
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    static CRYPTO: Crypto = Crypto::new(random);
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(CRYPTO.provider()));
    PROVIDER.clone()
}

/// 1 June 2026, for ever.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000)))
    }
}

pub(super) fn clock() -> Arc<dyn TimeProvider> {
    Arc::new(Clock)
}

/// An authority and what it has issued. Ed25519, whose signatures are the same each time.
pub(super) struct Paper {
    pub(super) authority: Vec<u8>,
    pub(super) server: (Vec<u8>, Vec<u8>),
    pub(super) client: (Vec<u8>, Vec<u8>),
}

pub(super) static PAPER: LazyLock<Paper> = LazyLock::new(|| {
    let mut params = params(1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = key(1);
    let authority = params.self_signed(&key).expect("an authority").der().to_vec();
    let issuer = Issuer::new(params, key);
    let issue = |number: u8, usage: ExtendedKeyUsagePurpose| {
        let (mut params, key) = (self::params(number), self::key(number));
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        (certificate.der().to_vec(), key.serialize_der())
    };
    Paper {
        authority,
        server: issue(2, ExtendedKeyUsagePurpose::ServerAuth),
        client: issue(3, ExtendedKeyUsagePurpose::ClientAuth),
    }
});

fn params(number: u8) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{number}"));
    params.serial_number = Some(SerialNumber::from(u64::from(number)));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

/// PKCS#8 of an Ed25519 key (RFC 8410 §7) with a seed that repeats `number`.
fn key(number: u8) -> KeyPair {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = PrivateKeyDer::try_from([&head[..], &[number; 32]].concat()).expect("PKCS#8");
    KeyPair::from_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).expect("a key")
}

impl Paper {
    pub(super) fn identity(pair: &(Vec<u8>, Vec<u8>)) -> Identity {
        Identity::new(&pair.0, &pair.1).expect("a pair")
    }

    /// The other side of a client under test.
    pub(super) fn server_config(&self, asks: bool, tickets: usize) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_details(provider(), clock())
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3");
        let builder = if asks {
            let roots = Arc::new(self.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().expect("roots"))
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = owned(&self.server);
        let mut config = builder.with_single_cert(certificate, key).expect("a pair");
        config.send_tls13_tickets = tickets;
        config.alpn_protocols = vec![b"uart".to_vec()];
        Arc::new(config)
    }

    /// The other side of a server under test.
    pub(super) fn client_config(&self, identified: bool) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_details(provider(), clock())
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3")
            .with_root_certificates(self.roots());
        let (certificate, key) = owned(&self.client);
        Arc::new(if identified {
            builder.with_client_auth_cert(certificate, key).expect("a pair")
        } else {
            builder.with_no_client_auth()
        })
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone().into()).expect("a root");
        roots
    }
}

fn owned(pair: &(Vec<u8>, Vec<u8>)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (vec![pair.0.clone().into()], PrivateKeyDer::try_from(pair.1.clone()).expect("a key"))
}
