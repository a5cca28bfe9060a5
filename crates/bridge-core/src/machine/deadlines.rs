//! Every deadline: when it is, and what happens when it has come.

use super::Machine;
use crate::config::Power;
use crate::event::{Acks, CloseCause, Misuse, Timer};
use crate::link::{Connection, Input, Link, Phase};
use crate::time::Instant;
use crate::uart::{Change, Uart};

impl<const P: usize> Machine<'_, P> {
    pub(crate) fn next_deadline(&self) -> Option<(Instant, Timer)> {
        let next =
            Timer::ALL.map(|timer| (self.deadline(timer), timer)).into_iter().min_by_key(|&(at, _)| at);
        next.filter(|&(at, _)| at < Instant::NEVER)
    }

    pub(super) fn timeout(&mut self, storage: &mut [u8]) -> Result<(), Misuse> {
        for timer in Timer::ALL {
            if self.deadline(timer) <= self.now {
                self.expire(timer, storage)?;
            }
        }
        Ok(())
    }

    fn deadline(&self, timer: Timer) -> Instant {
        let of_link = || {
            let (at, name) = self.link.deadline(&self.config);
            if name == timer { at } else { Instant::NEVER }
        };
        let open = match &self.link {
            Link::Up(connection) if connection.writes() => Some(connection),
            Link::Up(_)
            | Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Dialing { .. }
            | Link::Abandoning { .. }
            | Link::Finished => None,
        };
        let supervised = open.filter(|connection| connection.acks == Acks::Peer);
        let supervise = &self.config.supervise;
        match timer {
            Timer::UartRetry => match self.uart {
                Uart::Absent { until } => until,
                Uart::Opening { .. } | Uart::Open | Uart::Ended | Uart::Gone => Instant::NEVER,
            },
            Timer::BackOff | Timer::NoIp | Timer::Connect | Timer::Close => of_link(),
            Timer::Gap => self.packer.gap_deadline(&self.config.packing, self.keep, &self.up),
            Timer::Heartbeat => open
                .filter(|connection| connection.own.rest().is_empty())
                .map_or(Instant::NEVER, |connection| {
                    self.config.heartbeat.deadline(connection.spoke, &self.up)
                }),
            Timer::QueryAcks => supervised.map_or(Instant::NEVER, |connection| {
                connection.watch.query_deadline(supervise, &self.up, self.urgent(connection))
            }),
            Timer::Unacked => supervised
                .map_or(Instant::NEVER, |connection| connection.watch.unacked_deadline(supervise, &self.up)),
            Timer::Silent => {
                open.map_or(Instant::NEVER, |connection| connection.watch.silent_deadline(supervise))
            }
            Timer::Quiet => {
                let idle = open.is_some() && self.up.unsent() + self.up.in_flight() == 0;
                self.config.power.quiet_deadline(self.now, self.moved, idle)
            }
            Timer::Drain if self.link.is_given_up() => Instant::NEVER,
            Timer::Drain => self.draining.unwrap_or(Instant::NEVER),
        }
    }

    fn expire(&mut self, timer: Timer, storage: &mut [u8]) -> Result<(), Misuse> {
        match timer {
            Timer::UartRetry => self.uart_change(Change::Retry),
            Timer::BackOff if self.wants_link() => self.step(Input::Dial),
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
                if let Some(connection) = self.link.connection() {
                    connection.watch.ask = true;
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
