//! What only one bridge can have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use uartbridge::endpoint::{NetEndpoint, UartEndpoint};

/// What the bridges so far have claimed, and what messages call the one that did.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claimed: HashMap<Claim, String>,
    /// Listening addresses by their port: an address may overlap with others.
    listeners: HashMap<u16, Vec<(String, String)>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Claim {
    Device(PathBuf),
    Link(PathBuf),
    Stdio,
    Trace(PathBuf),
}

impl Claims {
    /// Adds what the UART side of bridge `name` claims, unless somebody else has claimed it: then says so.
    pub(super) fn add_uart(&mut self, uart: &UartEndpoint, name: &str) -> Option<String> {
        let (claim, what) = match uart {
            UartEndpoint::Serial { path, .. } => {
                (Claim::Device(real(path)), format!("the device {}", path.display()))
            }
            UartEndpoint::Pty { link: Some(link) } => {
                (Claim::Link(place(link)), format!("the link {}", link.display()))
            }
            UartEndpoint::Stdio => (Claim::Stdio, STDIO.to_owned()),
            UartEndpoint::Pty { link: None } | UartEndpoint::Unix { .. } => return None,
        };
        self.claim(claim, &what, name)
    }

    /// The same for one of its peers.
    pub(super) fn add_peer(&mut self, peer: &NetEndpoint, name: &str) -> Option<String> {
        match peer {
            NetEndpoint::TcpListen { host, port, .. } | NetEndpoint::TlsListen { host, port, .. } => {
                self.listen(host, *port, name)
            }
            NetEndpoint::Stdio => self.claim(Claim::Stdio, STDIO, name),
            NetEndpoint::Tcp { .. }
            | NetEndpoint::Tls { .. }
            | NetEndpoint::Udp { .. }
            | NetEndpoint::Unix { .. } => None,
        }
    }

    /// The same for its trace.
    pub(super) fn add_trace(&mut self, path: &Path, name: &str) -> Option<String> {
        self.claim(Claim::Trace(place(path)), &format!("the trace {}", path.display()), name)
    }

    fn claim(&mut self, claim: Claim, what: &str, name: &str) -> Option<String> {
        if let Some(other) = self.claimed.get(&claim) {
            return Some(format!("{what} is taken by {other} above"));
        }
        self.claimed.insert(claim, name.to_owned());
        None
    }

    fn listen(&mut self, host: &str, port: u16, name: &str) -> Option<String> {
        if port == 0 {
            return None;
        }
        let others = self.listeners.entry(port).or_default();
        let clash = others.iter().find(|(other, _)| overlap(host, other));
        let clash = clash.map(|(_, other)| format!("port {port} is taken by {other} above"));
        others.push((host.to_owned(), name.to_owned()));
        clash
    }
}

const STDIO: &str = "standard input and output";

/// Whether two addresses cannot be listened on at the same port. `[::]` stands for IPv4 too (ipv6(7)).
fn overlap(a: &str, b: &str) -> bool {
    let (Ok(x), Ok(y)) = (a.parse::<IpAddr>(), b.parse::<IpAddr>()) else { return a == b };
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    x == y || covers(x, y) || covers(y, x)
}

/// The device itself: `/dev/serial/by-id` holds links. What is absent now has only its name.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Where a link is, and not where it leads.
fn place(link: &Path) -> PathBuf {
    let (Some(directory), Some(name)) = (link.parent(), link.file_name()) else { return link.to_owned() };
    real(if directory.as_os_str().is_empty() { Path::new(".") } else { directory }).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_with_wildcards() {
        for (a, b, expected) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "0.0.0.0", true),
            ("127.0.0.1", "::", true),
            ("0.0.0.0", "::", true),
            ("::1", "0.0.0.0", false),
            ("::1", "::", true),
            ("localhost", "localhost", true),
            ("localhost", "example.com", false),
        ] {
            assert_eq!((overlap(a, b), overlap(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn a_device_is_the_same_by_every_name() {
        assert_eq!(real(Path::new("/dev/../dev/null")), Path::new("/dev/null"));
        assert_eq!(real(Path::new("/no/such/device")), Path::new("/no/such/device"));
        assert_eq!(place(Path::new("/dev/../dev/link")), Path::new("/dev/link"));
        assert_eq!(place(Path::new("link")), std::env::current_dir().expect("a directory").join("link"));
    }
}
