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
//! - **Random bytes**: about a hundred a connection, each one as good as the keys must be. A generator whose raw bits are
//!   biased (a ring oscillator, an ADC) needs conditioning first. Signatures need none (RFC 6979, RFC 8032).
//! - **Clock**: without one, certificates' dates cannot be checked; pin the server's key then (`Trust::Pins`).
//! - **Heap**: 3.4 KB for an open connection and 6.9 KB at most during its handshake (64-bit machine, chains of one
//!   certificate), besides the two buffers. A record that comes in is copied once, so 16 KB more where the server sends whole ones
//!   of 16 KiB, unless `Settings::in_place` leaves it in the input buffer. To send takes twice the plaintext of a record.
//! - **Secrets** are wiped when they are dropped: keys of handshakes, records, HMAC and signatures. Copies that the compiler
//!   makes on the stack are not.
//! - **Constant time**: what touches secrets has no branch and no memory access that depends on them; what only verifies
//!   may. A Cortex-M3 itself takes 3 to 5 cycles for a product of 64 bits, depending on the factors, so who can time single
//!   multiplications there (at the chip, not over the network) learns something; a Cortex-M4 always takes one.
//!
//! # Code and time
//!
//! Compile `p256`, `primeorder` and `primefield` at `opt-level = 3` (`[profile.release.package.p256]` and so on), the other
//! crates of this cryptography at `"s"`, rustls, webpki and the rest at `"z"`, all with LTO, and give rustc
//! `--cfg sha2_backend_soft="compact" --cfg aes_backend_soft="compact"`. Then, for `thumbv7m-none-eabi`:
//!
//! | text in KB | |
//! |---|---|
//! | a program with a mutual TLS client and no feature of this crate | 226.5 |
//! | `x25519` | 5.3 |
//! | `chacha20poly1305` | 4.0 |
//! | `ed25519` | 21.8; beside `x25519`, 18.6 |
//! | `rsa` | 50.4 |
//! | all but `rsa` | 254.4 (everything of the cryptography at `3`: 271.7, at `"z"`: 243.6; without the two `--cfg`: 290.0) |
//!
//! | millions of instructions on a Cortex-M3 | as above | all at 3 | all at `"z"` |
//! |---|---|---|---|
//! | x25519: key, then shared secret | 1.6, 1.6 | 1.3, 1.3 | 1.8, 1.8 |
//! | P-256: key, then shared secret | 5.9, 5.9 | 5.9, 5.9 | 10.4, 10.4 |
//! | ECDSA: sign, verify | 6.3, 6.3 | 6.2, 6.3 | 11.0, 11.1 |
//! | Ed25519: sign, verify | 1.6, 1.7 | 1.5, 1.6 | 1.8, 2.0 |
//! | RSA of 2048 and 4096 bits: verify | 3.0, 12.5 | 2.9, 12.6 | |
//! | SHA-256 of a megabyte; 39 without the two `--cfg` | 67 | 65 | 66 |
//!
//! (QEMU's mps2-an385 with `-icount shift=0`, rustc 1.96.) A mutual handshake by x25519 with ECDSA certificates of one
//! authority signs once and verifies twice: 22 million; with Ed25519 certificates 8 million.

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

#[cfg(test)]
mod tests {
    /// Compiles as long as all that holds a secret wipes itself.
    #[test]
    fn secrets_are_wiped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<p256::SecretKey>();
        wiped::<p256::ecdh::SharedSecret>();
        wiped::<p256::ecdsa::SigningKey>();
        wiped::<aes_gcm::Aes128Gcm>();
        // HMAC is two states of it.
        wiped::<sha2::Sha256>();
        #[cfg(feature = "x25519")]
        wiped::<zeroize::Zeroizing<[u8; 32]>>();
        #[cfg(feature = "chacha20poly1305")]
        wiped::<chacha20poly1305::ChaCha20Poly1305>();
        #[cfg(feature = "ed25519")]
        wiped::<ed25519_dalek::SigningKey>();
    }
}
