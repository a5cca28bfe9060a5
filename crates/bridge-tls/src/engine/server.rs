//! What a server is to be like.

use super::key_error;
use crate::settings::{Clients, ServerSettings, SetupError};
use alloc::sync::Arc;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

/// Checked settings, to be shared by all connections from clients that are met alike. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub(super) tls: Arc<rustls::ServerConfig>,
}

impl ServerConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Which setting cannot work.
    pub fn new(settings: ServerSettings) -> Result<Self, SetupError> {
        let ServerSettings { provider, clock, identity, clients, alpn, tickets } = settings;
        if alpn.iter().any(|protocol| protocol.is_empty() || protocol.len() > 255) {
            return Err(SetupError::BadAlpn);
        }
        let verifier = match clients {
            Clients::Anybody => None,
            Clients::Optional(roots) => Some(
                WebPkiClientVerifier::builder_with_provider(roots.0, provider.clone())
                    .allow_unauthenticated(),
            ),
            Clients::Required(roots) => {
                Some(WebPkiClientVerifier::builder_with_provider(roots.0, provider.clone()))
            }
        };
        let builder = rustls::ServerConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()
            .map_err(|_| SetupError::UselessProvider)?;
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => {
                builder.with_client_cert_verifier(verifier.build().map_err(|_| SetupError::NothingTrusted)?)
            }
        };
        let mut tls =
            builder.with_single_cert(identity.chain, identity.key).map_err(|error| key_error(&error))?;
        tls.alpn_protocols = alpn;
        // A client that can do only one suite well offers only that one.
        tls.ignore_client_order = true;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        match tickets {
            Some(tickets) => tls.ticketer = tickets,
            None => tls.send_tls13_tickets = 0,
        }
        Ok(Self { tls: Arc::new(tls) })
    }
}
