//! Every deadline: when it is, and what happens when it has come.

use super::Machine;
use crate::config::Power;
use crate::event::{Acks, CloseCause, Misuse, Timer};
use crate::link::{Connection, Input, Link, Phase};
use crate::time::Instant;
use crate::uart::{Change, Uart};

/// The earliest deadline so far.
struct Earliest {
    at: Instant,
    timer: Timer,
}

impl Earliest {
    // A call is shorter on a small device.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn consider(&mut self, at: Instant, timer: Timer) {
        if at < self.at {
            *self = Self { at, timer };
        }
    }
}

impl<const P: usize> Machine<'_, P> {
    /// The first deadline; [`Instant::NEVER`] if there is none.
    pub(crate) fn next_deadline(&self) -> (Instant, Timer) {
        let (at, timer) = self.link.deadline(self.config);
        let mut next = Earliest { at, timer };
        if let Uart::Absent { until } = self.uart {
            next.consider(until, Timer::UartRetry);
        }
        next.consider(self.packer.gap_deadline(&self.config.packing, self.keep, &self.up), Timer::Gap);
        if let (Some(until), false) = (self.draining, self.link.is_given_up()) {
            next.consider(until, Timer::Drain);
        }
        let idle = self.up.in_flight() + self.up.unsent() == 0;
        match &self.link {
            Link::Up(connection) if connection.writes() => {
                let (supervise, watch) = (&self.config.supervise, &connection.watch);
                if connection.watch.acks == Acks::Peer {
                    let urgent = self.urgent(connection);
                    next.consider(watch.query_deadline(supervise, &self.up, urgent), Timer::QueryAcks);
                    next.consider(watch.unacked_deadline(self.config, &self.up), Timer::Unacked);
                }
                next.consider(watch.silent_deadline(supervise), Timer::Silent);
                if idle && connection.own.rest().is_empty() {
                    next.consider(self.config.heartbeat.deadline(connection.spoke), Timer::Heartbeat);
                }
                next.consider(self.config.power.quiet_deadline(self.now, self.moved, idle), Timer::Quiet);
            }
            Link::Up(_)
            | Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Dialing { .. }
            | Link::Abandoning { .. } => {
                next.consider(self.config.power.quiet_deadline(self.now, self.moved, false), Timer::Quiet);
            }
            Link::Finished => return (Instant::NEVER, Timer::Drain),
        }
        (next.at, next.timer)
    }

    /// Does what is due, in the order of the deadlines. Each step removes its own deadline or moves it past `now`.
    pub(super) fn timeout(&mut self, storage: &mut [u8]) -> Result<(), Misuse> {
        loop {
            let (at, timer) = self.next_deadline();
            if at > self.now {
                return Ok(());
            }
            self.expire(timer, storage)?;
        }
    }

    fn expire(&mut self, timer: Timer, storage: &mut [u8]) -> Result<(), Misuse> {
        match timer {
            Timer::UartRetry => self.uart_change(Change::Retry),
            // If a connection is still wanted, it is dialled at once.
            Timer::BackOff => self.step(Input::Park),
            Timer::NoIp => {
                self.failed();
                self.step(Input::Expired(timer))
            }
            Timer::Connect | Timer::Close => self.step(Input::Expired(timer)),
            Timer::Gap => {
                self.packer.flush(&self.config.packing, self.keep, &mut self.up, storage);
                Ok(())
            }
            Timer::Heartbeat => {
                let bytes = self.config.heartbeat.bytes;
                if let Some(connection) = self.link.connection() {
                    connection.own.start(bytes);
                    self.counts.heartbeats = self.counts.heartbeats.saturating_add(1);
                }
                Ok(())
            }
            Timer::QueryAcks | Timer::Unacked => {
                if let Some(Connection { watch, .. }) = self.link.connection() {
                    if timer == Timer::Unacked && watch.asked_last(&self.config.supervise, &self.up) {
                        return self.step(Input::GiveUp(CloseCause::Unacked));
                    }
                    watch.ask();
                }
                Ok(())
            }
            Timer::Silent => self.step(Input::GiveUp(CloseCause::Silent)),
            Timer::Quiet => match self.config.power {
                Power::OnDemand { .. } => self.step(Input::Leave(CloseCause::Idle)),
                Power::AlwaysOn | Power::Doze { .. } => Ok(()),
            },
            Timer::Drain if self.link.is_down() => self.step(Input::Finish),
            Timer::Drain => self.step(Input::GiveUp(CloseCause::Stopping)),
        }
    }

    /// Whether somebody waits for acknowledgements: the ring is short of room, or the connection is to end.
    fn urgent(&self, connection: &Connection<'_>) -> bool {
        let short = self.up.len() > self.up.capacity() - self.up.capacity().div_ceil(4);
        short || connection.phase != Phase::Open || self.draining.is_some()
    }
}
