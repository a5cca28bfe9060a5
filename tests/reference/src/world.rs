//! The world, and what an event does to it.

use uartbridge_core::{
    Acks, Bridge, Config, ConfigError, Event, Flow, Instant, Misuse, Overflow, Packing, Stats,
};
use uartbridge_trace::{Recorder, Traced};

use crate::stream::Stream;
use crate::{said, told};

/// The world around one bridge, and what it knows to be true. `P` is the bridge's; `R` records its calls.
pub struct World<'c, R, const P: usize> {
    pub(crate) bridge: Bridge<'c, Vec<u8>, Vec<u8>, P>,
    /// The same bridge, whose clock never runs back: what is told to both has the same effect.
    pub(crate) shadow: Bridge<'c, Vec<u8>, Vec<u8>, P>,
    pub(crate) recorder: R,
    pub(crate) config: &'c Config<'c>,
    pub(crate) up: usize,
    pub(crate) down: usize,
    /// The latest time told, and what the clock says now; in µs.
    pub(crate) latest: u64,
    pub(crate) now: u64,
    pub(crate) uart: Uart,
    pub(crate) net: Net<'c>,
    pub(crate) ip: bool,
    pub(crate) stopping: bool,
    pub(crate) finished: bool,
    pub(crate) flow: Flow,
    /// Who acknowledges, on the connections to come.
    pub(crate) acks: Acks,
    /// Actions are carried out at once after each step.
    pub(crate) eager: bool,
    /// Bytes that the device has said, that the peer has said, and that have reached the device.
    pub(crate) said: u64,
    pub(crate) told: u64,
    pub(crate) device: u64,
    /// What peers have acknowledged of the device's bytes, if nothing is dropped; otherwise no byte before it comes again.
    pub(crate) reached: u64,
    pub(crate) replayed: u64,
    pub(crate) cut: u64,
    pub(crate) before: Stats,
    pub(crate) depth: Depth,
}

/// The UART, as the adapter knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uart {
    Absent,
    /// The bridge has asked for it.
    Asked,
    Open,
    /// Nothing more comes from it.
    Ended,
    Gone,
}

/// The connection, as the adapter knows it.
pub(crate) enum Net<'c> {
    Down,
    /// The bridge has asked for one.
    Asked,
    Up(Stream<'c>),
}

/// How far a run got, and a digest of everything that the bridge asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Connections that were there.
    pub connections: u32,
    /// Bytes that a peer has acknowledged.
    pub acked: u64,
    /// Bytes that were sent again.
    pub replayed: u64,
    /// Bytes that were given up.
    pub dropped: u64,
    /// Bytes that reached the device.
    pub device: u64,
    /// Heartbeats.
    pub heartbeats: u32,
    /// Events that were refused.
    pub refused: u32,
    /// Times at which the clock ran back.
    pub back: u32,
    /// Bridges that came to their end.
    pub finished: u32,
    pub(crate) digest: u64,
}

impl<'c, R: Recorder, const P: usize> World<'c, R, P> {
    /// A world without address and without UART.
    ///
    /// # Errors
    /// These settings cannot work, or not with these rings.
    pub fn new(
        config: &'c Config<'c>,
        (up, down): (usize, usize),
        seed: u32,
        recorder: R,
    ) -> Result<Self, ConfigError> {
        let bridge = Bridge::new(config, seed, vec![0; up], vec![0; down])?;
        Ok(Self {
            shadow: bridge.clone(),
            before: bridge.stats(),
            bridge,
            recorder,
            config,
            up,
            down,
            latest: 0,
            now: 0,
            uart: Uart::Absent,
            net: Net::Down,
            ip: false,
            stopping: false,
            finished: false,
            flow: Flow::Go,
            acks: Acks::Peer,
            eager: true,
            said: 0,
            told: 0,
            device: 0,
            reached: 0,
            replayed: 0,
            cut: 0,
            depth: Depth::default(),
        })
    }

    /// Who acknowledges what is written, from the next connection on.
    #[must_use]
    pub fn acknowledged_by(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// What recorded the calls.
    pub fn recorder(&mut self) -> &mut R {
        &mut self.recorder
    }

    /// The bridge.
    pub fn bridge(&mut self) -> &mut Bridge<'c, Vec<u8>, Vec<u8>, P> {
        &mut self.bridge
    }

    /// Nothing may be missing in what a peer gets.
    pub(crate) fn exactly(&self) -> bool {
        self.config.overflow == Overflow::Block
    }

    /// Tells the bridge; whether it took it.
    ///
    /// # Panics
    /// It took what it had to refuse, or the other way round; or refusing has changed it.
    pub(crate) fn tell(&mut self, event: Event) -> bool {
        let expected = self.expected(event);
        self.put(event);
        let taken = self.take(event);
        // Refused at a time that the bridge knows already: not even its clock may go on.
        let now = if expected.is_err() { self.latest } else { self.now };
        let before = expected.is_err().then(|| format!("{:?}", self.bridge));
        let done = Traced::new(&mut self.bridge, &mut self.recorder).handle(Instant::from_micros(now), event);
        assert_eq!(done, expected, "{event:?} of {:?}", self.bridge);
        self.latest = self.latest.max(now);
        assert_eq!(self.shadow.handle(Instant::from_micros(self.latest), event), expected);
        if let Some(before) = before {
            assert_eq!(format!("{:?}", self.bridge), before, "{event:?} was refused and had an effect");
            self.depth.refused += 1;
            return false;
        }
        self.follow(event, &taken);
        true
    }

    /// What the contract says to an event.
    fn expected(&mut self, event: Event) -> Result<(), Misuse> {
        let exactly = |holds, misuse| if holds { Ok(()) } else { Err(misuse) };
        let up = matches!(self.net, Net::Up(_));
        let lent = |n, lent| exactly(n <= lent, Misuse::MoreThanLent);
        match event {
            Event::UartRx(n) => lent(n, self.uart_rx()),
            Event::UartTxDone(n) => lent(n, self.bridge.uart_tx().len()),
            Event::SockRx(n) => {
                exactly(up, Misuse::NoConnection)?;
                lent(n, self.sock_rx())
            }
            Event::TxDone(n) => {
                exactly(up, Misuse::NoConnection)?;
                let whole: usize = self.bridge.tx().iter().map(|part| part.len()).sum();
                lent(n, whole)?;
                exactly(n == whole || !self.config.packing.datagrams, Misuse::SplitDatagram)
            }
            Event::TxAcked(total) => {
                let Net::Up(stream) = &self.net else { return Err(Misuse::NoConnection) };
                exactly(total <= stream.written, Misuse::AckedUnwritten)
            }
            Event::PeerClosed | Event::TxFailed => exactly(up, Misuse::NoConnection),
            Event::Connected(_) => exactly(matches!(self.net, Net::Asked), Misuse::NoConnection),
            Event::Closed(_) => exactly(!matches!(self.net, Net::Down), Misuse::NoConnection),
            Event::UartOpened => exactly(self.uart == Uart::Asked, Misuse::NotAsked),
            Event::UartClosed => {
                exactly(matches!(self.uart, Uart::Asked | Uart::Open | Uart::Ended), Misuse::NotAsked)
            }
            Event::UartEnded => exactly(self.uart == Uart::Open, Misuse::NotAsked),
            Event::IpReady
            | Event::IpLost
            | Event::SockRxCut(_)
            | Event::UartErrors(_)
            | Event::Timeout
            | Event::Stop => Ok(()),
        }
    }

    /// Room for bytes of the device. Lending may move what a ring holds, so that both bridges are asked.
    pub(crate) fn uart_rx(&mut self) -> usize {
        let room = self.bridge.uart_rx().len();
        assert_eq!(self.shadow.uart_rx().len(), room);
        room
    }

    /// Room for bytes of the peer.
    pub(crate) fn sock_rx(&mut self) -> usize {
        let room = self.bridge.sock_rx().len();
        assert_eq!(self.shadow.sock_rx().len(), room);
        room
    }

    /// Puts the bytes in place that the event is about to report.
    fn put(&mut self, event: Event) {
        for bridge in [&mut self.bridge, &mut self.shadow] {
            if let Event::UartRx(n) = event {
                bridge
                    .uart_rx()
                    .iter_mut()
                    .zip(self.said..)
                    .take(n)
                    .for_each(|(place, at)| *place = said(at));
            }
            if let Event::SockRx(n) = event {
                bridge
                    .sock_rx()
                    .iter_mut()
                    .zip(self.told..)
                    .take(n)
                    .for_each(|(place, at)| *place = told(at));
            }
        }
    }

    /// The bytes that the event reports as taken.
    fn take(&self, event: Event) -> Vec<u8> {
        let first = |bytes: &[u8], n: usize| bytes[..n.min(bytes.len())].to_vec();
        if let Event::TxDone(n) = event {
            first(&self.bridge.tx().concat(), n)
        } else if let Event::UartTxDone(n) = event {
            first(self.bridge.uart_tx(), n)
        } else {
            Vec::new()
        }
    }

    /// What an event that was taken has changed.
    fn follow(&mut self, event: Event, taken: &[u8]) {
        let exactly = self.exactly();
        match (event, &mut self.net) {
            (Event::UartRx(n), _) => self.said += n as u64,
            (Event::SockRx(n), _) => self.told += n as u64,
            (Event::SockRxCut(n), _) => self.cut = self.cut.saturating_add(n as u64).min(u32::MAX.into()),
            (Event::TxDone(_), Net::Up(stream)) => {
                let own = !stream.own.is_empty();
                stream.write(taken, exactly);
                if stream.acks == Acks::OnWrite {
                    let reached = stream.reaches();
                    self.reached = self.reached.max(if own { 0 } else { reached });
                }
            }
            (Event::TxAcked(total), Net::Up(stream)) => {
                if let Some(reached) = stream.ack(total) {
                    self.reached = self.reached.max(reached);
                }
            }
            (Event::UartTxDone(_), _) => {
                let right = taken.iter().zip(self.device..).all(|(&byte, at)| byte == told(at));
                assert!(right, "the device got {taken:?} after {} bytes", self.device);
                self.device += taken.len() as u64;
            }
            (Event::Connected(acks), _) => {
                self.net = Net::Up(Stream::new(acks, self.config.greeting, self.reached));
            }
            (Event::Closed(_), net) => {
                if let Net::Up(stream) = net
                    && stream.acks == Acks::Peer
                {
                    self.replayed += stream.in_flight();
                }
                *net = Net::Down;
            }
            (Event::UartOpened, _) => self.uart = Uart::Open,
            (Event::UartClosed, _) => {
                self.uart = if self.uart == Uart::Ended { Uart::Gone } else { Uart::Absent };
            }
            (Event::UartEnded, _) => (self.uart, self.stopping) = (Uart::Ended, true),
            (Event::Stop, _) => self.stopping = true,
            (Event::IpReady, _) => self.ip = true,
            (Event::IpLost, _) => self.ip = false,
            (
                Event::TxDone(_)
                | Event::TxAcked(_)
                | Event::PeerClosed
                | Event::TxFailed
                | Event::UartErrors(_)
                | Event::Timeout,
                _,
            ) => {}
        }
        let heartbeats = self.bridge.stats().heartbeats;
        if heartbeats != self.before.heartbeats
            && let Net::Up(stream) = &mut self.net
        {
            assert!(stream.own.is_empty(), "a heartbeat within greeting or heartbeat");
            stream.own = self.config.heartbeat.bytes;
            self.before.heartbeats = heartbeats;
        }
    }

    /// Packing leaves no byte behind for ever.
    pub(crate) fn packets_end(&self) -> bool {
        let Packing { max_len, gap, delimiter, datagrams } = self.config.packing;
        let passes = delimiter.is_none() && gap.is_never() && (datagrams || max_len == 0);
        passes || gap.as_micros() <= crate::act::DAY || max_len == 1
    }
}
