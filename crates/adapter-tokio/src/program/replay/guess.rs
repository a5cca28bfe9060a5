//! The state of the link from the records alone: for traces whose beginning is missing, with which no bridge can be replayed.

use uartbridge_core::{Acks, Action, Event, Instant, LinkState, PeerIndex, Timer};
use uartbridge_trace::What;

/// What is known of the link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    peer: Option<PeerIndex>,
    /// A connection has ended, and it has not been said what comes then.
    ended: bool,
    acks: Option<Acks>,
    acked: u64,
}

impl Guess {
    /// The peer of the present connection or attempt.
    pub(super) const fn peer(&self) -> Option<PeerIndex> {
        self.peer
    }

    /// The state after a record, if that tells it.
    pub(super) fn state(&mut self, at: Instant, what: &What<'_>) -> Option<LinkState> {
        match *what {
            What::Asked(action) => self.asked(at, action),
            What::Told(Event::Connected(acks), _) => {
                (self.acks, self.acked) = (Some(acks), 0);
                Some(LinkState::Open(self.peer.unwrap_or(PeerIndex(0))))
            }
            What::Told(event, _) => {
                self.ended |= matches!(event, Event::Closed(_));
                None
            }
            What::Refused(_)
            | What::Mark { .. }
            | What::Name(..)
            | What::Lost(_)
            | What::Unclear
            | What::Full => None,
        }
    }

    fn asked(&mut self, at: Instant, action: Action) -> Option<LinkState> {
        match action {
            Action::Connect(peer) => {
                self.peer = Some(peer);
                Some(LinkState::Connecting(peer))
            }
            Action::Close(_) => Some(LinkState::Closing),
            Action::Finished => Some(LinkState::Finished),
            Action::Sleep(sleep) if self.ended => {
                let state = match sleep.until {
                    Some((until, Timer::BackOff)) => LinkState::BackOff(until.since(at)),
                    Some((_, Timer::NoIp)) => LinkState::NoIp,
                    // Another deadline comes before that of the link.
                    Some(_) => return None,
                    None => LinkState::Parked,
                };
                self.ended = false;
                Some(state)
            }
            Action::OpenUart
            | Action::QueryAcks
            | Action::UartFlow(_)
            | Action::Recover(_)
            | Action::Sleep(_) => None,
        }
    }

    /// How many bytes an event says are acknowledged, greetings and heartbeats included.
    pub(super) fn acknowledged(&mut self, event: Event) -> u64 {
        if let Event::TxAcked(total) = event {
            // If the beginning of this connection is missing, how much was acknowledged before is not known.
            let before = if self.acks.is_some() { self.acked } else { total };
            self.acks.get_or_insert(Acks::Peer);
            self.acked = before.max(total);
            self.acked - before
        } else if let (Event::TxDone(n), Some(Acks::OnWrite)) = (event, self.acks) {
            n as u64
        } else {
            0
        }
    }
}
