//! Plaintext that stays where its record lay.
//!
//! rustls decrypts in place, and then copies what is for the application into memory of its own, which takes 16 KiB for a
//! whole record. Here the decrypter of each cipher suite hands rustls, in place of such plaintext, the few bytes that say
//! where it lies: those are copied, and it is read from the input buffer. They lie where the record's tag was, which
//! nobody needs any more once it was found good. Handshake messages and alerts go to rustls as always.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls13CipherSuite};

/// How long the plaintext is, and how long the record was from its plaintext on: two numbers of 16 bits.
const PLACE: usize = 4;

/// `provider` with cipher suites of TLS 1.3 that leave plaintext where it lies. They live for ever, as rustls wants it.
pub(super) fn provider(provider: &CryptoProvider) -> Arc<CryptoProvider> {
    let mut provider = provider.clone();
    provider.cipher_suites =
        provider.cipher_suites.iter().filter_map(SupportedCipherSuite::tls13).map(suite).collect();
    Arc::new(provider)
}

/// Where in a buffer of `len` bytes, whose end was the record, the plaintext lies that `payload` tells of.
pub(super) fn place(payload: &[u8], len: usize) -> Option<Range<usize>> {
    let &[high, low, back_high, back_low] = payload else { return None };
    let (count, back) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([back_high, back_low]));
    let start = len.checked_sub(back.into())?;
    (count <= back).then(|| start..start + usize::from(count))
}

fn suite(suite: &'static Tls13CipherSuite) -> SupportedCipherSuite {
    let aead: &'static InPlace = Box::leak(Box::new(InPlace(suite.aead_alg)));
    let CipherSuiteCommon { suite: name, hash_provider, confidentiality_limit } = suite.common;
    SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
        common: CipherSuiteCommon { suite: name, hash_provider, confidentiality_limit },
        hkdf_provider: suite.hkdf_provider,
        aead_alg: aead,
        quic: None,
    })))
}

/// An AEAD whose decrypters leave plaintext where it lies.
struct InPlace(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for InPlace {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Opener(self.0.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Opener(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Opener {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let record = message.payload.as_ptr().addr();
        let len = message.payload.len();
        let inner = InboundOpaqueMessage::new(message.typ, message.version, &mut message.payload);
        let plain = self.0.decrypt(inner, seq)?;
        let (typ, version, count) = (plain.typ, plain.version, plain.payload.len());
        // It is a part of the record, as the lifetimes say; an empty one may lie anywhere.
        let start = if count == 0 { 0 } else { plain.payload.as_ptr().addr() - record };
        let mut range = start..start + count;
        if typ == ContentType::ApplicationData && count > 0 {
            let back = len - start;
            let numbers = u16::try_from(count).ok().zip(u16::try_from(back).ok());
            let (Some((count, back)), Some(tail)) = (numbers, len.checked_sub(PLACE)) else {
                return Err(Error::DecryptError);
            };
            if tail < range.end {
                return Err(Error::DecryptError);
            }
            message.payload[tail..tail + 2].copy_from_slice(&count.to_be_bytes());
            message.payload[tail + 2..].copy_from_slice(&back.to_be_bytes());
            range = tail..len;
        }
        Ok(InboundPlainMessage { typ, version, ..message.into_plain_message_range(range) })
    }
}
