//! A bridge and its outside, and one turn of an adapter's loop.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};

use uartbridge_core::{Acks, Action, Bridge, Close, Event, Instant};

use crate::case::Case;
use crate::key;
use crate::outside::{Closing, Connection, Expected, GREETING, HEARTBEAT, Line, Net, Outside, Set};
use crate::storage::Storage;

/// The real core, with rings of any size and place for the ends of two packets.
pub(crate) type Core = Bridge<'static, Storage, Storage, 2>;

/// The start of the clock, in µs: not 0, so that the past has room.
const START: u64 = 1_000_000;
/// How often a loop may turn before it has to wait for something.
const TURNS: usize = 24;

/// What one run has come to.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) bridge: Core,
    pub(crate) outside: Outside,
    /// See [`Case::idle`].
    idle: &'static [&'static str],
    /// µs.
    pub(crate) now: u64,
    /// When the bridge was told to stop, in µs.
    pub(crate) stopped_at: u64,
    /// What was seen to be wrong on the way here.
    pub(crate) wrong: Option<&'static str>,
}

impl World {
    /// A bridge that was just made.
    pub(crate) fn new(case: &'static Case) -> Self {
        let bridge = Core::new(&case.config, 1, Storage::new(case.up), Storage::new(case.down))
            .unwrap_or_else(|error| panic!("case {}: {error}", case.name));
        let mut world = Self {
            bridge,
            outside: Outside::new(case.faults),
            idle: case.idle(),
            now: START,
            stopped_at: 0,
            wrong: None,
        };
        world.event(Event::IpReady);
        world.outside.ip = true;
        world.turn(case);
        world
    }

    pub(crate) const fn instant(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.bridge.poll_timeout().map(|(at, _)| at.as_micros())
    }

    pub(crate) fn event(&mut self, event: Event) {
        if self.bridge.handle(self.instant(), event).is_err() {
            self.fails("the core refuses an event that is in order");
        }
    }

    pub(crate) fn fails(&mut self, what: &'static str) {
        self.wrong.get_or_insert(what);
    }

    /// What the core asks for is done, until it rests.
    pub(crate) fn turn(&mut self, case: &Case) {
        for _ in 0..TURNS {
            if self.deadline().is_some_and(|at| at <= self.now) {
                self.event(Event::Timeout);
                if self.deadline().is_some_and(|at| at <= self.now) {
                    return self.fails("a deadline that has passed stays");
                }
            }
            match self.poll() {
                Action::OpenUart => self.outside.line = Line::Opening,
                Action::Connect(_) if self.outside.net == Net::Quiet => self.outside.net = Net::Dialing,
                Action::Connect(_) => return self.fails("a second connection is asked for"),
                Action::Close(close) => self.close(close),
                Action::QueryAcks if case.late => self.asks(),
                Action::QueryAcks if case.acks == Acks::Peer && self.is_up() => self.reports(),
                Action::QueryAcks => return self.fails("nobody can answer this question"),
                Action::UartFlow(_) | Action::Recover(_) => {}
                Action::Sleep(sleep) => {
                    if sleep.until.map(|(at, _)| at.as_micros()) != self.deadline() {
                        self.fails("sleeps until another time than that of the deadline");
                    }
                    return;
                }
                Action::Finished => {
                    self.outside.finished = true;
                    return;
                }
            }
        }
        self.fails("never comes to rest");
    }

    fn poll(&mut self) -> Action {
        let action = self.bridge.poll(self.instant());
        #[cfg(test)]
        crate::alike::saw(self.now, &action);
        action
    }

    fn close(&mut self, close: Close) {
        let said = match &mut self.outside.net {
            Net::Dialing => {
                self.outside.net = Net::Abandoned;
                matches!(close, Close::Abort(_))
            }
            Net::Up(connection) => {
                let next = match close {
                    Close::Orderly(_) => Closing::Orderly,
                    Close::Abort(_) => Closing::Abort,
                };
                let before = std::mem::replace(&mut connection.closing, next);
                before == Closing::No || before == Closing::Orderly && next == Closing::Abort
            }
            Net::Quiet | Net::Abandoned => false,
        };
        if !said {
            self.fails("closes what there is not, or twice");
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.outside.net, Net::Up(_))
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        match &self.outside.net {
            Net::Up(connection) => Some(connection),
            Net::Quiet | Net::Dialing | Net::Abandoned => None,
        }
    }

    /// A question leaves. There is never more than one on its way, and one for the last time.
    fn asks(&mut self) {
        match &mut self.outside.net {
            Net::Up(connection) if connection.asked < 2 => connection.asked += 1,
            Net::Up(_) => self.fails("asks again and again although nobody answers"),
            Net::Quiet | Net::Dialing | Net::Abandoned => self.fails("nobody can answer this question"),
        }
    }

    /// The core hears what the peer's TCP has.
    pub(crate) fn reports(&mut self) {
        let acked = self.outside.tells();
        self.event(Event::TxAcked(acked));
    }

    /// The device says `n` bytes.
    pub(crate) fn uart_says(&mut self, n: usize) {
        let said = self.outside.said;
        let room = self.bridge.uart_rx();
        // Lent room is the adapter's, all of it.
        room.fill(0xEE);
        for (byte, number) in room.iter_mut().zip(said..).take(n) {
            *byte = number;
        }
        self.outside.said += n as u8;
        self.outside.ends |= 1 << (self.outside.said - 1);
        self.event(Event::UartRx(n));
    }

    /// The peer says `n` bytes.
    pub(crate) fn peer_says(&mut self, n: usize) {
        let heard = self.outside.heard;
        let room = self.bridge.sock_rx();
        room.fill(0xEE);
        for (byte, number) in room.iter_mut().zip(heard..).take(n) {
            *byte = number;
        }
        self.outside.heard += n as u8;
        self.event(Event::SockRx(n));
    }

    /// The socket takes `n` bytes.
    pub(crate) fn socket_takes(&mut self, n: usize, case: &Case) {
        let bytes: heapless::Vec<u8, 32> = self.bridge.tx().into_iter().flatten().copied().take(n).collect();
        let expected = Expected {
            greeting: case.config.greeting == GREETING,
            heartbeat: case.config.heartbeat.bytes == HEARTBEAT,
            datagrams: case.config.packing.datagrams,
            max_len: case.config.packing.max_len,
            drops: case.drops(),
        };
        if let Err(what) = self.outside.writes(&bytes, &expected) {
            return self.fails(what);
        }
        self.event(Event::TxDone(n));
        if case.acks == Acks::OnWrite {
            self.outside.acks(n);
            self.outside.tells();
        }
    }

    /// The device takes `n` bytes.
    pub(crate) fn uart_takes(&mut self, n: usize) {
        let given = self.outside.given;
        let right = self.bridge.uart_tx().iter().zip(given..).take(n).all(|(&byte, number)| byte == number);
        if !right {
            return self.fails("the device gets a byte twice, none, or out of order");
        }
        self.outside.given += n as u8;
        self.event(Event::UartTxDone(n));
    }

    /// The connection is gone.
    pub(crate) fn ends(&mut self, case: &Case, reason: uartbridge_core::CloseReason) {
        if case.acks == Acks::Peer && self.is_up() {
            self.reports();
        }
        self.outside.net = Net::Quiet;
        self.event(Event::Closed(reason));
    }

    /// A connection comes up.
    pub(crate) fn connects(&mut self, case: &Case) {
        self.outside.net = Net::Up(Connection {
            closing: Closing::No,
            fin: false,
            broken: false,
            acked: 0,
            told: 0,
            asked: 0,
            flying: heapless::Vec::new(),
            last: None,
            next: self.outside.reached,
        });
        self.event(Event::Connected(case.acks));
    }

    /// Bytes of the device that no peer has.
    pub(crate) fn missing(&self) -> u32 {
        u32::from(self.outside.said) - self.outside.arrived.count_ones()
    }

    /// How many bytes of the device a peer has, as far as the core was told.
    pub(crate) fn told(&self) -> u32 {
        let known = !Set::MAX.checked_shl(self.outside.reached.into()).unwrap_or(0);
        (self.outside.arrived & known).count_ones()
    }

    fn with_key<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        BUFFERS.with_borrow_mut(|(text, key)| {
            key::write(&self.bridge, self.now, self.idle, text, key);
            then(key)
        })
    }
}

thread_local! {
    static BUFFERS: RefCell<(String, String)> = const { RefCell::new((String::new(), String::new())) };
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let mine = self.with_key(str::to_owned);
        self.outside == other.outside && self.wrong == other.wrong && other.with_key(|key| key == mine)
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.outside.hash(state);
        self.wrong.hash(state);
        self.with_key(|key| state.write(key.as_bytes()));
    }
}
