//! What the policies share: the rings, the link and the deadlines, without the storage (and so without its type).

mod bytes;
mod deadlines;

use crate::backoff::Attempts;
use crate::config::Config;
use crate::count::Count;
use crate::event::{Acks, Action, CloseCause, Event, LineErrors, LinkState, Misuse, Sleep, Step};
use crate::flow::{Dropped, Throttle};
use crate::link::{Connection, Input, Link, Next, Order, Phase};
use crate::pack::{Keep, Packer};
use crate::ring::Ring;
use crate::stats::Stats;
use crate::time::{Duration, Instant};
use crate::uart::{Change, Uart};

/// See [`Bridge`](crate::Bridge).
#[derive(Clone, Debug)]
pub(crate) struct Machine<'c, const P: usize> {
    config: &'c Config<'c>,
    keep: Keep,
    /// The latest time seen.
    now: Instant,
    pub(crate) up: Ring,
    pub(crate) down: Ring,
    packer: Packer<P>,
    /// Whether the network has an address. The link learns of it at once, unless a connection is still ending.
    ip: bool,
    pub(crate) link: Link<'c>,
    pub(crate) uart: Uart,
    pub(crate) attempts: Attempts,
    throttle: Throttle,
    /// Set by [`Event::Stop`] and [`Event::UartEnded`]: nothing more is taken in. When to stop delivering, too;
    /// a UART that has ended sets no such time, and wants a connection at least once, for what may come down.
    draining: Option<Instant>,
    recover: Option<Step>,
    /// When a byte last moved either way.
    moved: Instant,
    dropped: Dropped,
    counts: Counts,
}

/// A bridge besides its rings, with the packets it can tell apart by default, on a small device.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Machine<'_, 8>>() <= 320);
// The same fields with words of 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Machine<'_, 8>>() <= 400);

/// Counters that no cursor holds.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    replayed: Count,
    down_cut: u32,
    line: LineErrors,
    attempts: u32,
    connections: u32,
    heartbeats: u32,
}

impl<'c, const P: usize> Machine<'c, P> {
    pub(crate) fn new(config: &'c Config<'c>, seed: u32, up: usize, down: usize) -> Self {
        Self {
            keep: Keep::of(&config.packing, config.overflow),
            config,
            now: Instant::START,
            up: Ring::new(up),
            down: Ring::new(down),
            packer: Packer::new(),
            ip: false,
            link: Link::NoIp { since: Instant::START },
            uart: Uart::Opening { told: false },
            attempts: Attempts::new(seed),
            throttle: Throttle::new(),
            draining: None,
            recover: None,
            moved: Instant::START,
            dropped: Dropped::default(),
            counts: Counts::default(),
        }
    }

    /// Time passes, and never goes back. Not inlined: it would be there twice.
    #[inline(never)]
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now.min(Instant::LAST));
    }

    pub(crate) fn handle(&mut self, now: Instant, event: Event, storage: &mut [u8]) -> Result<(), Misuse> {
        self.advance(now);
        match event {
            Event::UartRx(n) => self.uart_rx(n, storage)?,
            Event::SockRx(n) => self.sock_rx(n)?,
            Event::SockRxCut(n) => {
                let n = u32::try_from(n).unwrap_or(u32::MAX);
                self.counts.down_cut = self.counts.down_cut.saturating_add(n);
            }
            Event::TxDone(n) => self.tx_done(n)?,
            Event::TxAcked(total) => self.tx_acked(total)?,
            Event::UartTxDone(n) => self.uart_tx_done(n)?,
            Event::UartOpened => self.uart_change(Change::Opened)?,
            Event::UartClosed => self.uart_change(Change::Closed)?,
            Event::UartEnded => {
                self.uart_change(Change::Ended)?;
                self.draining.get_or_insert(Instant::NEVER);
            }
            Event::UartErrors(errors) => self.line_errors(errors),
            Event::IpReady => {
                self.ip = true;
                self.step(Input::IpReady)?;
            }
            Event::IpLost => {
                self.ip = false;
                self.step(Input::IpLost)?;
            }
            Event::Connected(acks) => {
                self.step(Input::Connected(acks))?;
                self.counts.connections = self.counts.connections.saturating_add(1);
            }
            Event::PeerClosed => self.step(Input::PeerClosed)?,
            Event::TxFailed => self.step(Input::TxFailed)?,
            Event::Closed(_) => self.closed()?,
            Event::Timeout => self.timeout(storage)?,
            Event::Stop => {
                let until = self.now + self.config.drain_timeout;
                self.draining = Some(self.draining.map_or(until, |present| present.min(until)));
                if matches!(self.link, Link::BackOff { .. }) && self.wants_link() {
                    self.step(Input::Dial)?;
                }
            }
        }
        self.settle(storage)
    }

    /// Reports what is to be done; the states were changed by the events already.
    pub(crate) fn poll(&mut self, now: Instant) -> Action {
        self.advance(now);
        if matches!(self.link, Link::Finished) {
            return Action::Finished;
        }
        if let Some(step) = self.recover.take() {
            return Action::Recover(step);
        }
        if let Uart::Opening { told: told @ false } = &mut self.uart {
            *told = true;
            return Action::OpenUart;
        }
        match self.link.order() {
            Some(Order::Connect) => {
                self.counts.attempts = self.counts.attempts.saturating_add(1);
                return Action::Connect(self.attempts.peer());
            }
            Some(Order::Close(close)) => return Action::Close(close),
            None => {}
        }
        let now = self.now;
        if let Some(connection) = self.link.connection()
            && connection.watch.asks(now)
        {
            return Action::QueryAcks;
        }
        match self.throttle.news(&self.up, self.config.overflow) {
            Some(flow) => Action::UartFlow(flow),
            None => Action::Sleep(self.sleep()),
        }
    }

    pub(crate) fn link_state(&self) -> LinkState {
        match &self.link {
            Link::NoIp { .. } => LinkState::NoIp,
            Link::Parked => LinkState::Parked,
            Link::BackOff { until } => LinkState::BackOff(until.since(self.now)),
            Link::Dialing { .. } => LinkState::Connecting(self.attempts.peer()),
            Link::Up(Connection { phase: Phase::Open, .. }) => LinkState::Open(self.attempts.peer()),
            Link::Up(_) | Link::Abandoning { .. } => LinkState::Closing,
            Link::Finished => LinkState::Finished,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            uart_rx: self.up.end() + self.dropped.newest.get(),
            tx_acked: self.up.acked() - self.dropped.oldest.get(),
            up_held: self.up.len() as u64,
            up_dropped: self.dropped.oldest.get() + self.dropped.newest.get(),
            up_dropped_packets: self.dropped.packets,
            replayed: self.counts.replayed.get(),
            sock_rx: self.down.end(),
            uart_tx: self.down.acked(),
            down_held: self.down.len() as u64,
            down_cut: u64::from(self.counts.down_cut),
            line: self.counts.line,
            attempts: self.counts.attempts,
            connections: self.counts.connections,
            failures: self.attempts.failures(),
            heartbeats: self.counts.heartbeats,
        }
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn uart_change(&mut self, change: Change) -> Result<(), Misuse> {
        self.uart.change(self.now, change, self.config.uart_retry)
    }

    fn line_errors(&mut self, errors: LineErrors) {
        let line = &mut self.counts.line;
        line.overrun = line.overrun.saturating_add(errors.overrun);
        line.framing = line.framing.saturating_add(errors.framing);
        line.parity = line.parity.saturating_add(errors.parity);
    }

    /// The socket is gone: what was in flight will be sent again, and the next step follows from how it went.
    fn closed(&mut self) -> Result<(), Misuse> {
        let stable = self.config.backoff.stable_after;
        let (lasted, wished) = match &self.link {
            Link::Up(connection) => (
                self.now.since(connection.since) >= stable,
                matches!(
                    connection.phase,
                    Phase::Closing { cause: CloseCause::Idle | CloseCause::Stopping, .. }
                        | Phase::Aborting { cause: CloseCause::IpLost | CloseCause::Stopping, .. }
                ),
            ),
            Link::Abandoning { cause, .. } => {
                (false, matches!(cause, CloseCause::IpLost | CloseCause::Stopping))
            }
            Link::Dialing { told: true, .. } => (false, false),
            Link::Dialing { told: false, .. }
            | Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Finished => return Err(Misuse::NoConnection),
        };
        if lasted {
            self.attempts.worked();
        } else if !wished {
            self.failed();
        }
        self.counts.replayed.add(self.up.in_flight());
        self.up.rewind();
        let next = match (self.ip, self.wants_link()) {
            (false, _) => Next::NoIp,
            (true, false) => Next::Parked,
            (true, true) => Next::Retry,
        };
        self.step(Input::Closed(next))?;
        if next == Next::Retry {
            let until = self.now + self.pause();
            self.link.delay(until);
        }
        Ok(())
    }

    /// The pause before the next attempt; short while the time for draining runs.
    fn pause(&mut self) -> Duration {
        let pause = self.attempts.pause(&self.config.backoff);
        match self.draining {
            None | Some(Instant::NEVER) => pause,
            Some(_) => pause.min(Duration::from_micros(self.config.drain_timeout.as_micros() / 8)),
        }
    }

    fn failed(&mut self) {
        let step = self.attempts.failed(&self.config.ladder, self.config.peers);
        self.recover = self.recover.or(step);
    }

    /// What follows from an event without any more time passing.
    fn settle(&mut self, storage: &mut [u8]) -> Result<(), Misuse> {
        if self.keep == Keep::Exactly {
            // An acknowledgement may have made place for the ends of packets that were waiting for it.
            self.packer.cut(&self.config.packing, self.keep, &mut self.up, storage);
            // A packet that has ended may have taken the last place for an end, without which nothing can be read.
            if self.draining.is_none() {
                self.make_room(storage);
            }
        }
        if self.draining.is_some() {
            self.packer.flush(&self.config.packing, self.keep, &mut self.up, storage);
            self.drain()?;
        }
        if matches!(self.link, Link::Parked) && self.wants_link() {
            self.step(Input::Dial)?;
        }
        let idle = self.up.in_flight() + self.up.unsent() == 0;
        let Link::Up(connection) = &mut self.link else {
            return Ok(());
        };
        if connection.watch.acks == Acks::Peer && connection.watch.wrote_enough(&self.up) {
            connection.watch.ask();
        }
        let done =
            idle && connection.own.rest().is_empty() && matches!(connection.phase, Phase::PeerDone { .. });
        if done { self.step(Input::Leave(CloseCause::PeerClosed)) } else { Ok(()) }
    }

    /// Brings the bridge to its end once everything is delivered, or the time for it is over.
    fn drain(&mut self) -> Result<(), Misuse> {
        let over = self.draining.is_some_and(|until| until <= self.now);
        let nothing_up = !self.wants_link();
        let nothing_down = self.down.is_empty() || self.uart == Uart::Gone;
        match &self.link {
            Link::NoIp { .. } | Link::Parked | Link::BackOff { .. } if over || nothing_up && nothing_down => {
                self.step(Input::Finish)
            }
            Link::BackOff { .. } if nothing_up => self.step(Input::Park),
            Link::Dialing { .. } if nothing_up => self.step(Input::GiveUp(CloseCause::Stopping)),
            Link::Up(Connection { phase: Phase::Open, own, .. })
                if self.up.is_empty() && own.rest().is_empty() =>
            {
                self.step(Input::Leave(CloseCause::Stopping))
            }
            Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Dialing { .. }
            | Link::Abandoning { .. }
            | Link::Up(_)
            | Link::Finished => Ok(()),
        }
    }

    fn wants_link(&self) -> bool {
        match self.draining {
            Some(Instant::NEVER) if self.counts.connections == 0 => true,
            Some(_) => !self.up.is_empty(),
            None => self.config.power.wants_link(self.up.unsent() > 0),
        }
    }

    fn sleep(&self) -> Sleep {
        let busy = self.up.open() > 0
            || !self.down.is_empty() && self.uart.writes()
            || matches!(&self.link, Link::Up(connection) if connection.writes() && self.up.unsent() > 0);
        let (at, timer) = self.next_deadline();
        Sleep {
            until: (at < Instant::NEVER).then_some((at, timer)),
            depth: self.config.power.depth(self.now, self.moved, &self.link, busy),
            wake_on_downlink: !self.link.is_down(),
        }
    }

    // One copy of the arguments for all that move the link, on a small device.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn step(&mut self, input: Input) -> Result<(), Misuse> {
        self.link.step(self.now, input, self.config, &self.up)
    }
}
