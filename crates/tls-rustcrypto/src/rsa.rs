//! RSA, to verify with: PKCS #1 v1.5 and PSS (RFC 8017 §8), for authorities and servers with such keys.

use crate::der::{Der, INTEGER, SEQUENCE};
use ::rsa::{BoxedUint, Error, PublicKey};
use core::fmt;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Sha256, Sha384, Sha512};

/// Sizes of a modulus in bits: a smaller one is weak (NIST SP 800-131A), a larger one takes a chip too long.
const SIZES: core::ops::RangeInclusive<usize> = 2048..=4096;

/// Whether a signature (last) is a key's for a message.
type Verify = fn(&PublicKey, &[u8], &[u8]) -> Result<(), Error>;

/// A padding with a hash. The salt of PSS has the hash's length, as TLS wants it (RFC 8446 §4.2.3).
pub(crate) struct Rsa {
    id: AlgorithmIdentifier,
    verify: Verify,
}

pub(crate) static PKCS1_SHA256: Rsa =
    Rsa { id: alg_id::RSA_PKCS1_SHA256, verify: PublicKey::pkcs1v15_verify::<Sha256> };
pub(crate) static PKCS1_SHA384: Rsa =
    Rsa { id: alg_id::RSA_PKCS1_SHA384, verify: PublicKey::pkcs1v15_verify::<Sha384> };
pub(crate) static PKCS1_SHA512: Rsa =
    Rsa { id: alg_id::RSA_PKCS1_SHA512, verify: PublicKey::pkcs1v15_verify::<Sha512> };
pub(crate) static PSS_SHA256: Rsa =
    Rsa { id: alg_id::RSA_PSS_SHA256, verify: PublicKey::pss_verify::<Sha256> };
pub(crate) static PSS_SHA384: Rsa =
    Rsa { id: alg_id::RSA_PSS_SHA384, verify: PublicKey::pss_verify::<Sha384> };
pub(crate) static PSS_SHA512: Rsa =
    Rsa { id: alg_id::RSA_PSS_SHA512, verify: PublicKey::pss_verify::<Sha512> };

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = decode(public_key).ok_or(InvalidSignature)?;
        (self.verify)(&key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.id
    }
}

impl fmt::Debug for Rsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rsa").field(&self.id).finish()
    }
}

/// `RSAPublicKey` (RFC 8017 §A.1.1).
fn decode(der: &[u8]) -> Option<PublicKey> {
    let mut key = Der(Der(der).take(SEQUENCE)?);
    let (modulus, exponent) = (number(&mut key)?, number(&mut key)?);
    PublicKey::new_with_size_limits(modulus, exponent, SIZES).ok()
}

/// A positive number; it has a leading zero if its first bit is set.
fn number(der: &mut Der<'_>) -> Option<BoxedUint> {
    let bytes = der.take(INTEGER)?;
    let digits = match bytes {
        [0, digits @ ..] => digits,
        [..0x80, ..] => bytes,
        _ => return None,
    };
    let bits = u32::try_from(8 * digits.len()).ok()?;
    BoxedUint::from_be_slice(digits, bits).ok()
}
