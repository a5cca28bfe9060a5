//! What a TLS listener needs beside a socket.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::time_provider::DefaultTimeProvider;
use uartbridge_tls::{Clients, ServerConfig, ServerSettings};

use super::files::{about_pair, identity, protocols, roots};
use super::kept::{Ready, Source};
use super::provider;
use super::subject::is_for_servers;
use crate::endpoint::{TlsClients, TlsServer};

impl Source for TlsServer {
    /// Carries the key of the tickets too: a client whose authority is no longer trusted must not come in by an old one.
    type Config = ServerConfig;

    fn files(&self) -> Vec<PathBuf> {
        let ca = match &self.clients {
            TlsClients::Anybody => None,
            TlsClients::Optional(ca) | TlsClients::Required(ca) => Some(ca),
        };
        ca.into_iter().chain([&self.identity.cert, &self.identity.key]).cloned().collect()
    }

    fn make(&self) -> Result<Ready<ServerConfig>, String> {
        let mut expiries = Vec::new();
        let clients = match &self.clients {
            TlsClients::Anybody => Clients::Anybody,
            TlsClients::Optional(ca) => Clients::Optional(roots(ca, &mut expiries)?),
            TlsClients::Required(ca) => Clients::Required(roots(ca, &mut expiries)?),
        };
        let own = identity(&self.identity, &mut expiries)?;
        if !is_for_servers(own.certificate()) {
            let name = self.identity.cert.display();
            tracing::warn!(
                "cert={name}: this certificate is not for servers, so clients will refuse it; issue one with the usage \
                 serverAuth"
            );
        }
        let mut settings = ServerSettings::new(provider(), Arc::new(DefaultTimeProvider), own);
        settings.clients = clients;
        settings.alpn = protocols(&self.alpn);
        settings.tickets =
            Some(Ticketer::new().map_err(|error| format!("no random numbers for tickets: {error}"))?);
        let config = ServerConfig::new(settings).map_err(|error| about_pair(&self.identity, &error))?;
        Ok(Ready { config, expiries })
    }
}
