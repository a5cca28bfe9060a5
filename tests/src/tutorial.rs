//! The bridge that this project replaces: the loop of the Air780E tutorial's script, its fourteen failures included.
//! It runs on the same simulated host, so that a scenario which it passes proves nothing.
//!
//! Connect (15 s), greet, then over and over: read the socket into the UART's queue, send what the UART has brought
//! and wait for its acknowledgement, wait up to 15 s for an event. On an error close, wait a second, begin again.

use crate::sim::{Board, Subject};

/// The UART's driver calls back when the line has gone quiet, or when it has received so many bytes.
const CALLBACK: usize = 128;
/// What the transmit buffer is cut down to after each acknowledgement, in bytes.
const BUFFER: usize = 1024;
/// µs.
const CONNECT: u64 = 15_000_000;
const PATIENCE: u64 = 15_000_000;
const PAUSE: u64 = 1_000_000;
const FEED: u64 = 3_000_000;

/// The script's state.
#[derive(Debug, Default)]
pub struct TutorialBridge {
    greeting: Vec<u8>,
    state: State,
    /// Bytes from the UART for the socket: never bounded while offline.
    tx: Vec<u8>,
    /// Bytes of `tx` that belong to the send under way, and how many of them the stack has taken.
    sending: usize,
    taken: usize,
    /// Bytes written on this connection, greeting included.
    written: u64,
    /// The UART driver's queue towards the device: never bounded.
    uart_queue: Vec<u8>,
    /// The receive callback is installed once the first connection is up.
    listens: bool,
    /// An event that the script would wake for.
    woken: bool,
    readable_before: usize,
    clock: u64,
    fed: u64,
    attempts: u64,
    connections: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before `IP_READY`, which is awaited once.
    #[default]
    Boot,
    Connecting {
        until: u64,
    },
    /// At the top of the loop.
    Loop,
    /// In `libnet.tx`: until everything is acknowledged, or the connection breaks.
    Sending,
    /// In `libnet.wait`.
    Waiting {
        until: u64,
    },
    Pause {
        until: u64,
    },
}

impl TutorialBridge {
    /// A bridge with this greeting in its script.
    pub fn new(greeting: Vec<u8>) -> Self {
        Self { greeting, ..Self::default() }
    }

    /// The receive callback: appends what the driver has, and wakes the script if it is in `wait`.
    fn uart_callback(&mut self, board: &mut Board) {
        let (_, framing) = board.uart_errors();
        if framing > 0 {
            // A line error makes the driver throw its cache away.
            board.uart_read(usize::MAX);
        }
        let calls = board.uart_quiet() || board.uart_readable() >= CALLBACK;
        if self.listens && calls && board.uart_readable() > 0 {
            self.tx.extend(board.uart_read(usize::MAX));
            self.woken |= matches!(self.state, State::Waiting { .. });
        }
    }

    /// The UART's driver goes on by itself.
    fn uart_transmit(&mut self, board: &mut Board) {
        let some = board.uart_room().min(self.uart_queue.len());
        if some > 0 {
            board.uart_write(&self.uart_queue[..some]);
            self.uart_queue.drain(..some);
        }
    }

    /// `libnet.close`, always the hard way, and `clear(0)`, which fills the buffer with zeros and keeps its length.
    fn close(&mut self, board: &mut Board) -> State {
        board.hang_up();
        self.tx.fill(0);
        State::Pause { until: board.now() + PAUSE }
    }

    /// Hands the stack what it takes of the send under way.
    fn push(&mut self, board: &mut Board) {
        let some = board.room().min(self.sending - self.taken);
        if some > 0 {
            board.write(&self.tx[self.taken..self.taken + some]);
            self.taken += some;
            self.written += some as u64;
        }
    }

    fn connected(&mut self, board: &mut Board) -> State {
        self.connections += 1;
        self.listens = true;
        if !self.greeting.is_empty() {
            board.write(&self.greeting);
        }
        self.written = self.greeting.len() as u64;
        State::Loop
    }

    /// Once through the script's loop, up to where it has to wait.
    fn once(&mut self, board: &mut Board) -> State {
        if board.broken().is_some() || board.fin_arrived() {
            return self.close(board);
        }
        self.uart_queue.extend(board.read(usize::MAX));
        if self.tx.is_empty() {
            return self.wait(board);
        }
        (self.sending, self.taken) = (self.tx.len(), 0);
        State::Sending
    }

    fn wait(&mut self, board: &Board) -> State {
        (self.woken, self.readable_before) = (false, board.readable());
        State::Waiting { until: board.now() + PATIENCE }
    }

    fn step(&mut self, board: &mut Board) -> State {
        let now = board.now();
        match self.state {
            State::Boot if board.ip() => self.dial(board),
            State::Connecting { .. } if board.connected() => self.connected(board),
            State::Connecting { until } if board.broken().is_some() || until <= now => self.close(board),
            State::Loop => self.once(board),
            State::Sending if board.broken().is_some() => self.close(board),
            State::Sending => {
                self.push(board);
                let sent = self.taken == self.sending && board.acked() >= self.written || board.udp();
                if !sent {
                    return State::Sending;
                }
                self.tx.drain(..self.sending);
                self.tx.truncate(BUFFER);
                self.wait(board)
            }
            State::Waiting { until } => {
                // An event, not a state: what arrived before the wait began does not end it.
                let came = board.readable() > self.readable_before;
                let broke = board.broken().is_some() || board.fin_arrived();
                if broke {
                    self.close(board)
                } else if came || self.woken || until <= now {
                    State::Loop
                } else {
                    self.state
                }
            }
            State::Pause { until } if until <= now => self.dial(board),
            State::Boot | State::Connecting { .. } | State::Pause { .. } => self.state,
        }
    }

    fn dial(&mut self, board: &mut Board) -> State {
        self.attempts += 1;
        board.dial(0);
        State::Connecting { until: board.now() + CONNECT }
    }
}

impl Subject for TutorialBridge {
    fn turn(&mut self, board: &mut Board) -> Result<bool, String> {
        let next = self.step(board);
        let changed = next != self.state;
        self.state = next;
        Ok(changed)
    }

    fn interrupt(&mut self, board: &mut Board) {
        self.clock = board.now();
        self.uart_callback(board);
        self.uart_transmit(board);
        if self.fed == 0 || board.now() >= self.fed + FEED {
            self.fed = board.now().max(1);
            board.feed();
        }
    }

    fn deadline(&self) -> Option<u64> {
        let until = match self.state {
            State::Connecting { until } | State::Waiting { until } | State::Pause { until } => Some(until),
            State::Boot | State::Loop | State::Sending => None,
        };
        until.into_iter().chain([self.fed + FEED]).filter(|&at| at > self.clock).min()
    }

    fn holds(&self) -> u64 {
        0
    }

    /// There is no way to ask it.
    fn stop(&mut self) {}

    /// Its timers are the system's.
    fn clock_back(&mut self, _: u64) {}

    fn stat(&self, name: &str) -> Option<u64> {
        match name {
            "up-held" => Some(self.tx.len() as u64),
            "down-held" => Some(self.uart_queue.len() as u64),
            "attempts" => Some(self.attempts),
            "connections" => Some(self.connections),
            // It counts nothing.
            _ => Some(0),
        }
    }

    fn history(&self) -> String {
        format!(
            " {:?}, {} bytes for the socket, {} for the UART",
            self.state,
            self.tx.len(),
            self.uart_queue.len()
        )
    }
}
