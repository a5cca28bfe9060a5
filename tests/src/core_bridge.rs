//! The core on the simulated host: an adapter as [`uartbridge_core::Bridge`] describes it, one event a turn.

mod ports;
mod socket;
mod tunnel;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use uartbridge_core::{
    Action, Bridge, Close, CloseReason, Depth, Event, Flow, Instant, LineErrors, PeerIndex, Stats, Step,
};
use uartbridge_trace::{Setup, Sink, Tape, Traced};

use crate::options::Settings;
use crate::scenario;
use crate::sim::{Board, Subject};
use crate::tls::Credentials;
use socket::Socket;
use tunnel::{Tunnel, Tunnels};

/// How many of its latest doings are kept for the report.
const HISTORY: usize = 24;
/// More actions in a row than the core can have to give.
const DRAIN: u32 = 64;
/// How many packets the bridge tells apart.
const PACKETS: usize = 8;

/// The core and what its adapter has to remember.
#[derive(Debug)]
pub struct CoreBridge {
    bridge: Bridge<'static, Box<[u8]>, Box<[u8]>, PACKETS>,
    seed: u32,
    tape: Option<Tape<Paper>>,
    settings: Settings,
    chunk: usize,
    /// How far its clock has been set back, in µs.
    behind: u64,
    ip: bool,
    stop: bool,
    uart: Uart,
    socket: Socket,
    /// What makes TLS connections, if TLS is spoken, and the present one.
    tunnels: Option<Tunnels>,
    tunnel: Option<Tunnel>,
    finished: bool,
    history: VecDeque<(u64, Doing)>,
}

/// What is told of it if it fails; put into words only then.
#[derive(Debug)]
enum Doing {
    Told(Event),
    Does(Action),
    Says(String),
}

/// Where a trace goes: whoever wants it has the other end.
#[derive(Clone, Debug, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// What was recorded so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uart {
    Closed,
    Asked,
    Open,
}

impl CoreBridge {
    /// A bridge with these settings that moves at most `chunk` bytes at a time; with `credentials` it speaks TLS.
    ///
    /// # Errors
    /// A setting that the core, or TLS, refuses.
    pub fn new(
        settings: Settings,
        seed: u32,
        chunk: usize,
        credentials: Option<Arc<Credentials>>,
    ) -> Result<Self, String> {
        let (up, down) = (vec![0; settings.up].into(), vec![0; settings.down].into());
        let config = Box::leak(Box::new(settings.config));
        let bridge = Bridge::new(config, seed, up, down).map_err(|error| error.to_string())?;
        Ok(Self {
            bridge,
            seed,
            tape: None,
            settings,
            chunk,
            behind: 0,
            ip: false,
            stop: false,
            uart: Uart::Closed,
            socket: Socket::None,
            tunnels: credentials.as_deref().map(Tunnels::new).transpose()?,
            tunnel: None,
            finished: false,
            history: VecDeque::new(),
        })
    }

    /// From now on, which is before the first turn, a trace is written, with the bytes that pass or without.
    pub fn record(mut self, paper: Paper, content: bool) -> Self {
        let Settings { config, up, down } = self.settings;
        let packets = PACKETS;
        let setup = Setup { config, seed: self.seed, up, down, packets, content, began: None };
        let mut tape = Tape::new(paper, &setup);
        (0..config.peers).for_each(|peer| tape.name(PeerIndex(peer), &format!("tcp://peer-{peer}.test:1")));
        self.tape = Some(tape);
        self
    }

    fn clock(&self, board: &Board) -> Instant {
        Instant::from_micros(board.now().saturating_sub(self.behind))
    }

    fn tell(&mut self, board: &Board, event: Event) -> Result<(), String> {
        self.note(board, Doing::Told(event));
        let now = self.clock(board);
        let told = match &mut self.tape {
            Some(tape) => Traced::new(&mut self.bridge, tape).handle(now, event),
            None => self.bridge.handle(now, event),
        };
        told.map_err(|misuse| format!("the core calls {event:?} a misuse: {misuse}"))
    }

    fn note(&mut self, board: &Board, what: Doing) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((board.now(), what));
    }

    /// Carries out every action; whether there was one.
    fn drain(&mut self, board: &mut Board) -> Result<bool, String> {
        for count in 0..DRAIN {
            let now = self.clock(board);
            let action = match &mut self.tape {
                Some(tape) => Traced::new(&mut self.bridge, tape).poll(now),
                None => self.bridge.poll(now),
            };
            if !matches!(action, Action::Sleep(_)) {
                self.note(board, Doing::Does(action));
            }
            match action {
                Action::OpenUart => self.uart = Uart::Asked,
                Action::Connect(peer) => {
                    board.dial(usize::from(peer.0));
                    self.socket = Socket::Dialing;
                    self.tunnel = self.tunnels.as_ref().map(Tunnels::open).transpose()?;
                }
                Action::Close(Close::Orderly(_)) => {
                    match &mut self.tunnel {
                        Some(tunnel) => tunnel.close(),
                        None => board.shut_down(),
                    }
                    if let Socket::Up { shut, .. } = &mut self.socket {
                        *shut = true;
                    }
                }
                Action::Close(Close::Abort(_)) => self.end(board, CloseReason::Failed)?,
                Action::QueryAcks => self.tell_acks(board)?,
                Action::UartFlow(flow) => board.uart_flow(flow == Flow::Go),
                Action::Recover(Step::ResetRadio) => board.observed().radio_resets += 1,
                Action::Recover(Step::Restart) => board.observed().restarts += 1,
                Action::Sleep(sleep) => {
                    board.observed().depth = Some(match sleep.depth {
                        Depth::Idle => scenario::Depth::Idle,
                        Depth::Doze => scenario::Depth::Doze,
                        Depth::Deep => scenario::Depth::Deep,
                    });
                    return Ok(count > 0);
                }
                Action::Finished => {
                    self.finished = true;
                    let Stats { up_held, down_held, .. } = self.bridge.stats();
                    let held = up_held + down_held;
                    let end = if held == 0 { Ok(()) } else { Err(format!("{held} bytes are not delivered")) };
                    board.observed().finished = Some(end);
                    return Ok(count > 0);
                }
            }
        }
        Err(format!("the core gives more than {DRAIN} actions in a row"))
    }

    /// Something that happened outside, if it has not been told.
    fn outside(&mut self, board: &mut Board) -> Result<Option<Event>, String> {
        if core::mem::replace(&mut self.ip, board.ip()) != board.ip() {
            return Ok(Some(if board.ip() { Event::IpReady } else { Event::IpLost }));
        }
        if core::mem::take(&mut self.stop) {
            return Ok(Some(Event::Stop));
        }
        let uart = match (self.uart, board.uart_plugged()) {
            (Uart::Asked, true) => Some((Uart::Open, Event::UartOpened)),
            (Uart::Asked | Uart::Open, false) => Some((Uart::Closed, Event::UartClosed)),
            (Uart::Open, true) | (Uart::Closed, _) => None,
        };
        if let Some((state, event)) = uart {
            self.uart = state;
            return Ok(Some(event));
        }
        let (overrun, framing) = board.uart_errors();
        if overrun + framing > 0 {
            return Ok(Some(Event::UartErrors(LineErrors { overrun, framing, parity: 0 })));
        }
        self.socket_news(board)
    }

    /// What must hold after every turn.
    fn check(&self) -> Result<(), String> {
        let stats = self.bridge.stats();
        let Stats { uart_rx, tx_acked, up_held, up_dropped, sock_rx, uart_tx, down_held, .. } = stats;
        let checks = [
            (uart_rx == tx_acked + up_dropped + up_held, "uplink bytes are unaccounted for"),
            (sock_rx == uart_tx + down_held, "downlink bytes are unaccounted for"),
            (up_held <= self.settings.up as u64, "more is held than the up ring has room for"),
            (down_held <= self.settings.down as u64, "more is held than the down ring has room for"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(format!("{what}: {stats:?}")),
            None => Ok(()),
        }
    }
}

impl core::fmt::Display for Doing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Told(event) => write!(f, "{event:?}"),
            Self::Does(action) => write!(f, "{action:?}"),
            Self::Says(what) => f.write_str(what),
        }
    }
}

impl Subject for CoreBridge {
    fn turn(&mut self, board: &mut Board) -> Result<bool, String> {
        board.feed();
        let now = self.clock(board);
        if self.bridge.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.tell(board, Event::Timeout)?;
        }
        let acted = self.drain(board)?;
        if self.finished {
            return Ok(false);
        }
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.pump(board, self.chunk)?;
        }
        if let Some(event) = self.outside(board)? {
            self.tell(board, event)?;
            return Ok(true);
        }
        let moved = self.move_bytes(board)?;
        self.check()?;
        let ended = matches!(self.socket, Socket::Ended(_));
        Ok(acted || moved || ended)
    }

    fn interrupt(&mut self, _: &mut Board) {}

    fn deadline(&self) -> Option<u64> {
        let core = self.bridge.poll_timeout().map(|(at, _)| at.as_micros().saturating_add(self.behind));
        let tunnel = self.tunnel.as_ref().and_then(Tunnel::deadline);
        core.into_iter().chain(tunnel).min().filter(|_| !self.finished)
    }

    fn holds(&self) -> u64 {
        let (stats, packing) = (self.bridge.stats(), self.settings.config.packing);
        // Without a gap, a packet waits for its end for as long as the device likes.
        let waits = packing.gap.is_never() && (packing.delimiter.is_some() || packing.max_len > 0);
        let up = if waits { 0 } else { stats.up_held };
        if self.finished { 0 } else { up + stats.down_held }
    }

    fn stop(&mut self) {
        self.stop = true;
    }

    fn clock_back(&mut self, span: u64) {
        self.behind += span;
    }

    fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.bridge.stats();
        let known = [
            ("uart-rx", stats.uart_rx),
            ("tx-acked", stats.tx_acked),
            ("up-held", stats.up_held),
            ("up-dropped", stats.up_dropped),
            ("up-dropped-packets", stats.up_dropped_packets.into()),
            ("replayed", stats.replayed),
            ("sock-rx", stats.sock_rx),
            ("uart-tx", stats.uart_tx),
            ("down-held", stats.down_held),
            ("down-cut", stats.down_cut),
            ("overrun", stats.line.overrun.into()),
            ("framing", stats.line.framing.into()),
            ("attempts", stats.attempts.into()),
            ("connections", stats.connections.into()),
            ("failures", stats.failures.into()),
            ("heartbeats", stats.heartbeats.into()),
        ];
        known.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn history(&self) -> String {
        let line = |(at, what): &(u64, Doing)| format!("\n    {at:>12} µs {what}");
        self.history.iter().map(line).collect()
    }
}
