//! Who shows what to whom, and whom they trust.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, DEFAULT_VERSIONS, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion, version,
};
use rustls_pki_types::ServerName;
use uartbridge_tls::{
    Identity, Pin, Roots, Settings, TimeProvider, Trust as Trusted, UnixTime, memory_sessions,
};

use super::certificates::{self, Authority, Certificate};
use super::faulty;
use super::peer::PeerTls;
use crate::scenario::tls::{ClientCertificate, Handshake, Tls, Trust, Version};

/// Everything that the peers and the bridge of one run know for TLS.
#[derive(Debug)]
pub struct Credentials {
    host: String,
    authority: String,
    /// The bridge's certificate and key.
    identity: Option<(String, String)>,
    /// The server's certificate, and its key in DER.
    server: (String, Vec<u8>),
    mutual: bool,
    version: Option<Version>,
    trust: Trust,
    pin: Pin,
    peers: Peers,
    calendar: Arc<Calendar>,
}

/// Peers that trust the bridge, and such that do not.
#[derive(Debug)]
enum Peers {
    Servers { trusting: Arc<ServerConfig>, refusing: Arc<ServerConfig> },
    Clients { trusting: Arc<ClientConfig>, refusing: Arc<ClientConfig> },
}

/// The calendar of a run: the computer's, or one that begins on 1 June 2026 and is moved by hand.
#[derive(Debug)]
pub enum Calendar {
    /// The computer's.
    Real,
    /// So many seconds after its beginning.
    Virtual(AtomicU64),
}

impl Calendar {
    const BEGINNING: u64 = 1_780_272_000;

    /// One that is moved by hand.
    pub const fn by_hand() -> Self {
        Self::Virtual(AtomicU64::new(0))
    }

    fn set(&self, since_beginning: Duration) {
        match self {
            Self::Real => {}
            Self::Virtual(seconds) => seconds.store(since_beginning.as_secs(), Ordering::Relaxed),
        }
    }
}

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = match self {
            Self::Real => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?,
            Self::Virtual(seconds) => Duration::from_secs(Self::BEGINNING + seconds.load(Ordering::Relaxed)),
        };
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

impl Credentials {
    /// New keys and certificates. The server, a peer or, if it `listens`, the bridge, is called `host`.
    ///
    /// # Errors
    /// They cannot be made, in words.
    pub fn new(tls: &Tls, host: &str, listens: bool, calendar: Calendar) -> Result<Self, String> {
        let calendar = Arc::new(calendar);
        let made = || -> Result<_, rcgen::Error> {
            let (ours, theirs) = (Authority::new("ours")?, Authority::new("theirs")?);
            let server = certificates::server(tls.server, host, &ours, &theirs)?;
            let kind = if tls.mutual { tls.client } else { ClientCertificate::None };
            let client = certificates::client(kind, &ours, &theirs)?;
            Ok((ours, theirs, server, client))
        };
        let (ours, theirs, server, client) = made().map_err(|error| format!("certificates: {error}"))?;
        let failed = |error| format!("the peers' TLS: {error}");
        let pem = |certificate: &Certificate| (certificate.pem.clone(), certificate.key.serialize_pem());
        let (peers, identity) = if listens {
            let config = |servers| client_config(tls, client.as_ref(), servers, &calendar).map_err(failed);
            let peers = Peers::Clients { trusting: config(&ours)?, refusing: config(&theirs)? };
            (peers, Some(pem(&server)))
        } else {
            let config = |clients| server_config(tls, &server, clients, &calendar).map_err(failed);
            let peers = Peers::Servers { trusting: config(&ours)?, refusing: config(&theirs)? };
            (peers, client.as_ref().map(pem))
        };
        Ok(Self {
            host: host.to_owned(),
            authority: ours.pem,
            identity,
            server: (server.pem.clone(), server.bare_key()),
            mutual: tls.mutual,
            version: tls.version,
            trust: tls.trust,
            pin: pin(&server),
            peers,
            calendar,
        })
    }

    /// The name that the bridge calls its peers by.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sets the calendar to so long after the start of the run, if it is moved by hand.
    pub fn date(&self, since_start: Duration) {
        self.calendar.set(since_start);
    }

    /// The settings of a bridge that connects.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn settings(&self) -> Result<Settings, String> {
        let roots = || Roots::new(self.authority.as_bytes()).map_err(|error| error.to_string());
        let trust = match self.trust {
            Trust::Authority => Trusted::Authorities(roots()?),
            Trust::Pin | Trust::AnotherPin => Trusted::Pins(vec![self.pinned()]),
            Trust::AuthorityAndPin | Trust::AuthorityAndAnotherPin => {
                Trusted::AuthoritiesAndPins(roots()?, vec![self.pinned()])
            }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut settings = Settings::new(provider, self.calendar.clone(), trust);
        if let Some((certificate, key)) = &self.identity {
            let identity = Identity::new(certificate.as_bytes(), key.as_bytes());
            settings.identity = Some(identity.map_err(|error| error.to_string())?);
        }
        settings.sessions = Some(memory_sessions(4));
        Ok(settings)
    }

    /// The same for the program: writes files to `folder`, and gives what follows the address in the URL.
    ///
    /// # Errors
    /// They cannot be written, in words.
    pub fn query(&self, folder: &Path) -> Result<String, String> {
        let write = |name: &str, text: &str| -> Result<PathBuf, String> {
            let path = folder.join(name);
            write(&path, text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(path)
        };
        let (ca, pin) = self.shown();
        let mut settings = Vec::new();
        if ca {
            settings.push(format!("ca={}", write("ca.pem", &self.authority)?.display()));
        }
        if pin {
            settings.push(format!("pin={}", self.pinned()));
        }
        if let Some((certificate, key)) = &self.identity {
            settings.push(format!("cert={}", write("bridge.pem", certificate)?.display()));
            settings.push(format!("key={}", write("bridge.key", key)?.display()));
        }
        Ok(format!("?{}", settings.join("&")))
    }

    /// The same for a bridge in a page.
    pub(crate) fn for_a_page(&self) -> serde_json::Value {
        let (ca, pin) = self.shown();
        let mut settings = serde_json::json!({ "serverName": self.host });
        if ca {
            settings["ca"] = self.authority.as_str().into();
        }
        if pin {
            settings["pin"] = vec![self.pinned().to_string()].into();
        }
        if let Some((certificate, key)) = &self.identity {
            settings["cert"] = certificate.as_str().into();
            settings["key"] = key.as_str().into();
        }
        settings
    }

    /// The files of a server that is OpenSSL's: `server.pem` and `server.der`, its key, and `ca.pem`, whom clients must be from.
    pub(crate) fn for_openssl(&self, folder: &Path) -> io::Result<()> {
        let (certificate, key) = &self.server;
        write(&folder.join("server.pem"), certificate.as_bytes())?;
        write(&folder.join("server.der"), key)?;
        write(&folder.join("ca.pem"), self.authority.as_bytes())
    }

    /// Whether servers ask for a certificate.
    pub(crate) const fn are_mutual(&self) -> bool {
        self.mutual
    }

    /// The only version that servers speak.
    pub(crate) const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Whether the bridge is told the authority, and the pin.
    const fn shown(&self) -> (bool, bool) {
        match self.trust {
            Trust::Authority => (!self.listens() || self.mutual, false),
            Trust::Pin | Trust::AnotherPin => (false, true),
            Trust::AuthorityAndPin | Trust::AuthorityAndAnotherPin => (true, true),
        }
    }

    /// A peer's end of a new connection.
    pub(crate) fn peer(&self, distrusts: bool, handshake: Handshake) -> Result<PeerTls, String> {
        let connection = match &self.peers {
            Peers::Servers { trusting, refusing } => {
                let config = if distrusts { refusing } else { trusting };
                ServerConnection::new(config.clone()).map(Connection::from)
            }
            Peers::Clients { trusting, refusing } => {
                let config = if distrusts { refusing } else { trusting };
                let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
                ClientConnection::new(config.clone(), name).map(Connection::from)
            }
        };
        Ok(PeerTls::new(connection.map_err(|error| error.to_string())?, handshake))
    }

    const fn listens(&self) -> bool {
        match self.peers {
            Peers::Servers { .. } => false,
            Peers::Clients { .. } => true,
        }
    }

    fn pinned(&self) -> Pin {
        match self.trust {
            Trust::Authority | Trust::Pin | Trust::AuthorityAndPin => self.pin,
            Trust::AnotherPin | Trust::AuthorityAndAnotherPin => Pin(self.pin.0.map(|byte| !byte)),
        }
    }
}

/// A new file, for its owner alone.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

/// A server that, if it asks for certificates, wants those of `clients`.
fn server_config(
    tls: &Tls,
    certificate: &Certificate,
    clients: &Authority,
    calendar: &Arc<Calendar>,
) -> Result<Arc<ServerConfig>, Box<dyn core::error::Error>> {
    let provider = faulty::provider();
    let builder = ServerConfig::builder_with_details(provider.clone(), calendar.clone())
        .with_protocol_versions(&versions(tls))?;
    let builder = if tls.mutual {
        let mut roots = RootCertStore::empty();
        roots.add(clients.der.clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![certificate.der.clone()];
    let mut config = builder.with_single_cert(chain, certificate.private_key())?;
    if tls.without_tickets {
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// A client that trusts servers of `servers`.
fn client_config(
    tls: &Tls,
    certificate: Option<&Certificate>,
    servers: &Authority,
    calendar: &Arc<Calendar>,
) -> Result<Arc<ClientConfig>, Box<dyn core::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(servers.der.clone())?;
    let builder = ClientConfig::builder_with_details(faulty::provider(), calendar.clone())
        .with_protocol_versions(&versions(tls))?
        .with_root_certificates(roots);
    Ok(Arc::new(match certificate {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_auth_cert(vec![own.der.clone()], own.private_key())?,
    }))
}

fn versions(tls: &Tls) -> Vec<&'static SupportedProtocolVersion> {
    match tls.version {
        Some(Version::Tls12) => vec![&version::TLS12],
        Some(Version::Tls13) => vec![&version::TLS13],
        None => DEFAULT_VERSIONS.to_vec(),
    }
}

/// The SHA-256 of the certificate's public key.
fn pin(certificate: &Certificate) -> Pin {
    use rcgen::PublicKeyData;
    Pin(sha256(&certificate.key.subject_public_key_info()))
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let mut digest = [0; 32];
    if let Some(suite) = suite.tls13() {
        digest.copy_from_slice(suite.common.hash_provider.hash(bytes).as_ref());
    }
    digest
}
