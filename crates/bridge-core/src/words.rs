//! What is said of a bridge, the same on every platform: reasons in words, and one line for each change of the link's state.

use core::fmt::{self, Display, Formatter};

use crate::event::{CloseCause, CloseReason, LinkState};
use crate::time::Duration;

impl CloseCause {
    /// In words, as in a log.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ConnectTimeout => "connecting took too long",
            Self::Unacked => "the peer has stopped acknowledging",
            Self::Silent => "the peer has been silent for too long",
            Self::Idle => "nothing to send for a while",
            Self::IpLost => "the network's address is gone",
            Self::PeerClosed => "the peer has closed the connection",
            Self::CloseTimeout => "closing took too long",
            Self::Stopping => "stopping",
        }
    }
}

impl CloseReason {
    /// In words, as in a log.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Done => "closed in order",
            Self::Reset => "connection reset by peer",
            Self::Refused => "connection refused",
            Self::TimedOut => "connection timed out",
            Self::Unreachable => "network unreachable",
            Self::Unresolved => "name not resolved",
            Self::Replaced => "another client has taken over",
            Self::Failed => "connection failed",
        }
    }
}

impl Display for CloseCause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Display for CloseReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For whoever looks closely.
    Detail,
    /// For everybody.
    Note,
    /// Something does not work.
    Warning,
}

/// Remembers what was last said of a link, and why it is about to change. `W` is the type of
/// reasons: words, or whatever an adapter knows.
#[derive(Clone, Debug)]
pub struct Journal<W> {
    link: Option<LinkState>,
    why: Option<W>,
}

impl<W> Default for Journal<W> {
    fn default() -> Self {
        Self { link: None, why: None }
    }
}

impl<W: Clone> Journal<W> {
    /// The next change of state has this reason, unless one was given before.
    pub fn because(&mut self, why: impl Into<W>) {
        self.why.get_or_insert_with(|| why.into());
    }

    /// What there is to say of `state`, if it is another one than before. That a pause has become shorter is no news, nor is
    /// a pause of no length.
    pub fn change(&mut self, state: LinkState) -> Option<Change<W>> {
        let news = match (self.link, state) {
            (Some(LinkState::BackOff(_)), LinkState::BackOff(_)) => false,
            (before, now) => before != Some(now),
        };
        if !news {
            return None;
        }
        self.link = Some(state);
        let why = match state {
            LinkState::BackOff(pause) if pause.as_micros() == 0 => return None,
            LinkState::Parked | LinkState::BackOff(_) | LinkState::Finished => self.why.take(),
            LinkState::Closing => self.why.clone(),
            LinkState::Open(_) => {
                self.why = None;
                None
            }
            LinkState::NoIp | LinkState::Connecting(_) => None,
        };
        Some(Change { state, why })
    }
}

/// A change of the link's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<W> {
    /// The new state.
    pub state: LinkState,
    /// Why it is so, where there is more to say than the state itself.
    pub why: Option<W>,
}

impl<W> Change<W> {
    /// How much it matters.
    pub const fn weight(&self) -> Weight {
        match self.state {
            LinkState::NoIp | LinkState::BackOff(_) => Weight::Warning,
            LinkState::Parked | LinkState::Open(_) | LinkState::Finished => Weight::Note,
            LinkState::Connecting(_) | LinkState::Closing => Weight::Detail,
        }
    }

    /// The line of a log: `peer` is the one that the link is about, `failures` how many there were in a row.
    pub const fn line<P>(&self, peer: P, failures: u16) -> Line<'_, W, P> {
        Line { change: self, peer, failures }
    }
}

/// A change of the link's state as one line of a log.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a, W, P> {
    change: &'a Change<W>,
    peer: P,
    failures: u16,
}

impl<W: Display, P: Display> Display for Line<'_, W, P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = match self.change.state {
            LinkState::NoIp => "network has no address",
            LinkState::Parked => "no connection needed",
            LinkState::BackOff(_) => "not connected",
            LinkState::Connecting(_) => return write!(f, "connecting to {}", self.peer),
            LinkState::Open(_) => return write!(f, "connected to {}", self.peer),
            LinkState::Closing => "closing the connection",
            LinkState::Finished => "finished",
        };
        f.write_str(what)?;
        if let Some(why) = &self.change.why {
            write!(f, ": {why}")?;
        }
        let LinkState::BackOff(pause) = self.change.state else {
            return Ok(());
        };
        write!(f, "; next attempt in {}", whole_millis(pause))?;
        match self.failures {
            0 => Ok(()),
            1 => f.write_str(" (1 failure)"),
            n => write!(f, " ({n} failures in a row)"),
        }
    }
}

/// Nobody wants to read microseconds of a pause.
const fn whole_millis(pause: Duration) -> Duration {
    Duration::from_millis(pause.as_micros().div_ceil(1_000))
}

#[cfg(feature = "defmt")]
mod formats {
    use defmt::{Format, Formatter, write};

    use super::{Line, LinkState};

    impl<W: Format, P: Format> Format for Line<'_, W, P> {
        fn format(&self, f: Formatter<'_>) {
            match self.change.state {
                LinkState::NoIp => write!(f, "network has no address"),
                LinkState::Parked => write!(f, "no connection needed"),
                LinkState::BackOff(_) => write!(f, "not connected"),
                LinkState::Connecting(_) => write!(f, "connecting to {}", self.peer),
                LinkState::Open(_) => write!(f, "connected to {}", self.peer),
                LinkState::Closing => write!(f, "closing the connection"),
                LinkState::Finished => write!(f, "finished"),
            }
            if let Some(why) = &self.change.why {
                write!(f, ": {}", why);
            }
            let LinkState::BackOff(pause) = self.change.state else {
                return;
            };
            write!(f, "; next attempt in {}", super::whole_millis(pause));
            match self.failures {
                0 => {}
                1 => write!(f, " (1 failure)"),
                n => write!(f, " ({=u16} failures in a row)", n),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{String, ToString};

    use super::*;
    use crate::event::PeerIndex;

    fn said(journal: &mut Journal<String>, state: LinkState, failures: u16) -> Option<String> {
        journal.change(state).map(|change| change.line("tcp://a:1", failures).to_string())
    }

    #[test]
    fn a_failure_is_told_with_its_first_reason_and_the_pause() {
        let mut journal = Journal::default();
        journal.because("connection refused");
        journal.because("not the first reason");
        let pause = LinkState::BackOff(Duration::from_millis(1_500));
        let line = "not connected: connection refused; next attempt in 1.5 s (2 failures in a row)";
        assert_eq!(said(&mut journal, pause, 2).as_deref(), Some(line));
        assert_eq!(
            said(&mut journal, LinkState::BackOff(Duration::from_millis(9)), 2),
            None,
            "the same state"
        );
    }

    /// Every reason by its place; a new one without a place does not compile.
    fn place(reason: CloseReason) -> usize {
        match reason {
            CloseReason::Done => 0,
            CloseReason::Reset => 1,
            CloseReason::Refused => 2,
            CloseReason::TimedOut => 3,
            CloseReason::Unreachable => 4,
            CloseReason::Unresolved => 5,
            CloseReason::Replaced => 6,
            CloseReason::Failed => 7,
        }
    }

    fn cause_place(cause: CloseCause) -> usize {
        match cause {
            CloseCause::ConnectTimeout => 0,
            CloseCause::Unacked => 1,
            CloseCause::Silent => 2,
            CloseCause::Idle => 3,
            CloseCause::IpLost => 4,
            CloseCause::PeerClosed => 5,
            CloseCause::CloseTimeout => 6,
            CloseCause::Stopping => 7,
        }
    }

    #[test]
    fn every_reason_has_words_of_its_own_and_is_told_by_them() {
        let reasons = [
            CloseReason::Done,
            CloseReason::Reset,
            CloseReason::Refused,
            CloseReason::TimedOut,
            CloseReason::Unreachable,
            CloseReason::Unresolved,
            CloseReason::Replaced,
            CloseReason::Failed,
        ];
        let causes = [
            CloseCause::ConnectTimeout,
            CloseCause::Unacked,
            CloseCause::Silent,
            CloseCause::Idle,
            CloseCause::IpLost,
            CloseCause::PeerClosed,
            CloseCause::CloseTimeout,
            CloseCause::Stopping,
        ];
        assert!(reasons.iter().enumerate().all(|(at, reason)| place(*reason) == at));
        assert!(causes.iter().enumerate().all(|(at, cause)| cause_place(*cause) == at));
        let all = reasons.map(|reason| (reason.words(), reason.to_string()));
        let all = all.into_iter().chain(causes.map(|cause| (cause.words(), cause.to_string())));
        let mut told = std::collections::HashSet::new();
        for (words, shown) in all {
            assert_eq!(words, shown);
            assert!(words.starts_with(char::is_lowercase) && words.ends_with(char::is_alphabetic), "{words}");
            let mut journal = Journal::default();
            journal.because(words);
            let line = said(&mut journal, LinkState::Parked, 0).expect("news");
            assert_eq!(line, std::format!("no connection needed: {words}"));
            assert!(told.insert(line), "{words} is said of two");
        }
    }

    #[test]
    fn every_state_is_one_line() {
        let peer = PeerIndex(0);
        for (state, line, weight) in [
            (LinkState::NoIp, "network has no address", Weight::Warning),
            (LinkState::Parked, "no connection needed", Weight::Note),
            (
                LinkState::BackOff(Duration::from_micros(1)),
                "not connected; next attempt in 1 ms",
                Weight::Warning,
            ),
            (LinkState::Connecting(peer), "connecting to tcp://a:1", Weight::Detail),
            (LinkState::Open(peer), "connected to tcp://a:1", Weight::Note),
            (LinkState::Closing, "closing the connection", Weight::Detail),
            (LinkState::Finished, "finished", Weight::Note),
        ] {
            let change = Journal::<String>::default().change(state).expect("news");
            assert_eq!((change.line("tcp://a:1", 0).to_string().as_str(), change.weight()), (line, weight));
        }
    }

    #[test]
    fn a_reason_outlives_closing_and_no_pause_but_not_the_next_connection() {
        let mut journal = Journal::default();
        journal.because(CloseCause::Silent.words());
        let closing = "closing the connection: the peer has been silent for too long";
        assert_eq!(said(&mut journal, LinkState::Closing, 0).as_deref(), Some(closing));
        assert_eq!(said(&mut journal, LinkState::BackOff(Duration::ZERO), 0), None);
        let open = LinkState::Open(PeerIndex(0));
        assert_eq!(said(&mut journal, open, 0).as_deref(), Some("connected to tcp://a:1"));
        assert_eq!(said(&mut journal, LinkState::Parked, 0).as_deref(), Some("no connection needed"));
    }
}
