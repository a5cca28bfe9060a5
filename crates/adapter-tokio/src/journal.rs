//! One log line for each change of state, with its reason.

use std::time::Duration;

use uartbridge_core::{CloseCause, LinkState};

/// Remembers what was last said, and why the link is about to change.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    link: Option<LinkState>,
    why: Option<String>,
    /// What was said of the UART while it is absent.
    uart: Option<String>,
}

impl Journal {
    /// The next change of state has this reason, unless one was given before.
    pub(crate) fn because(&mut self, why: impl Into<String>) {
        self.why.get_or_insert_with(|| why.into());
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
        let line = match state {
            LinkState::NoIp => "network has no address".to_owned(),
            LinkState::Parked => format!("no connection needed{}", self.reason()),
            LinkState::BackOff(pause) if pause.as_micros() == 0 => return None,
            LinkState::BackOff(pause) => {
                let pause = Duration::from_millis(pause.as_micros().div_ceil(1_000));
                let failures = match failures() {
                    0 => String::new(),
                    1 => " (1 failure)".to_owned(),
                    n => format!(" ({n} failures in a row)"),
                };
                format!("not connected{}; next attempt in {pause:?}{failures}", self.reason())
            }
            LinkState::Connecting(_) => {
                tracing::debug!("connecting to {}", peer());
                return Some(format!("connecting to {}", peer()));
            }
            LinkState::Open(_) => {
                self.why = None;
                format!("connected to {}", peer())
            }
            LinkState::Closing => {
                tracing::debug!(
                    "closing the connection{}",
                    self.why.as_ref().map_or(String::new(), |w| format!(": {w}"))
                );
                return Some("closing the connection".to_owned());
            }
            LinkState::Finished => format!("finished{}", self.reason()),
        };
        match state {
            LinkState::BackOff(_) | LinkState::NoIp => tracing::warn!("{line}"),
            LinkState::Parked
            | LinkState::Connecting(_)
            | LinkState::Open(_)
            | LinkState::Closing
            | LinkState::Finished => tracing::info!("{line}"),
        }
        Some(line)
    }

    /// The UART is open.
    pub(crate) fn uart_open(&mut self) {
        if self.uart.take().is_some() {
            tracing::info!("UART is open again");
        } else {
            tracing::debug!("UART is open");
        }
    }

    /// The UART is absent; said again only when the words change.
    pub(crate) fn uart_absent(&mut self, why: String) {
        if self.uart.as_ref() != Some(&why) {
            tracing::warn!("{why}; waiting for it");
            self.uart = Some(why);
        }
    }

    fn reason(&mut self) -> String {
        self.why.take().map_or(String::new(), |why| format!(": {why}"))
    }
}

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
