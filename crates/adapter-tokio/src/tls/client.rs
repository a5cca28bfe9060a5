//! What a TLS client needs beside a socket.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::time_provider::DefaultTimeProvider;
use uartbridge_tls::{Config, Roots, Settings, Trust, memory_sessions};

use super::files::{about_pair, identity, protocols, roots};
use super::kept::{Kept, Ready, Source};
use super::{Expiry, provider};
use crate::endpoint::{TlsClient, TlsTrust};

/// Settings of a client, and whom it expects.
#[derive(Debug)]
pub(crate) struct ClientSetup {
    /// What the server's certificate must be for.
    name: String,
    kept: Kept<TlsClient>,
}

impl ClientSetup {
    /// # Errors
    /// Which file or setting cannot be used, why, and what to do.
    pub(crate) fn new(host: &str, tls: &TlsClient) -> Result<Self, String> {
        // An IPv6 address may have a zone, which is nobody's name.
        let name = tls.name.as_deref().unwrap_or(host).split('%').next().unwrap_or(host).to_owned();
        if ServerName::try_from(name.as_str()).is_err() {
            return Err(format!(
                "{name:?} cannot be in a certificate; give the name that is in the server's (sni=)"
            ));
        }
        Ok(Self { name, kept: Kept::new(tls.clone())? })
    }

    /// What a new connection is to use, and the server's name; files that have changed are read again.
    pub(crate) fn current(&mut self) -> (Config, String) {
        (self.kept.current(), self.name.clone())
    }

    pub(crate) fn warn(&mut self) {
        self.kept.warn();
    }

    pub(crate) fn expiries(&self) -> &[Expiry] {
        self.kept.expiries()
    }
}

impl Source for TlsClient {
    /// Carries the sessions too: they are bound to trust and identity, so they end when files change.
    type Config = Config;

    fn files(&self) -> Vec<PathBuf> {
        let ca = match &self.trust {
            TlsTrust::Authorities(ca) | TlsTrust::AuthoritiesAndPins(ca, _) => Some(ca),
            TlsTrust::Platform | TlsTrust::Pins(_) | TlsTrust::Nobody => None,
        };
        let identity = self.identity.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        ca.into_iter().chain(identity).cloned().collect()
    }

    fn make(&self) -> Result<Ready<Config>, String> {
        let mut expiries = Vec::new();
        let trust = match &self.trust {
            TlsTrust::Platform => Trust::Authorities(platform()?),
            TlsTrust::Authorities(ca) => Trust::Authorities(roots(ca, &mut expiries)?),
            TlsTrust::Pins(pins) => Trust::Pins(pins.clone()),
            TlsTrust::AuthoritiesAndPins(ca, pins) => {
                Trust::AuthoritiesAndPins(roots(ca, &mut expiries)?, pins.clone())
            }
            TlsTrust::Nobody => Trust::InsecureVerifyNobody,
        };
        let mut settings = Settings::new(provider(), Arc::new(DefaultTimeProvider), trust);
        settings.identity = self.identity.as_ref().map(|files| identity(files, &mut expiries)).transpose()?;
        settings.alpn = protocols(&self.alpn);
        settings.sessions = Some(memory_sessions(1));
        let config = Config::new(settings).map_err(|error| match &self.identity {
            Some(files) => about_pair(files, &error),
            None => error.to_string(),
        })?;
        Ok(Ready { config, expiries })
    }
}

/// The authorities that this system trusts, read once: a few hundred, and the same for every end.
fn platform() -> Result<Roots, String> {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("the system's certificate authorities: {error}");
    }
    let (roots, _) = Roots::from_platform(found.certs.iter().map(AsRef::as_ref));
    if roots.is_empty() {
        return Err(
            "this system has no list of certificate authorities; install ca-certificates, or give ca= or pin=".to_owned()
        );
    }
    Ok(ROOTS.get_or_init(|| roots).clone())
}

#[cfg(test)]
mod tests {
    use crate::endpoint::NetEndpoint;
    use crate::tls::check;

    #[test]
    fn a_host_that_no_certificate_can_be_for_is_refused_before_anything_is_sent() {
        for (host, good) in [
            ("localhost", true),
            ("192.0.2.1", true),
            ("[fe80::1%eth0]", true),
            ("a_b.example.", true),
            ("a..b", false),
            ("-a.example", false),
        ] {
            let end: NetEndpoint = format!("tls://{host}:1?insecure=verify-nobody")
                .parse()
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(check(&end).is_ok(), good, "{host}: {:?}", check(&end));
        }
    }
}
