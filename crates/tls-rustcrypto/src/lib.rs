//! Cryptography for TLS 1.3 where ring and aws-lc-rs do not go: a rustls [`CryptoProvider`] over the RustCrypto and dalek
//! crates, in Rust alone. `no_std` with `alloc`, no `unsafe` of its own, no operating system: random bytes are handed in.
//!
//! | | always | behind a feature |
//! |---|---|---|
//! | cipher suite | `TLS_AES_128_GCM_SHA256` | `TLS_CHACHA20_POLY1305_SHA256` (`chacha20poly1305`) |
//! | key exchange | P-256 | x25519 (`x25519`), then offered first |
//! | servers' and authorities' keys | ECDSA P-256 with SHA-256 | Ed25519 (`ed25519`); RSA of 2048 to 4096 bits (`rsa`) |
//! | own key | ECDSA P-256: PKCS#8, SEC1 | Ed25519: PKCS#8 (`ed25519`) |
//!
//! What is always there, with `rsa`, is what RFC 8446 §9.1 obliges everybody to have.
//!
//! # In a firmware
//!
//! Turn off the default features of `uartbridge-tls`: TLS 1.2 would need cipher suites that are not here.
//!
//! ```
//! use std::sync::Arc; // alloc::sync::Arc
//! use uartbridge_tls::{Config, Roots, Settings, TimeProvider, Trust, UnixTime};
//! use uartbridge_tls_rustcrypto::{Crypto, GetRandomFailed};
//!
//! static CRYPTO: Crypto = Crypto::new(random);
//!
//! /// From the chip's generator of true random numbers.
//! fn random(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
//! #   bytes.fill(4);
//!     Ok(())
//! }
//!
//! /// From SNTP, the cellular network or a real-time clock; `None` while it is unknown.
//! #[derive(Debug)]
//! struct Clock;
//!
//! impl TimeProvider for Clock {
//!     fn current_time(&self) -> Option<UnixTime> {
//!         Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(1_780_272_000)))
//!     }
//! }
//!
//! # fn connect(authority: &[u8]) -> Result<Config, uartbridge_tls::SetupError> {
//! let provider = Arc::new(CRYPTO.provider());
//! let config = Config::new(Settings::new(provider, Arc::new(Clock), Trust::Authorities(Roots::new(authority)?)));
//! # config
//! # }
//! ```
//!
//! - **Random bytes**: about a hundred a connection, each one as good as the keys must be. A generator whose raw bits are biased
//!   (a ring oscillator, an ADC) needs conditioning first. Signatures need none (RFC 6979, RFC 8032).
//! - **Clock**: without one, certificates' dates cannot be checked; pin the server's key then (`Trust::Pins`).
//! - **Time and code**: compile the cryptography at `opt-level = 3` (`[profile.release.package.p256]` and so on), the rest
//!   for size, and give rustc `--cfg sha2_backend_soft="compact" --cfg aes_backend_soft="compact"`.
//! - **Secrets** are wiped when they are dropped: keys of handshakes, records, HMAC and signatures.
//! - **Constant time**: the code that touches secrets has no branch and no memory access that depends on them. A Cortex-M3
//!   itself multiplies 32 × 32 to 64 bits in 3 to 5 cycles, depending on the operands, so who can measure single
//!   multiplications there (at the chip, not over the network) learns something; a Cortex-M4 always takes one.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod der;
mod exchange;
mod hash;
mod point;
mod random;
mod record;
#[cfg(feature = "rsa")]
mod rsa;
mod sign;
#[cfg(all(test, feature = "x25519"))]
mod trace;
mod verify;

use alloc::vec;
use exchange::P256;
use random::Random;
use record::Records;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::{CipherSuite, SupportedCipherSuite, Tls13CipherSuite};

pub use random::Fill;
pub use rustls::crypto::GetRandomFailed;

/// The provider's static part: make one, `static`, with the source of random bytes.
#[derive(Debug)]
pub struct Crypto {
    random: Random,
    p256: P256,
    #[cfg(feature = "x25519")]
    x25519: exchange::X25519,
}

impl Crypto {
    /// With `fill` for keys and nonces of handshakes; see [`Fill`].
    pub const fn new(fill: Fill) -> Self {
        let random = Random(fill);
        Self {
            random,
            p256: P256(random),
            #[cfg(feature = "x25519")]
            x25519: exchange::X25519(random),
        }
    }

    /// What `Settings` of `uartbridge-tls`, and rustls itself, take.
    pub fn provider(&'static self) -> CryptoProvider {
        CryptoProvider {
            cipher_suites: vec![
                SupportedCipherSuite::Tls13(&AES_128_GCM),
                #[cfg(feature = "chacha20poly1305")]
                SupportedCipherSuite::Tls13(&CHACHA20_POLY1305),
            ],
            kx_groups: vec![
                #[cfg(feature = "x25519")]
                &self.x25519,
                &self.p256,
            ],
            signature_verification_algorithms: verify::ALGORITHMS,
            secure_random: &self.random,
            key_provider: &sign::Keys,
        }
    }
}

static AES_128_GCM: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &hash::Sha256,
        // RFC 8446 §5.5: 2^24.5 full records.
        confidentiality_limit: 1 << 24,
    },
    hkdf_provider: &HkdfUsingHmac(&hash::HmacSha256),
    aead_alg: &Records::<aes_gcm::Aes128Gcm>::NEW,
    quic: None,
};

#[cfg(feature = "chacha20poly1305")]
static CHACHA20_POLY1305: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        hash_provider: &hash::Sha256,
        // RFC 8446 §5.5: the sequence number ends first.
        confidentiality_limit: u64::MAX,
    },
    hkdf_provider: &HkdfUsingHmac(&hash::HmacSha256),
    aead_alg: &Records::<chacha20poly1305::ChaCha20Poly1305>::NEW,
    quic: None,
};
