//! How the server is verified.

use crate::failure::Failure;
use crate::pem;
use crate::settings::{Pin, SetupError, Trust};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedCipherSuite,
};

/// The authorities that are trusted to issue server certificates. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roots(pub(super) Arc<RootCertStore>);

impl Roots {
    /// The certificates of a bundle, PEM or DER; all of them must be good.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(bundle: &[u8]) -> Result<Self, SetupError> {
        let mut store = RootCertStore::empty();
        for certificate in pem::certificates(bundle)? {
            store.add(certificate).map_err(|_| SetupError::BadCertificate)?;
        }
        Ok(Self(Arc::new(store)))
    }

    /// The platform's list, in DER. Those that cannot be read are left out, and counted: old ones are common there.
    pub fn from_platform<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> (Self, usize) {
        let mut store = RootCertStore::empty();
        let (_, ignored) =
            store.add_parsable_certificates(certificates.into_iter().map(CertificateDer::from));
        (Self(Arc::new(store)), ignored)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pin {
    /// The pin of a certificate's public key; of the first one of a PEM file, or of a DER file's only one.
    ///
    /// # Errors
    /// The file is not what it should be, or the provider lacks SHA-256.
    pub fn of_certificate(provider: &CryptoProvider, file: &[u8]) -> Result<Self, SetupError> {
        let certificates = pem::certificates(file)?;
        let certificate = certificates.first().ok_or(SetupError::NoCertificate)?;
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| SetupError::BadCertificate)?;
        let hash = sha256(provider).ok_or(SetupError::UselessProvider)?;
        Ok(Self::of_key(hash, &parsed))
    }

    /// By the public key (SubjectPublicKeyInfo).
    fn of_key(sha256: &dyn Hash, certificate: &webpki::EndEntityCert<'_>) -> Self {
        let mut pin = [0; 32];
        pin.copy_from_slice(sha256.hash(&certificate.subject_public_key_info()).as_ref());
        Self(pin)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
pub(super) fn certificate_failure(error: &CertificateError) -> Failure {
    match error {
        CertificateError::UnknownIssuer => Failure::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Failure::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Failure::NotYetValid,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Failure::WrongUsage
        }
        error if *error == SELF_SIGNED => Failure::SelfSigned,
        error if *error == PIN_MISMATCH => Failure::PinMismatch,
        _ => Failure::BadCertificate,
    }
}

/// How our verifier tells [`certificate_failure`] what rustls has no word for: by errors that nothing else can raise here
/// (no revocation lists are used), chosen so that the alert sent is `unknown_ca` and `access_denied`.
const SELF_SIGNED: CertificateError = CertificateError::UnknownRevocationStatus;
const PIN_MISMATCH: CertificateError = CertificateError::ApplicationVerificationFailure;

/// Checks the server's certificate against [`Trust`], and in every case that the server has its private key.
pub(super) struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
    sha256: &'static dyn Hash,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(provider: &Arc<CryptoProvider>, trust: Trust) -> Result<Self, SetupError> {
        let (roots, pins) = match trust {
            Trust::Authorities(roots) => (Some(roots), None),
            Trust::Pins(pins) => (None, Some(pins)),
            Trust::AuthoritiesAndPins(roots, pins) => (Some(roots), Some(pins)),
            Trust::InsecureVerifyNobody => (None, None),
        };
        if pins.as_ref().is_some_and(Vec::is_empty) {
            return Err(SetupError::NothingTrusted);
        }
        let chain = roots.map(|roots| {
            WebPkiServerVerifier::builder_with_provider(roots.0, provider.clone())
                .build()
                .map_err(|_| SetupError::NothingTrusted)
        });
        Ok(Self {
            chain: chain.transpose()?,
            pins: pins.unwrap_or_default(),
            sha256: sha256(provider).ok_or(SetupError::UselessProvider)?,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn check_pins(&self, certificate: &webpki::EndEntityCert<'_>) -> Result<(), Error> {
        if self.pins.is_empty() {
            return Ok(());
        }
        if self.pins.contains(&Pin::of_key(self.sha256, certificate)) {
            Ok(())
        } else {
            Err(PIN_MISMATCH.into())
        }
    }
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verifier")
            .field("chain", &self.chain)
            .field("pins", &self.pins)
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = webpki::EndEntityCert::try_from(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, name, ocsp, now).map_err(|error| {
                let issuer_is_the_matter = matches!(
                    error,
                    Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))
                );
                if issuer_is_the_matter && parsed.issuer() == parsed.subject() {
                    SELF_SIGNED.into()
                } else {
                    error
                }
            })?;
        }
        self.check_pins(&parsed)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A clock for trust that checks no dates: where there is no time, the epoch will do for the age of tickets.
#[derive(Debug)]
pub(super) struct MaybeUndated(pub(super) Arc<dyn TimeProvider>);

impl TimeProvider for MaybeUndated {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0.current_time().unwrap_or(UnixTime::since_unix_epoch(Duration::ZERO)))
    }
}

fn sha256(provider: &CryptoProvider) -> Option<&'static dyn Hash> {
    provider
        .cipher_suites
        .iter()
        .map(|suite| match suite {
            #[cfg(feature = "tls12")]
            SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
            SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        })
        .find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
}
