//! Which servers the relay connects to: none but those that are named.

use std::fmt;
use std::str::FromStr;

use uartbridge::endpoint::NetEndpoint;

/// A server: its name or address as it was asked for, in its usual form, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is allowed: `HOST:PORT`, or `*` in place of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    /// `None`: any.
    host: Option<String>,
    /// `None`: any.
    port: Option<u16>,
}

impl Target {
    /// As an end of a bridge, which knows how to connect to it.
    pub(super) fn endpoint(&self) -> NetEndpoint {
        NetEndpoint::Tcp { host: self.host.clone(), port: self.port }
    }
}

impl Allow {
    /// Whether it covers `target`. A name covers itself: neither its addresses nor other names of them, because an address
    /// that is looked up here and again later need not be the same.
    pub(super) fn covers(&self, target: &Target) -> bool {
        self.host.as_ref().is_none_or(|host| *host == target.host)
            && self.port.is_none_or(|port| port == target.port)
    }

    /// The one server that it covers.
    pub(super) fn target(&self) -> Option<Target> {
        Some(Target { host: self.host.clone()?, port: self.port? })
    }

    /// Whether it lets in any host.
    pub(crate) fn is_anywhere(&self) -> bool {
        self.host.is_none()
    }
}

impl From<std::net::SocketAddr> for Allow {
    fn from(address: std::net::SocketAddr) -> Self {
        Self { host: Some(address.ip().to_string()), port: Some(address.port()) }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') || text.starts_with("./") || !text.contains(':') {
            return Err(format!("{text:?} is no server: write HOST:PORT, such as 192.0.2.1:4000"));
        }
        let end = text.parse::<NetEndpoint>();
        let end = end.map_err(|error| {
            format!("{text:?}: {}; write HOST:PORT, such as 192.0.2.1:4000", error.problem())
        })?;
        match end {
            NetEndpoint::Tcp { host, port } => Ok(Self { host, port }),
            NetEndpoint::Tls { .. } => Err(format!(
                "{text:?}: the relay carries TLS as it carries anything else; write HOST:PORT, such as 192.0.2.1:8883"
            )),
            NetEndpoint::TcpListen { .. }
            | NetEndpoint::TlsListen { .. }
            | NetEndpoint::Udp { .. }
            | NetEndpoint::Unix { .. }
            | NetEndpoint::Stdio => Err(format!(
                "{text:?}: the relay connects to TCP servers; write HOST:PORT, such as 192.0.2.1:4000"
            )),
        }
    }
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name or number that stands in for the star: what remains is checked like any target.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, "*")) => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => {
                return Err(format!(
                    "{text:?} lacks the port: write {text}:4000 for one, or {text}:* for all of them"
                ));
            }
        };
        let stand_in = format!("{}:{}", if host == "*" { "any" } else { host }, port.unwrap_or("1"));
        if host.contains('*') && host != "*" {
            return Err(format!("{text:?}: * stands for any host, not for a part of a name"));
        }
        let target: Target = stand_in.parse().map_err(|problem: String| problem.replace(&stand_in, text))?;
        Ok(Self { host: (host != "*").then_some(target.host), port: port.map(|_| target.port) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => f.write_str("*")?,
            Some(host) if host.contains(':') => write!(f, "[{host}]")?,
            Some(host) => f.write_str(host)?,
        }
        match self.port {
            None => f.write_str(":*"),
            Some(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> Allow {
        text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    fn target(text: &str) -> Target {
        text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn what_is_allowed_is_covered_and_nothing_else() {
        for (allowed, covered, others) in [
            (
                "a.example:4000",
                &["a.example:4000", "A.Example:4000"][..],
                &["a.example:4001", "b.a.example:4000"][..],
            ),
            ("a.example:*", &["a.example:1", "a.example:65535"], &["example:1", "a.example.org:1"]),
            (
                "127.0.0.1:4000",
                &["127.0.0.1:4000", "127.1:4000", "0x7f.1:4000"],
                &["127.0.0.1:22", "localhost:4000"],
            ),
            ("[2001:DB8::1]:4000", &["[2001:db8:0::1]:4000"], &["[2001:db8::2]:4000"]),
            ("10.0.0.1:80", &["10.0.0.1:80"], &["[::ffff:10.0.0.1]:80"]),
            ("*:4000", &["a.example:4000", "[::1]:4000"], &["a.example:4001"]),
            ("*:*", &["a.example:4000", "[::1]:22"], &[]),
        ] {
            for text in covered {
                assert!(allow(allowed).covers(&target(text)), "{allowed} covers {text}");
            }
            for text in others {
                assert!(!allow(allowed).covers(&target(text)), "{allowed} does not cover {text}");
            }
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for text in ["a.example:4000", "[::1]:22", "127.0.0.1:*", "*:4000", "*:*", "[fe80::1%eth0]:1"] {
            assert_eq!(allow(text).to_string(), text);
            assert_eq!(allow(&allow(text).to_string()), allow(text));
        }
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        for (text, said) in [
            ("a.example", "write a.example:4000 for one, or a.example:* for all"),
            ("a.example:", "the port is missing"),
            (":4000", "the host is missing"),
            ("a.example:0", "nobody listens on port 0"),
            ("a.example:99999", "ports are numbers up to 65535"),
            ("*.example:80", "* stands for any host"),
            ("2001:db8::1:80", "an IPv6 address needs brackets"),
            ("tls://a:1", "write HOST:PORT"),
            ("udp://a:1", "connects to TCP servers"),
            ("/dev/ttyUSB0:1", "is no server"),
            ("", "lacks the port"),
        ] {
            let problem = text.parse::<Allow>().expect_err(text);
            assert!(problem.contains(said), "{text}: {problem}");
            assert!(!problem.contains("any:"), "{text}: {problem}");
        }
    }
}
