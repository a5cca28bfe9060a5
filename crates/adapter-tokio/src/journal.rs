//! One log line for each change of state, with its reason.

use std::time::Duration;

use uartbridge_core::{CloseCause, LinkState};

use crate::sock::LISTENING;

/// Remembers what was last said, and why the link is about to change.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    link: Option<LinkState>,
    why: Option<String>,
    /// What was agreed on with the peer.
    details: Option<String>,
    /// What was said of the UART while it is absent.
    uart: Option<String>,
    /// It was said that a listener waits.
    waiting: bool,
}

impl Journal {
    /// The next change of state has this reason, unless one was given before.
    pub(crate) fn because(&mut self, why: impl Into<String>) {
        self.why.get_or_insert_with(|| why.into());
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
        let same = match (self.link, state) {
            (Some(LinkState::BackOff(_)), LinkState::BackOff(_)) => true,
            (before, now) => before == Some(now),
        };
        if same {
            return None;
        }
        self.link = Some(state);
        let peer = peer();
        let listens = peer.contains(LISTENING);
        match state {
            LinkState::NoIp => self.warn("network has no address".to_owned()),
            LinkState::Parked => {
                let line = format!("no connection needed{}", self.reason());
                self.info(line)
            }
            LinkState::BackOff(pause) if pause.as_micros() == 0 => None,
            LinkState::BackOff(_) if listens => {
                let line = format!("no client any more{}; waiting for the next one", self.reason());
                self.waiting = true;
                self.info(line)
            }
            LinkState::BackOff(pause) => {
                let pause = Duration::from_millis(pause.as_micros().div_ceil(1_000));
                let failures = match failures() {
                    0 => String::new(),
                    1 => " (1 failure)".to_owned(),
                    n => format!(" ({n} failures in a row)"),
                };
                let line = format!("not connected{}; next attempt in {pause:?}{failures}", self.reason());
                self.warn(line)
            }
            LinkState::Connecting(_) if listens && !self.waiting => {
                self.waiting = true;
                self.info(format!("waiting for a client at {peer}"))
            }
            LinkState::Connecting(_) if listens => {
                tracing::debug!("waiting for a client at {peer}");
                None
            }
            LinkState::Connecting(_) => {
                tracing::debug!("connecting to {peer}");
                Some(format!("connecting to {peer}"))
            }
            LinkState::Open(_) => {
                self.why = None;
                let details = self.details.take().map_or(String::new(), |details| format!(" ({details})"));
                self.info(format!("connected to {peer}{details}"))
            }
            LinkState::Closing => {
                let why = self.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
                tracing::debug!("closing the connection{why}");
                Some("closing the connection".to_owned())
            }
            LinkState::Finished => {
                let line = format!("finished{}", self.reason());
                self.info(line)
            }
        }
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

    fn info(&self, line: String) -> Option<String> {
        tracing::info!("{line}");
        Some(line)
    }

    fn warn(&self, line: String) -> Option<String> {
        tracing::warn!("{line}");
        Some(line)
    }

    fn reason(&mut self) -> String {
        self.why.take().map_or(String::new(), |why| format!(": {why}"))
    }
}

/// How the loop begins to say that an open UART has gone.
const GONE: &str = "UART is gone";
/// How the end says that it is not there to be opened.
const ABSENT: &str = "no such device";

/// The core's reason in words.
pub(crate) fn words(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::ConnectTimeout => "connecting took too long",
        CloseCause::Unacked => "the peer has stopped acknowledging",
        CloseCause::Silent => "the peer has been silent for too long",
        CloseCause::Idle => "nothing to send for a while",
        CloseCause::IpLost => "the network's address is gone",
        CloseCause::PeerClosed => "the peer has closed the connection",
        CloseCause::CloseTimeout => "closing took too long",
        CloseCause::Stopping => "stopping",
    }
}

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
    fn a_failure_is_told_with_its_reason_and_the_pause() {
        let mut journal = Journal::default();
        journal.because("connection refused");
        journal.because("not the first reason");
        let pause = LinkState::BackOff(Duration::from_micros(1_499_001));
        let line = journal.link(pause, || 2, || "tcp://a:1".to_owned());
        let expected = "not connected: connection refused; next attempt in 1.5s (2 failures in a row)";
        assert_eq!(line.as_deref(), Some(expected));
        assert_eq!(said(&mut journal, LinkState::BackOff(Duration::ZERO), ""), None, "the same state");
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
