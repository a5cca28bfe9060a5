//! Certificates, keys and trust of TLS ends: from files to settings, what when the files change, and when they expire.

mod client;
mod expiry;
mod files;
mod kept;
mod server;
mod subject;

use std::sync::{Arc, OnceLock};

use uartbridge_tls::CryptoProvider;

use crate::endpoint::NetEndpoint;
pub(crate) use client::ClientSetup;
pub use expiry::Expiry;
pub(crate) use kept::Kept;
pub(crate) use subject::subject;

/// Whether the files that this end names can be used. Nothing is connected.
///
/// # Errors
/// Which file cannot be used, why, and what to do.
pub fn check(end: &NetEndpoint) -> Result<(), String> {
    match end {
        NetEndpoint::Tls { host, tls, .. } => ClientSetup::new(host, tls).map(drop),
        NetEndpoint::TlsListen { tls, .. } => Kept::new(tls.clone()).map(drop),
        NetEndpoint::Tcp { .. }
        | NetEndpoint::TcpListen { .. }
        | NetEndpoint::Udp { .. }
        | NetEndpoint::Unix { .. }
        | NetEndpoint::Stdio => Ok(()),
    }
}

/// The cryptography of this adapter: AWS-LC, with the post-quantum key exchange X25519MLKEM768 first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}
