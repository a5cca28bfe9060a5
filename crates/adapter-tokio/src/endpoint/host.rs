//! Host and port: `name:4000`, `192.0.2.1:4000`, `[2001:db8::1]:4000`, `[fe80::1%eth0]:4000`.

use std::fmt;
use std::net::Ipv6Addr;

use super::{Fault, LISTEN, NetEndpoint, fault, settings, switch};

/// Writes a host and a port so that they parse again.
pub(super) struct HostPort<'a>(pub(super) &'a str, pub(super) u16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Host and port of a peer.
pub(super) fn parse(text: &str, example: &'static str) -> Result<(String, u16), Fault> {
    match split(text, example)? {
        ("", _) => Err(fault("the host is missing", example)),
        (_, None) => Err(fault("the port is missing", example)),
        (host, Some(port)) => {
            let port = number(port, example)?;
            if port == 0 {
                return Err(fault("nobody listens on port 0; ports are 1 to 65535", example));
            }
            Ok((name(host, example)?, port))
        }
    }
}

/// What follows `tcp-listen://`.
pub(super) fn parse_listen(text: &str) -> Result<NetEndpoint, Fault> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let mut takeover = false;
    for (key, value) in settings(query, TAKEOVER)? {
        match key {
            "takeover" => takeover = switch(key, value, TAKEOVER)?,
            _ => return Err(fault(format!("tcp-listen has no setting {key:?}, only takeover"), TAKEOVER)),
        }
    }
    let (host, port) = parse_place(place, LISTEN)?;
    Ok(NetEndpoint::TcpListen { host, port, takeover })
}

/// Where to listen: a port alone means loopback.
pub(super) fn parse_place(text: &str, example: &'static str) -> Result<(String, u16), Fault> {
    let (host, port) = match split(text, example)? {
        ("", None) => return Err(fault("the port is missing", example)),
        ("", Some(port)) => (LOOPBACK.to_owned(), port),
        (port, None) if port.bytes().all(|byte| byte.is_ascii_digit()) => (LOOPBACK.to_owned(), port),
        (_, None) => return Err(fault("the port is missing", example)),
        ("*", Some(_)) => {
            return Err(fault(
                "* is not understood; 0.0.0.0 or [::] is every address",
                "tcp-listen://0.0.0.0:4000",
            ));
        }
        (host, Some(port)) => (name(host, example)?, port),
    };
    Ok((host, number(port, example)?))
}

const LOOPBACK: &str = "127.0.0.1";
const TAKEOVER: &str = "tcp-listen://127.0.0.1:4000?takeover=yes";

/// The host as it is written, brackets included, and the port's text if there is one.
fn split<'a>(text: &'a str, example: &'static str) -> Result<(&'a str, Option<&'a str>), Fault> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = match text.rfind(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        Some(_) | None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match port.strip_prefix(':') {
        Some(port) if port.contains(':') => {
            Err(fault("an IPv6 address needs brackets", "tcp://[2001:db8::1]:4000"))
        }
        Some("") => Err(fault("the port is missing", example)),
        Some(port) => Ok((host, Some(port))),
        None if port.is_empty() => Ok((host, None)),
        None => Err(fault(format!("{port:?} after the address is no port"), example)),
    }
}

fn number(port: &str, example: &'static str) -> Result<u16, Fault> {
    match port.parse() {
        Ok(number) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        Ok(_) | Err(_) => Err(fault(format!("{port:?} is no port; ports are numbers up to 65535"), example)),
    }
}

/// The host in its usual form: without brackets, a name in lower case and in ASCII.
pub(super) fn name(host: &str, example: &'static str) -> Result<String, Fault> {
    let bad = |what: &dyn fmt::Display| fault(format!("{host:?} is no host: {what}"), example);
    let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return url::Host::parse(host).map(|host| host.to_string()).map_err(|error| bad(&error));
    };
    let (address, zone) = match inner.split_once('%') {
        // RFC 6874 writes the per cent sign as %25.
        Some((address, zone)) => {
            (address, Some(zone.strip_prefix("25").filter(|z| !z.is_empty()).unwrap_or(zone)))
        }
        None => (inner, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|error| bad(&error))?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone)
            if !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) =>
        {
            Ok(format!("{address}%{zone}"))
        }
        Some(zone) => Err(bad(&format_args!("{zone:?} is no network interface"))),
    }
}
