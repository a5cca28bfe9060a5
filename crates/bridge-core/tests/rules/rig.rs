//! A bridge in virtual time, with an adapter that does what it is told.

use uartbridge_core::{
    Acks, Action, Backoff, Bridge, Close, CloseReason, Config, Duration, Event, Flow, Instant, Ladder,
    LinkState, Misuse, PeerIndex, Sleep, Step, Timer,
};

/// No jitter, no ladder: what happens when is known to the microsecond.
pub(crate) const CONFIG: Config<'static> = Config {
    backoff: Backoff {
        first: Duration::from_secs(1),
        max: Duration::from_secs(8),
        jitter: false,
        stable_after: Duration::from_secs(10),
    },
    ladder: Ladder { next_peer: 0, reset_radio: 0, restart: 0, no_ip: Duration::NEVER },
    ..Config::DEFAULT
};

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// How the network answers an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Connects,
    Refuses,
    /// It does not.
    None,
}

/// What the core asked for, besides acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    OpenUart,
    Connect(PeerIndex),
    Close(Close),
    Flow(Flow),
    Recover(Step),
}

/// A bridge with its adapter.
pub(crate) struct Rig {
    pub(crate) bridge: Bridge<'static, Vec<u8>, Vec<u8>, 4>,
    pub(crate) now: Instant,
    pub(crate) acks: Acks,
    pub(crate) answer: Answer,
    /// Whether there is a device to open.
    pub(crate) device: bool,
    /// Whether a close is answered at once.
    pub(crate) closes: bool,
    /// What the peer's TCP has of this connection.
    pub(crate) has: u64,
    /// How often that was asked.
    pub(crate) questions: usize,
    /// Everything else that was asked for since somebody looked.
    asked: Vec<Asked>,
    pub(crate) sleep: Option<Sleep>,
    pub(crate) finished: bool,
}

impl Rig {
    /// With a device and an address; `answer` decides about the rest.
    pub(crate) fn new(config: Config<'static>, up: usize, down: usize, answer: Answer) -> Self {
        let config = Box::leak(Box::new(config));
        let mut rig = Self {
            bridge: Bridge::new(config, 1, vec![0; up], vec![0; down]).expect("valid settings"),
            now: Instant::from_micros(1_000_000_000),
            acks: Acks::Peer,
            answer,
            device: true,
            closes: true,
            has: 0,
            questions: 0,
            asked: Vec::new(),
            sleep: None,
            finished: false,
        };
        rig.tell(Event::IpReady);
        rig
    }

    /// With a connection.
    pub(crate) fn connected(config: Config<'static>, up: usize, down: usize) -> Self {
        let mut rig = Self::new(config, up, down, Answer::Connects);
        assert!(rig.is_open(), "{:?}", rig.bridge.link_state());
        rig.asked();
        rig
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.bridge.link_state(), LinkState::Open(_))
    }

    /// An event that is in order, and what follows.
    pub(crate) fn tell(&mut self, event: Event) {
        self.bridge.handle(self.now, event).unwrap_or_else(|misuse| panic!("{event:?}: {misuse}"));
        self.act();
    }

    /// What the core says to an event that is not.
    pub(crate) fn misuse(&mut self, event: Event) -> Option<Misuse> {
        self.bridge.handle(self.now, event).err()
    }

    fn act(&mut self) {
        for _ in 0..64 {
            if self.bridge.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
                self.bridge.handle(self.now, Event::Timeout).expect("a deadline has come");
            }
            let (asked, answer) = match self.bridge.poll(self.now) {
                Action::OpenUart => {
                    (Asked::OpenUart, Some(if self.device { Event::UartOpened } else { Event::UartClosed }))
                }
                Action::Connect(peer) => (Asked::Connect(peer), self.connect()),
                Action::Close(close) => {
                    (Asked::Close(close), self.closes.then_some(Event::Closed(CloseReason::Done)))
                }
                Action::QueryAcks => {
                    self.questions += 1;
                    self.bridge.handle(self.now, Event::TxAcked(self.has)).expect("asked for");
                    continue;
                }
                Action::UartFlow(flow) => (Asked::Flow(flow), None),
                Action::Recover(step) => (Asked::Recover(step), None),
                Action::Sleep(sleep) => {
                    self.sleep = Some(sleep);
                    self.lends_the_same_together_and_alone();
                    return;
                }
                Action::Finished => {
                    self.finished = true;
                    return;
                }
            };
            self.asked.push(asked);
            if let Some(answer) = answer {
                self.bridge.handle(self.now, answer).expect("asked for");
            }
        }
        panic!("never comes to rest: {:?}", self.bridge);
    }

    fn lends_the_same_together_and_alone(&mut self) {
        let room = (self.bridge.uart_rx().len(), self.bridge.sock_rx().len());
        let ready = (self.bridge.tx().concat(), self.bridge.uart_tx().to_vec());
        // Who waits for the first part only must not wait for ever.
        assert_eq!(self.bridge.tx()[0].is_empty(), ready.0.is_empty());
        let ports = self.bridge.ports();
        assert_eq!(ports.tx[0].is_empty(), ready.0.is_empty());
        assert_eq!((ports.uart_rx.len(), ports.sock_rx.len()), room);
        assert_eq!((ports.tx.concat(), ports.uart_tx.to_vec()), ready);
    }

    fn connect(&mut self) -> Option<Event> {
        match self.answer {
            Answer::Connects => {
                self.has = 0;
                Some(Event::Connected(self.acks))
            }
            Answer::Refuses => Some(Event::Closed(CloseReason::Refused)),
            Answer::None => None,
        }
    }

    /// What the core has asked for since the last look.
    pub(crate) fn asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// The causes of the closes among them.
    pub(crate) fn closed(&mut self) -> Vec<Close> {
        let asked = self.asked();
        let close = |asked: &Asked| match *asked {
            Asked::Close(close) => Some(close),
            Asked::OpenUart | Asked::Connect(_) | Asked::Flow(_) | Asked::Recover(_) => None,
        };
        asked.iter().filter_map(close).collect()
    }

    /// Time passes; deadlines are kept.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((at, _)) = self.bridge.poll_timeout().filter(|&(at, _)| at <= end && !self.finished) {
            self.now = self.now.max(at);
            self.act();
        }
        self.now = end;
        self.act();
    }

    /// The whole device stands still meanwhile.
    pub(crate) fn stand_still(&mut self, span: Duration) {
        self.now = self.now + span;
        self.act();
    }

    /// The next deadline, from now on.
    pub(crate) fn deadline(&self) -> Option<(Duration, Timer)> {
        self.bridge.poll_timeout().map(|(at, timer)| (at.since(self.now), timer))
    }

    /// The device says `bytes`; returns how many there was room for in one read.
    pub(crate) fn says(&mut self, bytes: &[u8]) -> usize {
        let room = self.bridge.uart_rx();
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.tell(Event::UartRx(n));
        n
    }

    /// The device says all of `bytes`, in as many reads as that needs.
    pub(crate) fn says_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = self.says(bytes);
            assert!(n > 0, "no room for {} bytes", bytes.len());
            bytes = &bytes[n..];
        }
    }

    /// The socket takes `n` bytes at most.
    pub(crate) fn writes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = self.bridge.tx().concat();
        bytes.truncate(n);
        if !bytes.is_empty() {
            self.tell(Event::TxDone(bytes.len()));
        }
        bytes
    }

    /// The socket takes all there is, in as many writes as that needs.
    pub(crate) fn writes_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.writes(usize::MAX);
            if bytes.is_empty() {
                return all;
            }
            all.extend(bytes);
        }
    }

    /// The peer's TCP has all that was written, and the bridge hears of it.
    pub(crate) fn acknowledges(&mut self) {
        self.has = self.bridge.tx_total();
        self.tell(Event::TxAcked(self.has));
    }

    /// The peer says `bytes`; returns how many there was room for.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> usize {
        let room = self.bridge.sock_rx();
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.tell(Event::SockRx(n));
        n
    }

    /// The device takes all there is.
    pub(crate) fn device_takes(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.bridge.uart_tx().to_vec();
            if bytes.is_empty() {
                return all;
            }
            self.tell(Event::UartTxDone(bytes.len()));
            all.extend(bytes);
        }
    }

    /// The connection breaks.
    pub(crate) fn breaks(&mut self) {
        self.tell(Event::Closed(CloseReason::Reset));
    }
}
