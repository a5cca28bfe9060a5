//! A scenario (`tests/scenarios/README.md`) that lets happen to a bridge what happened to this one: the same settings, the same bytes
//! both ways, and connections that break in the same places.

mod fact;
mod options;
mod script;

use std::io::{self, Write as _};

use uartbridge_core::{
    Acks, Action, Close, CloseCause, CloseReason, Duration, Event, Instant, LineErrors, PeerIndex,
};
use uartbridge_trace::{Setup, What};

use super::Refusal;
use super::output::Output;
use super::player::Step;
use super::stamps::Stamps;
use fact::{End, Fact, Outcome, Payload};

/// More peers than a scenario has words for.
const PEERS: u8 = 3;
/// More bytes than a device's driver gives at once; a damaged trace may say more.
const MOST: usize = 1 << 20;
/// What is said within this time is said at once: scenarios have milliseconds.
const BREATH: Duration = Duration::from_millis(1);

/// Facts, as they are found in a trace.
pub(super) struct Scenario<'t> {
    out: Output,
    setup: &'t Setup<'t>,
    title: String,
    facts: Vec<(Instant, Fact)>,
    /// Marks of the delimiter in what the UART brings next.
    marks: Vec<u8>,
    peer: usize,
    /// Where in `facts` the attempt is that is under way.
    attempt: Option<usize>,
    link: Option<Link>,
    listens: bool,
    acked_on_write: bool,
    stopped: bool,
    lost: bool,
    dropped: u64,
    held: u64,
    finished: bool,
}

/// The present connection.
#[derive(Clone, Debug, Default)]
struct Link {
    written: u64,
    acked: u64,
    /// How much was written after each write, and where in the facts the device's bytes before it are.
    writes: Vec<(u64, usize)>,
    /// Where the peer's end of its side is among the facts.
    closed: Option<usize>,
    /// The bridge ends it.
    own: bool,
}

impl<'t> Scenario<'t> {
    pub(super) fn begin(out: Output, setup: &'t Setup<'t>, core: &str) -> Result<Self, Refusal> {
        if setup.config.peers > PEERS {
            return Err(Refusal::ManyPeers { peers: setup.config.peers });
        }
        let (day, time) = Stamps::new(setup.began).stamp(Instant::START);
        let when = day.map_or_else(String::new, |day| format!(" on {day} at {time}"));
        Ok(Self {
            out,
            setup,
            title: format!("a run recorded{when} by uartbridge {core}"),
            facts: Vec::new(),
            marks: Vec::new(),
            peer: 0,
            attempt: None,
            link: None,
            listens: false,
            acked_on_write: false,
            stopped: false,
            lost: false,
            dropped: 0,
            held: 0,
            finished: false,
        })
    }

    /// Takes in a record.
    pub(super) fn take(&mut self, step: &Step<'_>) {
        let at = step.record.at;
        if let Some(view) = step.bridge {
            self.dropped = view.stats.up_dropped;
            self.held = view.stats.up_held + view.stats.down_held;
        }
        match step.record.what {
            What::Told(event, bytes) => self.event(at, event, bytes),
            What::Asked(action) => self.action(at, action),
            What::Mark { skip, byte } => {
                let (filler, room) = (self.filler(), MOST.saturating_sub(self.marks.len()));
                self.marks.extend(std::iter::repeat_n(filler, skip).chain([byte]).take(room));
            }
            What::Name(_, name) => self.listens |= name.contains("-listen://"),
            What::Lost(_) => self.lost = true,
            What::Refused(_) | What::Unclear | What::Full => {}
        }
    }

    /// Writes the file.
    pub(super) fn end(mut self) -> Result<(), Refusal> {
        let text = script::text(&self);
        let written = self.out.write_all(text.as_bytes());
        match written {
            Ok(()) => self.out.finish(),
            Err(error) => Err(self.refusal(error)),
        }
    }

    fn refusal(&self, error: io::Error) -> Refusal {
        self.out.refusal(error)
    }

    fn fact(&mut self, at: Instant, fact: Fact) {
        let packing = &self.setup.config.packing;
        let whole = packing.datagrams || !packing.gap.is_never();
        let last = self.facts.last_mut().filter(|(since, _)| !whole && at.since(*since) <= BREATH);
        if !last.is_some_and(|(_, last)| last.join(&fact)) {
            self.facts.push((at, fact));
        }
    }

    fn event(&mut self, at: Instant, event: Event, bytes: &[u8]) {
        match event {
            Event::UartRx(n) => self.device(at, n, bytes),
            Event::SockRx(n) => {
                let payload =
                    if bytes.is_empty() { Payload::Unknown(n) } else { Payload::Bytes(bytes.to_vec()) };
                self.fact(at, Fact::Peer(self.peer, payload));
            }
            Event::TxDone(n) => self.written(n as u64),
            Event::TxAcked(total) => {
                if let Some(link) = &mut self.link {
                    link.acked = link.acked.max(total);
                }
            }
            Event::Connected(acks) => self.connected(at, acks),
            Event::PeerClosed => {
                if let Some(link) = &mut self.link {
                    link.closed = Some(self.facts.len());
                }
                self.fact(at, Fact::Ended(self.peer, End::Closed { whole: false }));
            }
            Event::Closed(reason) => self.closed(at, reason),
            Event::UartOpened => self.fact(at, Fact::Plugged),
            Event::UartClosed => self.fact(at, Fact::Unplugged),
            Event::UartErrors(LineErrors { framing, parity, .. }) if framing > 0 || parity > 0 => {
                self.fact(at, Fact::LineError);
            }
            Event::IpLost => self.fact(at, Fact::IpLost),
            Event::IpReady => self.fact(at, Fact::IpReady),
            Event::Stop | Event::UartEnded if !self.stopped => {
                self.stopped = true;
                self.fact(at, Fact::Stop);
            }
            Event::TxFailed
            | Event::SockRxCut(_)
            | Event::UartTxDone(_)
            | Event::UartErrors(_)
            | Event::UartEnded
            | Event::Timeout
            | Event::Stop => {}
        }
    }

    fn action(&mut self, at: Instant, action: Action) {
        match action {
            Action::Connect(PeerIndex(peer)) => {
                self.peer = usize::from(peer.min(PEERS - 1));
                self.attempt = Some(self.facts.len());
                self.fact(at, Fact::Attempt(self.peer, Outcome::Open));
            }
            Action::Close(close) => self.closes(at, close),
            Action::Finished => self.finished = true,
            Action::OpenUart
            | Action::QueryAcks
            | Action::UartFlow(_)
            | Action::Recover(_)
            | Action::Sleep(_) => {}
        }
    }

    /// What the device said; where bytes are not known, those of the delimiter are.
    fn device(&mut self, at: Instant, n: usize, bytes: &[u8]) {
        let mut marks = std::mem::take(&mut self.marks);
        let payload = if !bytes.is_empty() {
            Payload::Bytes(bytes.to_vec())
        } else if self.setup.config.packing.delimiter.is_none() {
            Payload::Unknown(n)
        } else {
            marks.resize(n.min(MOST), self.filler());
            Payload::Bytes(marks)
        };
        self.fact(at, Fact::Device(payload));
    }

    /// A byte that the delimiter does not have.
    fn filler(&self) -> u8 {
        let mark = self.setup.config.packing.delimiter;
        let has = |byte: &u8| mark.as_ref().is_some_and(|mark| mark.as_bytes().contains(byte));
        (b'?'..=u8::MAX).find(|byte| !has(byte)).unwrap_or_default()
    }

    fn written(&mut self, n: u64) {
        let device = self.facts.iter().rposition(|(_, fact)| matches!(fact, Fact::Device(_)));
        let place = device.unwrap_or(self.facts.len());
        if let Some(link) = &mut self.link {
            link.written = link.written.saturating_add(n);
            let known = link.acked;
            link.writes.retain(|&(total, _)| total > known);
            link.writes.push((link.written, place));
        }
    }

    fn connected(&mut self, at: Instant, acks: Acks) {
        self.acked_on_write |= acks == Acks::OnWrite;
        self.outcome(Outcome::Connected);
        self.link = Some(Link::default());
        self.fact(at, Fact::Connected(self.peer));
    }

    fn outcome(&mut self, outcome: Outcome) {
        if let Some((_, Fact::Attempt(_, found))) = self.attempt.take().and_then(|at| self.facts.get_mut(at))
        {
            *found = outcome;
        }
    }

    /// The bridge ends a connection or an attempt.
    fn closes(&mut self, at: Instant, close: Close) {
        let (Close::Orderly(cause) | Close::Abort(cause)) = close;
        match (&mut self.link, cause) {
            (Some(_), CloseCause::Unacked) => self.went_silent(at),
            (Some(link), _) => link.own = true,
            (None, CloseCause::ConnectTimeout) => self.outcome(Outcome::Silence),
            (None, _) => {}
        }
    }

    /// From before the first bytes on that were never acknowledged.
    fn went_silent(&mut self, at: Instant) {
        let Some(link) = &mut self.link else { return };
        link.own = true;
        let acked = link.acked;
        let first = link.writes.iter().find(|&&(total, _)| total > acked).map(|&(_, place)| place);
        let place = first.unwrap_or(self.facts.len());
        let since = self.facts.get(place).map_or(at, |(at, _)| *at);
        self.facts.insert(place, (since, Fact::Silence));
        self.fact(at, Fact::GivenUp);
    }

    fn closed(&mut self, at: Instant, reason: CloseReason) {
        let Some(link) = self.link.take() else {
            // Given up by the bridge already, if there is no attempt.
            return self.outcome(match reason {
                CloseReason::TimedOut => Outcome::Silence,
                CloseReason::Done
                | CloseReason::Reset
                | CloseReason::Refused
                | CloseReason::Unreachable
                | CloseReason::Unresolved
                | CloseReason::Replaced
                | CloseReason::Failed => Outcome::Refused,
            });
        };
        match (reason, link.closed) {
            (CloseReason::Done, _) => {}
            (_, Some(closed)) => {
                if let Some((_, Fact::Ended(_, End::Closed { whole }))) = self.facts.get_mut(closed) {
                    *whole = true;
                }
            }
            (_, None) if link.own => {}
            // Bytes that nobody acknowledged: the core finds that out, too. Keep-alive is the kernel's.
            (CloseReason::TimedOut, None) if link.written > link.acked => {
                self.link = Some(link);
                self.went_silent(at);
                self.link = None;
            }
            (_, None) => self.fact(at, Fact::Ended(self.peer, End::Reset)),
        }
    }
}
