//! Client keys: ECDSA on P-256, and Ed25519 behind a feature.

use crate::der::{Der, INTEGER, OCTET_STRING, SEQUENCE};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey as P256Key};
use rustls::crypto::KeyProvider;
use rustls::pki_types::{AlgorithmIdentifier, PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

#[derive(Debug)]
pub(crate) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let loaded = match &key {
            PrivateKeyDer::Sec1(der) => p256(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
            // PKCS#1 is RSA; what may be added is nothing known here.
            PrivateKeyDer::Pkcs1(_) | _ => None,
        };
        loaded.ok_or_else(|| Error::General("neither an ECDSA P-256 nor an Ed25519 key".into()))
    }
}

/// `PrivateKeyInfo` (RFC 5208 §5), or `OneAsymmetricKey` (RFC 5958 §2), which begins alike. That the key belongs to the
/// certificate is checked later, so a public key beside it is not looked at.
fn pkcs8(der: &[u8]) -> Option<Arc<dyn SigningKey>> {
    let mut info = Der(Der(der).take(SEQUENCE)?);
    info.take(INTEGER)?;
    let algorithm = info.take(SEQUENCE)?;
    let key = info.take(OCTET_STRING)?;
    if algorithm == alg_id::ECDSA_P256.as_ref() {
        return p256(key);
    }
    #[cfg(feature = "ed25519")]
    if algorithm == alg_id::ED25519.as_ref() {
        // RFC 8410 §7: an octet string in the octet string.
        let seed = Der(key).take(OCTET_STRING)?.try_into().ok()?;
        return Some(Arc::new(Pair(ed25519_dalek::SigningKey::from_bytes(seed))));
    }
    None
}

/// `ECPrivateKey` (RFC 5915 §3); a curve that is named there must be P-256.
fn p256(der: &[u8]) -> Option<Arc<dyn SigningKey>> {
    const CURVE: u8 = 0xa0;
    let mut key = Der(Der(der).take(SEQUENCE)?);
    key.take(INTEGER)?;
    let scalar = key.take(OCTET_STRING)?;
    if let Some(curve) = key.take(CURVE)
        && !alg_id::ECDSA_P256.as_ref().ends_with(curve)
    {
        return None;
    }
    let key = P256Key::from_slice(scalar).ok()?;
    Some(Arc::new(Pair(key)))
}

/// A private key with its public one, which both wipe themselves.
#[derive(Clone)]
struct Pair<K>(K);

/// What the two kinds of key differ in.
trait Kind: Clone + Send + Sync + 'static {
    const SCHEME: SignatureScheme;
    const ALGORITHM: SignatureAlgorithm;
    const ID: AlgorithmIdentifier;
    fn public(&self) -> Vec<u8>;
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>>;
}

impl Kind for P256Key {
    const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::ECDSA;
    const ID: AlgorithmIdentifier = alg_id::ECDSA_P256;

    fn public(&self) -> Vec<u8> {
        self.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    /// The nonce comes from key and message (RFC 6979): a poor source of random bytes cannot give the key away.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature: DerSignature = self.try_sign(message).ok()?;
        Some(signature.as_bytes().to_vec())
    }
}

#[cfg(feature = "ed25519")]
impl Kind for ed25519_dalek::SigningKey {
    const SCHEME: SignatureScheme = SignatureScheme::ED25519;
    const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::ED25519;
    const ID: AlgorithmIdentifier = alg_id::ED25519;

    fn public(&self) -> Vec<u8> {
        self.verifying_key().as_bytes().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.try_sign(message).ok()?.to_bytes().to_vec())
    }
}

impl<K: Kind> SigningKey for Pair<K> {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&K::SCHEME).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&K::ID, self.0.public()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        K::ALGORITHM
    }
}

impl<K: Kind> Signer for Pair<K> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.sign(message).ok_or_else(|| Error::General("signing failed".into()))
    }

    fn scheme(&self) -> SignatureScheme {
        K::SCHEME
    }
}

impl<K: Kind> fmt::Debug for Pair<K> {
    /// The kind alone: a log must not hold the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a private key for {:?}", K::SCHEME)
    }
}
