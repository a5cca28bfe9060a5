//! `uartbridge certs`: a CA, a server certificate and client certificates, for trying TLS out.

mod folder;
mod issue;
mod next;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use folder::Folder;
use issue::{Authority, Span};
use uartbridge_tls::{Pin, SetupError};

use super::exit;

/// What is to be made.
pub(crate) struct Certs {
    /// Where the files lie.
    pub(crate) dir: PathBuf,
    /// A new CA with everything that belongs to it; otherwise the one in `dir` issues what is asked for.
    pub(crate) authority: bool,
    /// A server certificate for these names.
    pub(crate) server: Option<Vec<Host>>,
    /// Client certificates.
    pub(crate) clients: Vec<ClientName>,
    /// How long server and client certificates are valid.
    pub(crate) days: u16,
    /// Replace files that are there.
    pub(crate) force: bool,
}

/// A host name, perhaps with `*.` in front, or an address: what a server is reached by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host(String);

/// A client's name, which also names its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientName(String);

/// Why nothing more was made.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{}: there is {} already; {}", .dir.display(), .files.join(", "), instead(*.authority))]
    Exists { dir: PathBuf, files: Vec<String>, authority: bool },
    #[error("{}: cannot write: {error}; choose a directory that is yours", .path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("{}: cannot read the CA: {error}; `uartbridge certs {}` makes one", .path.display(), .dir.display())]
    NoAuthority { path: PathBuf, dir: PathBuf, error: io::Error },
    #[error("{}: {problem}", .path.display())]
    BadAuthority { path: PathBuf, problem: BadAuthority },
    #[error("cannot make a certificate: {0}; please report this")]
    Issue(#[from] rcgen::Error),
    #[error("cannot make a certificate: {0}; please report this")]
    Setup(#[from] SetupError),
}

/// What to do where there are files already.
fn instead(authority: bool) -> &'static str {
    if authority {
        "--client NAME adds a client; --force makes all of them anew, and then nobody trusts the old ones any more"
    } else {
        "--force replaces it"
    }
}

/// Why a CA cannot issue.
#[derive(Debug, thiserror::Error)]
enum BadAuthority {
    #[error("the certificate cannot be read; restore it from a copy")]
    Certificate,
    #[error("the private key cannot be read; give PKCS#8 in PEM (`openssl pkcs8 -topk8 -nocrypt` makes it)")]
    Key,
    #[error("the private key is not this certificate's; restore the pair that was made together")]
    Mismatch,
    #[error("the certificate is no CA's; name a directory that `uartbridge certs` has made")]
    NoAuthority,
    #[error("the CA has expired; `uartbridge certs --force` makes a new one, and new certificates")]
    Expired,
}

/// Makes them, and says on standard output what there is now and what to do with it.
pub(crate) fn certs(wanted: &Certs) -> ExitCode {
    match make(wanted) {
        Ok(text) => {
            // Whoever has closed the output does not want to read this.
            let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            eprintln!("error: {refusal}");
            ExitCode::from(refusal.code())
        }
    }
}

fn make(wanted: &Certs) -> Result<String, Refusal> {
    let folder = Folder::new(&wanted.dir);
    let mut pairs: Vec<(String, String)> = Vec::new();
    pairs.extend(wanted.authority.then_some(AUTHORITY).map(owned));
    pairs.extend(wanted.server.as_ref().map(|_| owned(SERVER)));
    pairs.extend(wanted.clients.iter().map(|client| (client.certificate(), client.key())));
    if !wanted.force {
        folder.refuse(&pairs, wanted.authority)?;
    }

    let now = SystemTime::now();
    let authority = if wanted.authority {
        let authority = Authority::new(Span::from(now, AUTHORITY_DAYS))?;
        folder.write(AUTHORITY, &authority.certificate)?;
        authority
    } else {
        let (certificate, key) = folder.read(AUTHORITY)?;
        Authority::load(&certificate, &key, now)
            .map_err(|problem| Refusal::BadAuthority { path: folder.path(AUTHORITY.0), problem })?
    };
    let span = Span::from(now, u64::from(wanted.days)).within(&authority.span);
    if let Some(names) = &wanted.server {
        let names = if names.is_empty() { own_names() } else { names.clone() };
        folder.write(SERVER, &authority.server(&names, &span)?)?;
    }
    for client in &wanted.clients {
        folder.write((&client.certificate(), &client.key()), &authority.client(client, &span)?)?;
    }
    next::text(wanted, &folder, (&authority.span, &span))
}

/// The files of the CA and of the server: certificate and key.
const AUTHORITY: Pair<'_> = ("ca.pem", "ca.key");
const SERVER: Pair<'_> = ("server.pem", "server.key");
/// How long a CA is valid: longer than what it issues, which should be renewed without touching every device.
const AUTHORITY_DAYS: u64 = 3650;

/// The names of a certificate's file and of its key's.
type Pair<'a> = (&'a str, &'a str);

fn owned((certificate, key): Pair<'_>) -> (String, String) {
    (certificate.to_owned(), key.to_owned())
}

/// What this machine is reached by when one tries things out.
fn own_names() -> Vec<Host> {
    let mut names: Vec<Host> =
        ["localhost", "127.0.0.1", "::1"].into_iter().filter_map(|name| name.parse().ok()).collect();
    let uname = rustix::system::uname();
    // A host may be called what no name server would take; then it is not reached by that name either.
    let own = uname.nodename().to_str().ok().and_then(|name| name.parse().ok());
    names.extend(own.filter(|own| !names.contains(own)));
    names
}

/// The pin of a certificate's public key.
fn pin(certificate: &str) -> Result<Pin, SetupError> {
    Pin::of_certificate(&rustls::crypto::aws_lc_rs::default_provider(), certificate.as_bytes())
}

impl Refusal {
    fn code(&self) -> u8 {
        match self {
            Self::Exists { .. } | Self::Unwritable { .. } => exit::CANNOT_CREATE,
            Self::NoAuthority { .. } | Self::BadAuthority { .. } => exit::NO_INPUT,
            Self::Issue(_) | Self::Setup(_) => exit::SOFTWARE,
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<std::net::IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
        let is_name = |name: &str| !name.is_empty() && !name.contains("..") && name.len() <= LONGEST_NAME;
        match url::Host::parse(name.trim_end_matches('.')) {
            Ok(url::Host::Domain(name)) if is_name(&name) && !name.contains(['*', '_']) => {
                Ok(Self(format!("{star}{name}")))
            }
            Ok(_) | Err(_) => {
                Err("neither a host name nor an address, such as a.example or 192.0.2.1".to_owned())
            }
        }
    }
}

/// Of a host name, in bytes (RFC 1035 §3.1, as text).
const LONGEST_NAME: usize = 253;
/// Of the name in a subject, in characters (RFC 5280 appendix A.1, `ub-common-name`).
const LONGEST_SUBJECT: usize = 64;

impl FromStr for ClientName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if text.is_empty()
            || text.len() > LONGEST_SUBJECT
            || !text.chars().all(is_plain)
            || text.starts_with('.')
        {
            return Err(format!(
                "a client's name has 1 to {LONGEST_SUBJECT} letters, digits or -_.@, and no dot in front"
            ));
        }
        if ["ca", "server"].contains(&text.to_ascii_lowercase().as_str()) {
            return Err("the files of the CA and of the server have this name".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ClientName {
    /// For whoever does not care.
    pub(crate) fn any() -> Self {
        Self("client".to_owned())
    }

    fn certificate(&self) -> String {
        format!("{}.pem", self.0)
    }

    fn key(&self) -> String {
        format!("{}.key", self.0)
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_people_write_them() {
        for (written, host) in [
            ("localhost", "localhost"),
            ("A.Example.", "a.example"),
            ("[::1]", "::1"),
            ("2001:DB8::0:1", "2001:db8::1"),
            ("192.0.2.1", "192.0.2.1"),
            ("*.example", "*.example"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(written.parse::<Host>().map(|host| host.to_string()), Ok(host.to_owned()));
        }
        for wrong in ["", ".", "*", "*.*.example", "a b", "a_b", "192.0.2.256", "a..b", "http://a", "a:1"] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_client_s_name_can_be_a_file_s() {
        for right in ["client", "pump-1", "a.b@example", &"x".repeat(64)] {
            assert!(right.parse::<ClientName>().is_ok(), "{right}");
        }
        for wrong in ["", ".", "../x", "a/b", "ca", "Server", "a b", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<ClientName>().is_err(), "{wrong}");
        }
    }
}
