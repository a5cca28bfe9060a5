//! The provider, and openssl to hold it against.

#![allow(dead_code, reason = "each test file uses a part")]

use rustls::crypto::CryptoProvider;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use uartbridge_tls_rustcrypto::{Crypto, GetRandomFailed};

pub(crate) fn provider() -> CryptoProvider {
    static CRYPTO: Crypto = Crypto::new(random);
    CRYPTO.provider()
}

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    rustls::crypto::ring::default_provider().secure_random.fill(bytes)
}

/// A directory with openssl in it; goes with the test.
pub(crate) struct Openssl(PathBuf);

impl Openssl {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uartbridge-rustcrypto-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// Whether openssl is content with this line.
    pub(crate) fn agrees(&self, line: &str) -> bool {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(&self.0).output();
        done.expect("openssl is installed").status.success()
    }

    pub(crate) fn run(&self, line: &str) {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(&self.0).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).expect(name);
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(&text[pair..pair + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
