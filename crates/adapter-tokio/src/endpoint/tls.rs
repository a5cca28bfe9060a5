//! TLS ends: `tls://host:4000?ca=ca.pem&cert=me.pem&key=me.key`, `tls-listen://:4000?cert=me.pem&key=me.key`.
//!
//! | setting of `tls://` | means |
//! |---|---|
//! | `ca=FILE` | trust servers whose certificate one of these authorities has issued; otherwise the system's list |
//! | `pin=sha256:…` | trust the server with this public key; again for a second one; with `ca`, both must hold |
//! | `cert=FILE`, `key=FILE` | who we are, for servers that ask |
//! | `sni=NAME` | the name that the server's certificate is for, if it is not the host |
//! | `alpn=PROTOCOL` | offer this application protocol; again for more, the most wanted first |
//! | `insecure=verify-nobody` | believe whoever answers |
//!
//! | setting of `tls-listen://` | means |
//! |---|---|
//! | `cert=FILE`, `key=FILE` | who we are; needed |
//! | `ca=FILE` | clients need a certificate that one of these authorities has issued |
//! | `client=required`, `optional`, `none` | whether clients are asked for a certificate; `required` if there is `ca` |
//! | `alpn=PROTOCOL` | speak this application protocol; again for more |
//! | `takeover=yes` | a new client takes the present one's place |
//!
//! Files hold PEM or DER, and are written as paths are: `%` and two hexadecimal digits stand for a byte.

use std::fmt;
use std::path::PathBuf;

use uartbridge_tls::Pin;

use super::path::{self, Escaped};
use super::{Fault, NetEndpoint, TLS, TLS_LISTEN, fault, host, settings_again, switch};

/// How we meet a TLS server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsClient {
    /// How the server is verified.
    pub trust: TlsTrust,
    /// Who we are, for servers that ask.
    pub identity: Option<TlsFiles>,
    /// The name that the server's certificate is for, if it is not the host's; also what we ask for (SNI).
    pub name: Option<String>,
    /// Application protocols to offer (RFC 7301), the most wanted first.
    pub alpn: Vec<String>,
}

/// How a server is verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TlsTrust {
    /// By the authorities that this system trusts.
    Platform,
    /// By the authorities in this file.
    Authorities(PathBuf),
    /// By its public key alone.
    Pins(Vec<Pin>),
    /// By both.
    AuthoritiesAndPins(PathBuf, Vec<Pin>),
    /// Not at all.
    Nobody,
}

/// A certificate, with those between it and its authority, and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's; it may be the same.
    pub key: PathBuf,
}

/// How we meet TLS clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsServer {
    /// Who we are.
    pub identity: TlsFiles,
    /// Who may come.
    pub clients: TlsClients,
    /// Application protocols that we speak (RFC 7301), the most wanted first.
    pub alpn: Vec<String>,
}

/// Which TLS clients may come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TlsClients {
    /// Everybody.
    Anybody,
    /// Who shows no certificate, or one of the authorities in this file.
    Optional(PathBuf),
    /// Only who shows a certificate of the authorities in this file.
    Required(PathBuf),
}

/// The name that makes nobody be verified: nothing that is typed by chance.
const VERIFY_NOBODY: &str = "verify-nobody";
const PIN: &str =
    "tls://192.0.2.1:4000?pin=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const PAIR: &str = "tls://192.0.2.1:4000?cert=client.pem&key=client.key";
const INSECURE: &str = "tls://192.0.2.1:4000?insecure=verify-nobody";
const ALPN: &str = "tls://192.0.2.1:4000?alpn=mqtt";
const MUTUAL: &str = "tls-listen://:4000?cert=server.pem&key=server.key&ca=clients.pem";
/// Settings that may be given again.
const AGAIN: &[&str] = &["pin", "alpn"];

/// What follows `tls://`.
pub(super) fn parse(text: &str) -> Result<NetEndpoint, Fault> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (host, port) = host::parse(place, TLS)?;
    let (mut ca, mut cert, mut key, mut name) = (None, None, None, None);
    let (mut pins, mut alpn, mut insecure) = (Vec::new(), Vec::new(), false);
    for (setting, value) in settings_again(query, TLS, AGAIN)? {
        match setting {
            "ca" => ca = Some(path::parse(value, TLS)?),
            "cert" => cert = Some(path::parse(value, PAIR)?),
            "key" => key = Some(path::parse(value, PAIR)?),
            "pin" => {
                for pin in value.split(',') {
                    pins.push(pin.parse().map_err(|error| fault(format!("pin={pin}: {error}"), PIN))?);
                }
            }
            "sni" => name = Some(host::name(value, "tls://192.0.2.1:4000?sni=server.example")?),
            "alpn" => alpn.push(protocol(value)?),
            "insecure" if value == VERIFY_NOBODY => insecure = true,
            "insecure" => {
                let must = "insecure must be spelled out, for then whoever answers is believed, also an eavesdropper";
                return Err(fault(must, INSECURE));
            }
            _ => return Err(fault(unknown("tls", setting, CLIENT_SETTINGS), TLS)),
        }
    }
    let trust = match (ca, pins) {
        (None, pins) if insecure && pins.is_empty() => TlsTrust::Nobody,
        (_, _) if insecure => {
            return Err(fault("insecure contradicts ca and pin, which say whom to trust", TLS));
        }
        (None, pins) if pins.is_empty() => TlsTrust::Platform,
        (Some(ca), pins) if pins.is_empty() => TlsTrust::Authorities(ca),
        (None, pins) => TlsTrust::Pins(pins),
        (Some(ca), pins) => TlsTrust::AuthoritiesAndPins(ca, pins),
    };
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (Some(_), None) => return Err(fault(lonely("cert", "key"), PAIR)),
        (None, Some(_)) => return Err(fault(lonely("key", "cert"), PAIR)),
    };
    Ok(NetEndpoint::Tls { host, port, tls: TlsClient { trust, identity, name, alpn } })
}

/// What follows `tls-listen://`.
pub(super) fn parse_listen(text: &str) -> Result<NetEndpoint, Fault> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (host, port) = host::parse_place(place, TLS_LISTEN)?;
    let (mut ca, mut cert, mut key, mut asked) = (None, None, None, None);
    let (mut alpn, mut takeover) = (Vec::new(), false);
    for (setting, value) in settings_again(query, TLS_LISTEN, AGAIN)? {
        match setting {
            "ca" => ca = Some(path::parse(value, MUTUAL)?),
            "cert" => cert = Some(path::parse(value, TLS_LISTEN)?),
            "key" => key = Some(path::parse(value, TLS_LISTEN)?),
            "client" => asked = Some(value),
            "alpn" => alpn.push(protocol(value)?),
            "takeover" => takeover = switch(setting, value, TLS_LISTEN)?,
            _ => return Err(fault(unknown("tls-listen", setting, SERVER_SETTINGS), TLS_LISTEN)),
        }
    }
    let clients = match (asked, ca) {
        (None | Some("none"), None) => TlsClients::Anybody,
        (None | Some("required"), Some(ca)) => TlsClients::Required(ca),
        (Some("optional"), Some(ca)) => TlsClients::Optional(ca),
        (Some("none"), Some(_)) => return Err(fault("ca is of no use with client=none", MUTUAL)),
        (Some("required" | "optional"), None) => {
            return Err(fault("client needs ca, the authorities that issue clients' certificates", MUTUAL));
        }
        (Some(asked), _) => {
            return Err(fault(format!("client is none, optional or required, not {asked:?}"), MUTUAL));
        }
    };
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => TlsFiles { cert, key },
        (None, None) => return Err(fault("a TLS server needs a certificate: cert and key", TLS_LISTEN)),
        (Some(_), None) => return Err(fault(lonely("cert", "key"), TLS_LISTEN)),
        (None, Some(_)) => return Err(fault(lonely("key", "cert"), TLS_LISTEN)),
    };
    Ok(NetEndpoint::TlsListen { host, port, takeover, tls: TlsServer { identity, clients, alpn } })
}

const CLIENT_SETTINGS: &str = "ca, cert, key, pin, sni, alpn and insecure";
const SERVER_SETTINGS: &str = "cert, key, ca, client, alpn and takeover";

fn unknown(scheme: &str, setting: &str, known: &str) -> String {
    format!("{scheme} has no setting {setting:?}; there are {known}")
}

fn lonely(given: &str, missing: &str) -> String {
    format!("{given} needs {missing}; if one file holds both, name it twice")
}

/// The name of an application protocol. Those that are registered are short words; a comma would look like a list.
fn protocol(value: &str) -> Result<String, Fault> {
    let good = value.bytes().all(|byte| byte.is_ascii_graphic() && !b",?&%".contains(&byte));
    if good && (1..=255).contains(&value.len()) {
        return Ok(value.to_owned());
    }
    Err(fault(format!("{value:?} is no application protocol; give alpn again for each one"), ALPN))
}

impl fmt::Display for TlsClient {
    /// `?ca=…`, and what else is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = Query::new(f);
        match &self.trust {
            TlsTrust::Platform => {}
            TlsTrust::Authorities(ca) => query.add("ca", &Escaped(ca))?,
            TlsTrust::Pins(pins) => query.all("pin", pins)?,
            TlsTrust::AuthoritiesAndPins(ca, pins) => {
                query.add("ca", &Escaped(ca))?;
                query.all("pin", pins)?;
            }
            TlsTrust::Nobody => query.add("insecure", &VERIFY_NOBODY)?,
        }
        if let Some(TlsFiles { cert, key }) = &self.identity {
            query.add("cert", &Escaped(cert))?;
            query.add("key", &Escaped(key))?;
        }
        match &self.name {
            Some(address) if address.contains(':') => query.add("sni", &format_args!("[{address}]"))?,
            Some(name) => query.add("sni", name)?,
            None => {}
        }
        query.all("alpn", &self.alpn)
    }
}

impl fmt::Display for TlsServer {
    /// `?cert=…&key=…`, and what else is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = Query::new(f);
        query.add("cert", &Escaped(&self.identity.cert))?;
        query.add("key", &Escaped(&self.identity.key))?;
        match &self.clients {
            TlsClients::Anybody => {}
            TlsClients::Optional(ca) => {
                query.add("ca", &Escaped(ca))?;
                query.add("client", &"optional")?;
            }
            TlsClients::Required(ca) => query.add("ca", &Escaped(ca))?,
        }
        query.all("alpn", &self.alpn)
    }
}

/// Writes settings with `?` before the first and `&` before the others.
struct Query<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    mark: char,
}

impl<'a, 'f> Query<'a, 'f> {
    fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Self { f, mark: '?' }
    }

    fn add(&mut self, key: &str, value: &dyn fmt::Display) -> fmt::Result {
        write!(self.f, "{}{key}={value}", self.mark)?;
        self.mark = '&';
        Ok(())
    }

    fn all<T: fmt::Display>(&mut self, key: &str, values: &[T]) -> fmt::Result {
        values.iter().try_for_each(|value| self.add(key, value))
    }
}
