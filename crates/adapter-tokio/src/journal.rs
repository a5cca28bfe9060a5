//! One log line for each change of state, with its reason.

use uartbridge_core::{LinkState, Weight};

use crate::sock::LISTENING;

/// Remembers what was last said, and why the link is about to change.
#[derive(Debug, Default)]
pub struct Journal {
    link: uartbridge_core::Journal<String>,
    /// What was agreed on with the peer.
    details: Option<String>,
    /// What was said of the UART while it is absent.
    uart: Option<String>,
    /// It was said that a listener waits, before and just now again.
    waiting: bool,
    again: bool,
}

impl Journal {
    /// The next change of state has this reason, unless one was given before.
    pub fn because(&mut self, why: impl Into<String>) {
        self.link.because(why);
    }

    /// The next connection has these properties.
    pub(crate) fn details(&mut self, details: Option<String>) {
        self.details = details;
    }

    /// Says what has changed, if anything has; returns the state in words when it did.
    pub(crate) fn link(
        &mut self,
        state: LinkState,
        failures: impl Fn() -> u16,
        peer: impl Fn() -> String,
    ) -> Option<String> {
        let (weight, line) = self.words(state, failures, peer)?;
        match weight {
            Weight::Detail => tracing::debug!("{line}"),
            Weight::Note => tracing::info!("{line}"),
            Weight::Warning => tracing::warn!("{line}"),
        }
        // That a listener waits again is no news for whoever watches.
        Some(line).filter(|_| weight > Weight::Detail || !self.again)
    }

    /// What there is to say of `state`, if it is another one than before, and how much it matters.
    pub fn words(
        &mut self,
        state: LinkState,
        failures: impl Fn() -> u16,
        peer: impl Fn() -> String,
    ) -> Option<(Weight, String)> {
        let change = self.link.change(state)?;
        let peer = peer();
        let common = change.line(&peer, failures());
        self.again = false;
        Some(match state {
            LinkState::BackOff(_) if peer.contains(LISTENING) => {
                self.waiting = true;
                let why = change.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
                (Weight::Note, format!("no client any more{why}; waiting for the next one"))
            }
            LinkState::Connecting(_) if peer.contains(LISTENING) => {
                self.again = std::mem::replace(&mut self.waiting, true);
                let weight = if self.again { Weight::Detail } else { Weight::Note };
                (weight, format!("waiting for a client at {peer}"))
            }
            LinkState::Open(_) => {
                let details = self.details.take().map_or(String::new(), |details| format!(" ({details})"));
                (change.weight(), format!("{common}{details}"))
            }
            LinkState::NoIp
            | LinkState::Parked
            | LinkState::BackOff(_)
            | LinkState::Connecting(_)
            | LinkState::Closing
            | LinkState::Finished => (change.weight(), common.to_string()),
        })
    }

    /// The UART is open.
    pub(crate) fn uart_open(&mut self) {
        if self.uart.take().is_some() {
            tracing::info!("UART is open again");
        } else {
            tracing::debug!("UART is open");
        }
    }

    /// The UART is absent; said again only when the words change. That a device which has just gone is not there
    /// is no news.
    pub(crate) fn uart_absent(&mut self, why: String) {
        let known = match &self.uart {
            Some(said) => *said == why || said.starts_with(GONE) && why.contains(ABSENT),
            None => false,
        };
        if !known {
            let pause = if why.ends_with('?') { " Waiting" } else { "; waiting" };
            tracing::warn!("{why}{pause} for it");
            self.uart = Some(why);
        }
    }
}

/// How the loop begins to say that an open UART has gone.
const GONE: &str = "UART is gone";
/// How the end says that it is not there to be opened.
const ABSENT: &str = "no such device";

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use uartbridge_core::{Duration, PeerIndex};

    use super::*;
    use crate::open_error::{OpenError, Problem};

    fn said(journal: &mut Journal, state: LinkState, peer: &str) -> Option<String> {
        journal.link(state, || 0, || peer.to_owned())
    }

    #[test]
    fn a_listener_waits_and_does_not_fail() {
        let (dialing, open) = (LinkState::Connecting(PeerIndex(0)), LinkState::Open(PeerIndex(0)));
        let pause = LinkState::BackOff(Duration::from_millis(10));
        let mut journal = Journal::default();
        let peer = format!("tcp{LISTENING}127.0.0.1:4000");
        assert_eq!(said(&mut journal, LinkState::BackOff(Duration::ZERO), &peer), None);
        let waiting = Some(format!("waiting for a client at {peer}"));
        assert_eq!(said(&mut journal, dialing, &peer), waiting);
        let client = format!("127.0.0.1:9 at {peer}");
        assert_eq!(said(&mut journal, open, &client), Some(format!("connected to {client}")));
        journal.because("it has left");
        let left = Some("no client any more: it has left; waiting for the next one".to_owned());
        assert_eq!(said(&mut journal, pause, &client), left);
        assert_eq!(said(&mut journal, dialing, &peer), None);
    }

    #[test]
    fn a_device_that_has_gone_is_reported_once() {
        let open = |problem| OpenError::new("serial:/dev/ttyUSB0".to_owned(), problem).to_string();
        let mut journal = Journal::default();
        journal.uart_absent(format!("{GONE}: it has hung up"));
        let first = journal.uart.clone();
        journal.uart_absent(open(Problem::Absent));
        assert_eq!(journal.uart, first, "no second line for the same thing");
        let busy = open(Problem::of("open it", Errno::BUSY));
        journal.uart_absent(busy.clone());
        assert_eq!(journal.uart, Some(busy), "this is news");
    }
}
