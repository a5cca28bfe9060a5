//! What a page may ask for, and what it may complain of.

use super::page::Page;

/// The page's own origin and its relays; nothing else is to be asked for.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    /// With the slash behind it.
    pub(super) origin: String,
    /// Their addresses, as far as they are the same for each connection.
    pub(super) relays: Vec<String>,
}

/// Whether a page had to do without its relay for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It was there all the time.
    Stays,
    /// It was away, and the browser itself has said so in the console.
    WasAway,
}

impl Manners {
    /// # Errors
    /// The first thing that `page` should not have done.
    pub(super) fn kept(&self, page: &Page, relay: Relay) -> Result<(), String> {
        if let Some(complaint) = page.complaints().iter().find(|complaint| !self.expected(complaint, relay)) {
            return Err(format!("in the page's console: {complaint}"));
        }
        match page.requests().iter().find(|url| !self.own(url)) {
            Some(url) => Err(format!("the page asked for {url}")),
            None => Ok(()),
        }
    }

    fn own(&self, url: &str) -> bool {
        url.starts_with(&self.origin) || self.relays.iter().any(|relay| url.starts_with(relay))
    }

    fn expected(&self, complaint: &str, relay: Relay) -> bool {
        let unreachable = |relay: &String| complaint.contains(&format!("WebSocket connection to '{relay}"));
        // Without a page's head, its first is that its icon is not where icons once were.
        let icon = format!("({}favicon.ico)", self.origin);
        complaint.ends_with(&icon) || relay == Relay::WasAway && self.relays.iter().any(unreachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "network: WebSocket connection to 'ws://127.0.0.1:8001/relay?token=t&target=a:1' failed: \
        Error in connection establishment: net::ERR_CONNECTION_REFUSED (http://127.0.0.1:8001/page.css)";

    fn manners() -> Manners {
        Manners {
            origin: "http://127.0.0.1:8001/".to_owned(),
            relays: vec!["ws://127.0.0.1:8001/relay?token=t".to_owned()],
        }
    }

    #[test]
    fn nothing_but_origin_and_relay_is_asked_for() {
        for own in ["http://127.0.0.1:8001/page.css", "ws://127.0.0.1:8001/relay?token=t&target=a:1"] {
            assert!(manners().own(own), "{own}");
        }
        for other in [
            "http://127.0.0.1:80010/",
            "http://127.0.0.1:8002/page.css",
            "ws://127.0.0.1:8002/relay?token=t",
            "ws://127.0.0.1:8001/relay?token=other",
            "data:,x",
            "blob:http://127.0.0.1:8001/1",
            "https://fonts.example/",
        ] {
            assert!(!manners().own(other), "{other}");
        }
    }

    #[test]
    fn a_relay_is_missed_only_while_it_is_away() {
        let manners = manners();
        assert!(manners.expected(REFUSED, Relay::WasAway));
        assert!(!manners.expected(REFUSED, Relay::Stays));
        assert!(!manners.expected(&REFUSED.replace("8001/relay", "9000/"), Relay::WasAway));
        assert!(!manners.expected("console: \"an error\"", Relay::WasAway));
        let icon = "\"network\": \"Failed to load resource: 404\" (http://127.0.0.1:8001/favicon.ico)";
        assert!(manners.expected(icon, Relay::Stays));
        assert!(!manners.expected("console: favicon.ico", Relay::Stays));
    }
}
