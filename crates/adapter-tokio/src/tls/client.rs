//! What a TLS client needs beside a socket.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::time_provider::DefaultTimeProvider;
use uartbridge_tls::{Config, Identity, Roots, Settings, Trust, certificates, memory_sessions};

use super::expiry::Warnings;
use super::files::{self, Made, about, first_expiry, last_expiry, read_key};
use super::{Expiry, provider};
use crate::endpoint::{TlsClient, TlsFiles, TlsTrust};

/// Settings, made of files and kept up to date with them.
#[derive(Debug)]
pub(crate) struct ClientSetup {
    tls: TlsClient,
    /// What the server's certificate must be for.
    name: String,
    ready: Made<Ready>,
    warnings: Warnings,
}

#[derive(Debug)]
struct Ready {
    /// Carries the sessions too: they are bound to trust and identity, so they end when files change.
    config: Config,
    expiries: Vec<Expiry>,
}

impl ClientSetup {
    /// # Errors
    /// Which file or setting cannot be used, why, and what to do.
    pub(crate) fn new(host: &str, tls: &TlsClient) -> Result<Self, String> {
        let ready = Made::new(files(tls), || make(tls))?;
        // An IPv6 address may have a zone, which is nobody's name.
        let name = tls.name.as_deref().unwrap_or(host).split('%').next().unwrap_or(host).to_owned();
        Ok(Self { tls: tls.clone(), name, ready, warnings: Warnings::default() })
    }

    /// What a new connection is to use, and the server's name; files that have changed are read again.
    pub(crate) fn current(&mut self) -> (Config, String) {
        self.ready.refresh(|| make(&self.tls));
        (self.ready.get().config.clone(), self.name.clone())
    }

    pub(crate) fn warn(&mut self) {
        self.warnings.give(&self.ready.get().expiries);
    }

    pub(crate) fn expiries(&self) -> &[Expiry] {
        &self.ready.get().expiries
    }
}

fn files(tls: &TlsClient) -> Vec<PathBuf> {
    let ca = match &tls.trust {
        TlsTrust::Authorities(ca) | TlsTrust::AuthoritiesAndPins(ca, _) => Some(ca),
        TlsTrust::Platform | TlsTrust::Pins(_) | TlsTrust::Nobody => None,
    };
    let identity = tls.identity.iter().flat_map(|pair| [&pair.cert, &pair.key]);
    ca.into_iter().chain(identity).cloned().collect()
}

fn make(tls: &TlsClient) -> Result<Ready, String> {
    let mut expiries = Vec::new();
    let mut roots = |ca: &PathBuf| {
        let bundle = files::read("ca", ca)?;
        let roots = Roots::new(&bundle).map_err(|error| about("ca", ca, &error))?;
        expiries.extend(certificates(&bundle).ok().and_then(|found| last_expiry("ca", ca, &found)));
        Ok::<_, String>(roots)
    };
    let trust = match &tls.trust {
        TlsTrust::Platform => Trust::Authorities(platform()?),
        TlsTrust::Authorities(ca) => Trust::Authorities(roots(ca)?),
        TlsTrust::Pins(pins) => Trust::Pins(pins.clone()),
        TlsTrust::AuthoritiesAndPins(ca, pins) => Trust::AuthoritiesAndPins(roots(ca)?, pins.clone()),
        TlsTrust::Nobody => Trust::InsecureVerifyNobody,
    };
    let mut settings = Settings::new(provider(), Arc::new(DefaultTimeProvider), trust);
    if let Some(TlsFiles { cert, key }) = &tls.identity {
        let chain = files::read("cert", cert)?;
        let found = certificates(&chain).map_err(|error| about("cert", cert, &error))?;
        expiries.extend(first_expiry("cert", cert, &found));
        let identity = Identity::new(&chain, &read_key(key)?).map_err(|error| about("key", key, &error))?;
        settings.identity = Some(identity);
    }
    settings.alpn = tls.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
    settings.sessions = Some(memory_sessions(1));
    let config = Config::new(settings).map_err(|error| match &tls.identity {
        Some(TlsFiles { cert, key }) => about("cert", cert, &about("key", key, &error)),
        None => error.to_string(),
    })?;
    Ok(Ready { config, expiries })
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
