//! Who may ask: pages of our own, under a name that is ours.
//!
//! A browser sends requests for any page that is open in it. `Origin` says which page that is (RFC 6455 §10.2), and `Host`
//! by which name it thinks that it has reached us: a name that somebody else points at this address (DNS rebinding) is not ours.

use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::{Host, Url};

/// A page's origin: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(Url);

/// The names that we go by beside addresses and localhost.
pub(super) struct Guard {
    pub(super) origins: Vec<Origin>,
}

impl Guard {
    /// Whether a request with these headers may be answered.
    ///
    /// # Errors
    /// In words for whoever sees the answer: what is wrong and which option changes it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), String> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !self.is_ours(host) {
            return Err(format!(
                "this is not the address of the page: {host:?} is a name that somebody else may have pointed here; \
                 if it is yours, start the program with --origin http://{}",
                if host.is_empty() { "HOST" } else { host }
            ));
        }
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default();
        if self.is_own_page(origin, host) {
            return Ok(());
        }
        Err(match origin.parse::<Origin>() {
            Ok(origin) => format!(
                "the page at {origin} may not use this relay; if it is yours, start the program with --origin {origin}"
            ),
            Err(_) => {
                format!("a page without an address ({origin:?}) may not use this relay; serve it by http")
            }
        })
    }

    /// Nobody can point an address elsewhere, or localhost; other names have to be given.
    fn is_ours(&self, host: &str) -> bool {
        let Ok(url) = Url::parse(&format!("http://{host}/")) else {
            return false;
        };
        match url.host() {
            _ if url.path() != "/" || url.query().is_some() || !url.username().is_empty() => false,
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            Some(Host::Domain(name)) => {
                name == "localhost"
                    || name.ends_with(".localhost")
                    || self.origins.iter().any(|origin| origin.0.host_str() == Some(name))
            }
            None => false,
        }
    }

    /// The page came from here, perhaps through a proxy that speaks TLS, or from where it is said to be.
    fn is_own_page(&self, origin: &str, host: &str) -> bool {
        let Ok(parsed) = origin.parse::<Origin>() else {
            return false;
        };
        let here = origin.split_once("://").is_some_and(|(_, place)| place.eq_ignore_ascii_case(host));
        here || self.origins.contains(&parsed)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no page's origin; write https://gate.example or http://gate.example:8700")
        };
        let url = Url::parse(text).map_err(|_| wrong())?;
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        if !["http", "https"].contains(&url.scheme()) || !bare || url.host().is_none() {
            return Err(wrong());
        }
        Ok(Self(url))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guard: &Guard, host: &str, origin: Option<&str>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header's value"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header's value"));
        }
        guard.check(&headers)
    }

    #[test]
    fn our_own_page_is_answered_and_programs_that_are_no_page() {
        let guard = Guard { origins: vec!["https://gate.example".parse().expect("an origin")] };
        for (host, origin) in [
            ("127.0.0.1:8700", None),
            ("127.0.0.1:8700", Some("http://127.0.0.1:8700")),
            ("localhost:8700", Some("http://localhost:8700")),
            ("x.localhost", Some("http://x.localhost")),
            ("[::1]:8700", Some("http://[::1]:8700")),
            ("192.0.2.1", Some("http://192.0.2.1")),
            ("gate.example", Some("https://gate.example")),
            ("127.0.0.1:8700", Some("https://gate.example")),
            ("GATE.example:443", None),
        ] {
            assert_eq!(verdict(&guard, host, origin), Ok(()), "{host} {origin:?}");
        }
    }

    #[test]
    fn foreign_pages_and_names_are_refused_with_the_option_that_lets_them_in() {
        let guard = Guard { origins: Vec::new() };
        for (host, origin, said) in [
            ("evil.example:8700", None, "--origin http://evil.example:8700"),
            ("127.0.0.1.evil.example", None, "--origin http://127.0.0.1.evil.example"),
            ("localhost.evil.example", None, "somebody else"),
            ("evil@127.0.0.1", None, "somebody else"),
            ("evil.example/127.0.0.1", None, "somebody else"),
            ("", None, "--origin http://HOST"),
            ("127.0.0.1:8700", Some("https://evil.example"), "--origin https://evil.example"),
            ("127.0.0.1:8700", Some("http://127.0.0.1:9"), "--origin http://127.0.0.1:9"),
            ("127.0.0.1:8700", Some("null"), "without an address"),
            ("127.0.0.1:8700", Some("file://127.0.0.1:8700"), "without an address"),
            ("127.0.0.1:8700", Some("http://127.0.0.1:8700.evil.example"), "without an address"),
        ] {
            let problem = verdict(&guard, host, origin).expect_err(host);
            assert!(problem.contains(said), "{host} {origin:?}: {problem}");
        }
        assert!(guard.check(&HeaderMap::new()).is_err(), "HTTP/1.0");
    }

    #[test]
    fn an_origin_is_no_page_s_address() {
        assert_eq!(
            "https://Gate.Example:443/".parse::<Origin>().map(|it| it.to_string()),
            Ok("https://gate.example".into())
        );
        for wrong in ["gate.example", "https://gate.example/page", "ftp://a", "null", "*", "https://"] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
