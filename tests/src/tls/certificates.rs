//! Certificates, good ones and others. All keys are Ed25519: their signatures have one length, so that runs of the
//! simulation repeat to the byte.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, PKCS_ED25519, SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::scenario::tls::{ClientCertificate, ServerCertificate};

/// Somebody who issues certificates.
pub(super) struct Authority {
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, and the key that goes with it.
pub(super) struct Certificate {
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Authority {
    pub(super) fn new(name: &str) -> Result<Self, rcgen::Error> {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let made = params.self_signed(&key)?;
        Ok(Self { pem: made.pem(), der: made.der().clone(), issuer: Issuer::new(params, key) })
    }

    fn issue(&self, params: &CertificateParams) -> Result<Certificate, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let made = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate { pem: made.pem(), der: made.der().clone(), key })
    }
}

/// PKCS #8 around an Ed25519 key, up to the key's 32 bytes (RFC 8410, section 7).
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

impl Certificate {
    /// The private key without the public one beside it (RFC 5958), which OpenSSL 3.0 does not take; in DER.
    pub(super) fn bare_key(&self) -> Vec<u8> {
        let both = self.key.serialize_der();
        let key = both.get(PKCS8.len()..PKCS8.len() + 32).unwrap_or_default();
        [&PKCS8, key].concat()
    }

    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }
}

/// The certificate of a server at `host`, of `ours` or `theirs`.
pub(super) fn server(
    kind: ServerCertificate,
    host: &str,
    ours: &Authority,
    theirs: &Authority,
) -> Result<Certificate, rcgen::Error> {
    let mut params = params("server");
    let host = if kind == ServerCertificate::AnotherName { "elsewhere.test" } else { host };
    params.subject_alt_names.push(match host.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(host.try_into()?),
    });
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let issuer = match kind {
        ServerCertificate::Good | ServerCertificate::AnotherName => ours,
        ServerCertificate::Expired => {
            params.not_after = date_time_ymd(2021, 1, 1);
            ours
        }
        ServerCertificate::NotYetValid => {
            params.not_before = date_time_ymd(2090, 1, 1);
            ours
        }
        ServerCertificate::ForClients => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            ours
        }
        ServerCertificate::SelfSigned => {
            let key = KeyPair::generate_for(&PKCS_ED25519)?;
            let made = params.self_signed(&key)?;
            return Ok(Certificate { pem: made.pem(), der: made.der().clone(), key });
        }
        ServerCertificate::AnotherAuthority => theirs,
    };
    issuer.issue(&params)
}

/// The client's certificate, of `ours` or `theirs`, if it has one.
pub(super) fn client(
    kind: ClientCertificate,
    ours: &Authority,
    theirs: &Authority,
) -> Result<Option<Certificate>, rcgen::Error> {
    let mut params = params("client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = match kind {
        ClientCertificate::None => return Ok(None),
        ClientCertificate::Good => ours.issue(&params)?,
        ClientCertificate::AnotherAuthority => theirs.issue(&params)?,
        ClientCertificate::Expired => {
            params.not_after = date_time_ymd(2021, 1, 1);
            ours.issue(&params)?
        }
        ClientCertificate::AnotherKey => {
            Certificate { key: KeyPair::generate_for(&PKCS_ED25519)?, ..ours.issue(&params)? }
        }
    };
    Ok(Some(certificate))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // As long for every certificate.
    params.serial_number = Some(7.into());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}
