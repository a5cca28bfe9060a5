//! A provider whose records can be replaced just before they are encrypted: what rustls never says by itself becomes
//! possible, under the right keys and with the right sequence numbers.

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};

/// Application data that stands for a record with nothing in it.
pub(super) const EMPTY_RECORD: &[u8] = b"\0in the place of an empty record\0";
/// Application data that stands for a HelloRequest (RFC 5246 §7.4.1.1).
pub(super) const HELLO_REQUEST: &[u8] = b"\0in the place of a HelloRequest\0";
/// Its type and its length.
const HELLO_REQUEST_MESSAGE: &[u8] = &[0, 0, 0, 0];

/// ring's provider, with such records.
pub(super) fn provider() -> Arc<CryptoProvider> {
    /// Suites live as long as the process.
    static SUITES: LazyLock<Vec<SupportedCipherSuite>> = LazyLock::new(|| {
        rustls::crypto::ring::default_provider().cipher_suites.into_iter().map(replacing).collect()
    });
    Arc::new(CryptoProvider { cipher_suites: SUITES.clone(), ..rustls::crypto::ring::default_provider() })
}

fn replacing(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: common.confidentiality_limit,
    };
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                aead_alg: Box::leak(Box::new(Replacing(suite.aead_alg))),
                ..*suite
            })))
        }
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                aead_alg: Box::leak(Box::new(Replacing(suite.aead_alg))),
                ..*suite
            })))
        }
    }
}

/// Something of ring's that encrypts.
struct Replacing<T>(T);

impl MessageEncrypter for Replacing<Box<dyn MessageEncrypter>> {
    fn encrypt(
        &mut self,
        mut message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.typ == ContentType::ApplicationData {
            let plain = message.payload.to_vec();
            if plain == EMPTY_RECORD {
                message.payload = OutboundChunks::Single(&[]);
            } else if plain == HELLO_REQUEST {
                message.typ = ContentType::Handshake;
                message.payload = OutboundChunks::Single(HELLO_REQUEST_MESSAGE);
            }
        }
        self.0.encrypt(message, sequence)
    }

    fn encrypted_payload_len(&self, len: usize) -> usize {
        self.0.encrypted_payload_len(len)
    }
}

impl Tls13AeadAlgorithm for Replacing<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Replacing(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
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
}

impl Tls12AeadAlgorithm for Replacing<&'static dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Replacing(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}
