//! The bridge as an adapter sees it: events in, actions out, slices lent.

use crate::config::{Config, ConfigError};
use crate::event::{Action, Event, LinkState, Misuse, PeerIndex, Ports, Timer};
use crate::link::Link;
use crate::machine::Machine;
use crate::stats::Stats;
use crate::time::Instant;

/// One UART, one link, and the two rings between them.
///
/// `U` and `D` are the storage of the up and the down ring (`[u8; N]`, `Box<[u8]>`, `&mut [u8]`, …). `P` is how many
/// packets the up ring can tell apart, at 4 bytes each; it matters for datagrams and for the policies that drop whole
/// packets.
///
/// # The order of calls
///
/// 1. If the deadline of [`poll_timeout`](Self::poll_timeout) has come: [`handle`](Self::handle) with [`Event::Timeout`].
/// 2. [`poll`](Self::poll), carrying out each action, until it gives [`Action::Sleep`] or [`Action::Finished`].
/// 3. [`ports`](Self::ports): wait until bytes can be moved on any of the slices that are not empty, or something else
///    happens, or the deadline comes.
/// 4. Move bytes on *one* slice and report the count with [`handle`](Self::handle) before any slice is lent again; then
///    from 1 again. [`uart_rx`](Self::uart_rx), [`sock_rx`](Self::sock_rx), [`tx`](Self::tx) and
///    [`uart_tx`](Self::uart_tx) lend one slice without the others.
///
/// Every call brings the time. The same events at the same times give the same actions.
#[derive(Clone, Debug)]
pub struct Bridge<'c, U, D, const P: usize = 8> {
    machine: Machine<'c, P>,
    up: U,
    down: D,
}

impl<'c, U, D, const P: usize> Bridge<'c, U, D, P>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    /// A bridge that has an absent UART and no address yet. `seed` should differ from device to device: it spreads
    /// their attempts to reconnect.
    ///
    /// # Errors
    /// A setting that cannot work with rings of these sizes.
    pub fn new(config: &'c Config<'c>, seed: u32, up: U, down: D) -> Result<Self, ConfigError> {
        let (up_capacity, down_capacity) = (up.as_ref().len(), down.as_ref().len());
        config.validate(up_capacity, down_capacity)?;
        Ok(Self { machine: Machine::new(config, seed, up_capacity, down_capacity), up, down })
    }

    /// Takes in one event.
    ///
    /// # Errors
    /// The adapter broke the contract; the event had no effect.
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        self.machine.handle(now, event, self.up.as_mut())
    }

    /// The next thing to do.
    pub fn poll(&mut self, now: Instant) -> Action {
        self.machine.poll(now)
    }

    /// The slices on which bytes can be moved now, all together: for waiting on them.
    pub fn ports(&mut self) -> Ports<'_> {
        let Self { machine, up, down } = self;
        let limit = machine.may_write();
        let up = machine.up.lend(up.as_mut(), limit.unwrap_or(0));
        let down = machine.down.lend(down.as_mut(), usize::MAX);
        Ports {
            uart_rx: if machine.may_read_uart() { up.vacant } else { &mut [] },
            sock_rx: if machine.may_read_socket() { down.vacant } else { &mut [] },
            tx: match machine.own_bytes() {
                [] => up.ready,
                own if limit.is_some() => [own, &[]],
                _ => [&[], &[]],
            },
            uart_tx: if machine.uart.writes() { down.ready[0] } else { &[] },
        }
    }

    /// [`Ports::uart_rx`] alone: costs less than lending all of them.
    pub fn uart_rx(&mut self) -> &mut [u8] {
        if self.machine.may_read_uart() { self.machine.up.room(self.up.as_mut()) } else { &mut [] }
    }

    /// [`Ports::sock_rx`] alone.
    pub fn sock_rx(&mut self) -> &mut [u8] {
        if self.machine.may_read_socket() { self.machine.down.room(self.down.as_mut()) } else { &mut [] }
    }

    /// [`Ports::tx`] alone.
    pub fn tx(&self) -> [&[u8]; 2] {
        match (self.machine.may_write(), self.machine.own_bytes()) {
            (None, _) => [&[], &[]],
            (Some(limit), []) => self.machine.up.ready(self.up.as_ref(), limit),
            (Some(_), own) => [own, &[]],
        }
    }

    /// [`Ports::uart_tx`] alone.
    pub fn uart_tx(&self) -> &[u8] {
        if self.machine.uart.writes() {
            self.machine.down.ready(self.down.as_ref(), usize::MAX)[0]
        } else {
            &[]
        }
    }

    /// The next deadline and its name; `None` if only an event can change anything.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let (at, timer) = self.machine.next_deadline();
        (at < Instant::NEVER).then_some((at, timer))
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.machine.stats()
    }

    /// Bytes written to the present connection since it came up, greeting and heartbeats included: what
    /// [`Event::TxAcked`] would report if the peer had acknowledged everything. 0 without a connection.
    pub fn tx_total(&self) -> u64 {
        match &self.machine.link {
            Link::Up(connection) => connection.written.get(),
            Link::NoIp { .. }
            | Link::Parked
            | Link::BackOff { .. }
            | Link::Dialing { .. }
            | Link::Abandoning { .. }
            | Link::Finished => 0,
        }
    }

    /// What the link is doing, for logs and displays.
    pub fn link_state(&self) -> LinkState {
        self.machine.link_state()
    }

    /// The peer that is, or will next be, connected to.
    pub fn peer(&self) -> PeerIndex {
        self.machine.attempts.peer()
    }
}
