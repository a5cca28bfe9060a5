//! What the bridge asks for, and who carries it out.

use std::hash::{DefaultHasher, Hash, Hasher};

use uartbridge_core::{Acks, Action, Close, CloseReason, Event, Flow, Instant, LinkState, Overflow, Step};
use uartbridge_trace::{Recorder, Traced};

use crate::world::{Net, Uart, World};

/// In µs.
pub(crate) const DAY: u64 = 86_400_000_000;
/// So many actions follow one another at most without anything having happened.
const RUSH: usize = 64;

impl<R: Recorder, const P: usize> World<'_, R, P> {
    /// Asks the bridge what is to be done, once, and notes it down.
    ///
    /// # Panics
    /// It asks for what makes no sense now.
    pub(crate) fn poll(&mut self) -> Action {
        let now = Instant::from_micros(self.now);
        let action = Traced::new(&mut self.bridge, &mut self.recorder).poll(now);
        self.latest = self.latest.max(self.now);
        let latest = Instant::from_micros(self.latest);
        assert_eq!(self.shadow.poll(latest), action, "the same events at the same times");
        let mut digest = DefaultHasher::new();
        (self.depth.digest, self.latest, action).hash(&mut digest);
        self.depth.digest = digest.finish();
        assert!(!self.finished || action == Action::Finished, "{action:?} after the end");
        match action {
            Action::OpenUart => {
                assert_eq!(self.uart, Uart::Absent);
                self.uart = Uart::Asked;
            }
            Action::Connect(peer) => {
                assert!(matches!(self.net, Net::Down) && self.ip && peer.0 < self.config.peers);
                self.net = Net::Asked;
            }
            Action::Close(Close::Orderly(_)) => assert!(matches!(self.net, Net::Up(_))),
            Action::Close(Close::Abort(_)) => assert!(!matches!(self.net, Net::Down)),
            Action::QueryAcks => {
                assert!(matches!(&self.net, Net::Up(stream) if stream.acks == Acks::Peer));
            }
            Action::UartFlow(flow) => {
                assert!(flow != self.flow && (flow == Flow::Go || self.config.overflow == Overflow::Block));
                self.flow = flow;
            }
            Action::Recover(Step::ResetRadio) => assert!(self.config.ladder.reset_radio > 0),
            Action::Recover(Step::Restart) => assert!(self.config.ladder.restart > 0),
            Action::Sleep(sleep) => {
                assert_eq!(sleep.until, self.bridge.poll_timeout());
                assert_eq!(sleep.wake_on_downlink, !matches!(self.net, Net::Down));
            }
            Action::Finished => {
                assert!(matches!(self.net, Net::Down) && self.bridge.poll_timeout().is_none());
                self.depth.finished = 1;
                self.finished = true;
            }
        }
        action
    }

    /// Whether the next deadline has come.
    pub(crate) fn is_due(&self) -> bool {
        self.bridge.poll_timeout().is_some_and(|(at, _)| at <= Instant::from_micros(self.now))
    }

    /// Carries out every action, as an adapter does on whose network and devices all goes well.
    ///
    /// # Panics
    /// The bridge never comes to rest.
    pub(crate) fn act(&mut self) {
        for _ in 0..RUSH {
            if self.is_due() {
                assert!(self.tell(Event::Timeout));
            }
            let action = self.poll();
            let rests = matches!(action, Action::Sleep(_)) && !self.is_due() || action == Action::Finished;
            if rests {
                return;
            }
            self.answer(action, true);
        }
        panic!("the core never comes to rest: {:?}", self.bridge);
    }

    /// Answers one action: as was hoped for, or not.
    pub(crate) fn answer(&mut self, action: Action, well: bool) {
        match action {
            Action::OpenUart => {
                self.tell(if well { Event::UartOpened } else { Event::UartClosed });
            }
            Action::Connect(_) if well => {
                self.tell(Event::Connected(self.acks));
            }
            Action::Connect(_) => self.close(CloseReason::Refused),
            Action::Close(_) => self.close(CloseReason::Done),
            Action::QueryAcks => self.acknowledge(0),
            Action::UartFlow(_) | Action::Recover(_) | Action::Sleep(_) | Action::Finished => {}
        }
    }

    /// The peer has `more` bytes more, as far as they are written; the adapter says so.
    pub(crate) fn acknowledge(&mut self, more: usize) {
        if let Net::Up(stream) = &self.net
            && stream.acks == Acks::Peer
        {
            let total = stream.acked.saturating_add(more as u64).min(stream.written);
            self.tell(Event::TxAcked(total));
        }
    }

    /// The connection, or the attempt to make one, ends.
    pub(crate) fn close(&mut self, why: CloseReason) {
        match self.net {
            Net::Down => {}
            Net::Asked => {
                self.tell(Event::Closed(why));
            }
            Net::Up(_) => {
                // What the peer has is reported once more before.
                self.acknowledge(0);
                self.tell(Event::Closed(why));
            }
        }
    }

    /// From now on all goes well: everything that is held arrives, and a bridge that was told to stop does.
    ///
    /// # Panics
    /// It does not.
    pub fn all_goes_well(&mut self) {
        self.now = self.now.max(self.latest);
        self.tell(Event::IpReady);
        // What was asked for, and ignored so far.
        if self.uart == Uart::Asked {
            self.tell(Event::UartOpened);
        }
        match self.net {
            Net::Asked => {
                self.tell(Event::Connected(self.acks));
            }
            Net::Up(_) if self.bridge.link_state() == LinkState::Closing => self.close(CloseReason::Done),
            Net::Up(_) | Net::Down => {}
        }
        for round in 0..200 {
            self.act();
            self.move_all();
            self.act();
            self.check();
            let held = self.bridge.stats();
            let up = if self.packets_end() { held.up_held == 0 } else { !self.is_something_to_move() };
            let down = held.down_held == 0 || self.uart == Uart::Gone;
            if self.finished || up && down && !self.stopping {
                return;
            }
            if self.is_something_to_move() {
                continue;
            }
            match self.bridge.poll_timeout() {
                // Later and later: a short deadline that comes again and again does not keep a long one away.
                Some((at, _)) => self.now = at.as_micros().max(self.now.saturating_add(1 << round.min(36))),
                None => {
                    assert!(!self.spans_end(), "held for ever: {:?}", self.bridge);
                    return;
                }
            }
        }
        assert!(!self.spans_end(), "nothing arrives: {:?}", self.bridge);
    }

    fn is_something_to_move(&self) -> bool {
        !self.bridge.tx()[0].is_empty() || !self.bridge.uart_tx().is_empty()
    }

    fn move_all(&mut self) {
        for _ in 0..self.up + self.down + 8 {
            let up: usize = self.bridge.tx().iter().map(|part| part.len()).sum();
            let down = self.bridge.uart_tx().len();
            if up + down == 0 {
                return;
            }
            if up > 0 {
                self.tell(Event::TxDone(up));
            }
            self.acknowledge(usize::MAX);
            self.tell(Event::UartTxDone(down));
        }
    }

    /// No deadline that matters here is off or a lifetime away.
    pub(crate) fn spans_end(&self) -> bool {
        let config = self.config;
        let off = [config.uart_retry, config.backoff.max, config.close_timeout, config.drain_timeout];
        off.iter().all(|span| span.as_micros() <= DAY) && self.now.max(self.latest) < u64::MAX / 4
    }
}
