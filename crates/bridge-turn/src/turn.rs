//! One turn: time, bytes, actions.

mod ports;

use core::task::{Context, Poll};

use uartbridge_core::{
    Action, Bridge, Close, CloseReason, Duration, Event, Instant, Journal, LineErrors, Misuse, Stats, Step,
};
use uartbridge_trace::{Off, Recorder, Traced};

use crate::ended::Ended;
use crate::ends::{Net, Uart};
use crate::host::{Board, Pace, Said};

/// Rounds before a task that could go on lets the others have theirs: the network stack is one of them.
const ROUNDS: usize = 4;
/// How often line errors are said.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// The state of the loop between two turns.
pub struct Turn<'b, 'c, U, D, const P: usize, L, N: Net, B, R = Off> {
    bridge: Traced<'b, 'c, U, D, P, R>,
    uart: L,
    net: N,
    board: B,
    pace: Pace,
    /// Of this turn.
    now: Instant,
    /// The core's deadline.
    core_due: Option<Instant>,
    feed_at: Instant,
    /// The core was told something, and has not been asked since what to do.
    news: bool,
    ip: bool,
    opening: bool,
    dialing: bool,
    link: Option<Live>,
    asleep: Asleep,
    hold: Hold,
    /// The rounds of this turn were over before there was nothing left to do.
    unfinished: bool,
    stopping: bool,
    line: Line,
    journal: Journal<N::Why>,
}

/// Ports that are not ready: whoever makes them so will wake the task, and in this turn they need not be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Asleep {
    uart_rx: bool,
    sock_rx: bool,
    tx: bool,
    uart_tx: bool,
}

/// What the loop waits for: for each port that was not ready, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// When to take the next turn though nothing has happened. Not later than now: at once.
    pub until: Option<Instant>,
    /// Bytes from the UART.
    pub uart_rx: bool,
    /// Room in the UART.
    pub uart_tx: bool,
    /// Bytes from the socket, or its end.
    pub sock_rx: bool,
    /// Room in the socket, or the end of an attempt to connect.
    pub sock_tx: bool,
}

/// Until when bytes may gather.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// On their way up: neither read nor sent before.
    up: Option<Instant>,
    /// The transmitter was full: room may gather.
    uart_tx: Option<Instant>,
}

/// Line errors that were not said yet, and when to say them at the earliest.
#[derive(Clone, Copy, Debug)]
struct Line {
    lost: LineErrors,
    say_at: Instant,
}

/// A connection and what is known to have ended on it.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    peer_ended: bool,
    /// The core wants an orderly close.
    shut: bool,
    shut_done: bool,
    /// Writing fails, for this reason.
    broken: Option<CloseReason>,
}

impl<'b, 'c, U, D, const P: usize, L, N, B> Turn<'b, 'c, U, D, P, L, N, B>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
    L: Uart,
    N: Net,
    B: Board<N::Why>,
{
    /// Before the first turn.
    pub fn new(bridge: &'b mut Bridge<'c, U, D, P>, uart: L, net: N, board: B) -> Self {
        Self::traced(bridge, Off, uart, net, board)
    }
}

impl<'b, 'c, U, D, const P: usize, L, N, B, R> Turn<'b, 'c, U, D, P, L, N, B, R>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
    L: Uart,
    N: Net,
    B: Board<N::Why>,
    R: Recorder,
{
    /// As [`new`](Turn::new), and `recorder` takes down every event and action.
    pub fn traced(bridge: &'b mut Bridge<'c, U, D, P>, recorder: R, uart: L, net: N, board: B) -> Self {
        Self {
            bridge: Traced::new(bridge, recorder),
            uart,
            net,
            pace: board.pace(),
            board,
            now: Instant::START,
            core_due: Some(Instant::START),
            feed_at: Instant::START,
            news: true,
            ip: false,
            opening: false,
            dialing: false,
            link: None,
            asleep: Asleep::default(),
            hold: Hold::default(),
            unfinished: false,
            stopping: false,
            line: Line { lost: LineErrors::default(), say_at: Instant::START },
            journal: Journal::default(),
        }
    }

    /// Does all that can be done at `now` without waiting; ready when the bridge has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Ended> {
        match self.rounds(cx, now) {
            Ok(poll) => poll,
            Err(ended) => Poll::Ready(ended),
        }
    }

    /// How many bytes the loop would take from the UART now.
    pub fn room(&mut self) -> usize {
        self.bridge.uart_rx().len()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        self.bridge.stats()
    }

    /// What the loop waits for after a turn.
    pub fn wait(&self) -> Wait {
        let Asleep { uart_rx, sock_rx, tx, uart_tx } = self.asleep;
        let until = if self.unfinished { Some(self.now) } else { self.due() };
        Wait { until, uart_rx, uart_tx, sock_rx, sock_tx: tx || self.dialing }
    }

    fn due(&self) -> Option<Instant> {
        let held = earlier(self.hold.up, self.hold.uart_tx);
        let ends = earlier(self.uart.due(), self.net.due());
        let feed = (self.pace.feed_every.as_micros() > 0).then_some(self.feed_at);
        earlier(earlier(self.core_due, feed), earlier(held, ends))
    }

    fn rounds(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Poll<Ended>, Ended> {
        self.now = now;
        self.asleep = Asleep::default();
        self.unfinished = false;
        self.look_around(cx)?;
        for _ in 0..ROUNDS {
            if self.core_due.is_some_and(|due| due <= now) {
                self.tell(Event::Timeout)?;
            }
            self.move_bytes(cx)?;
            if !core::mem::take(&mut self.news) {
                return Ok(Poll::Pending);
            }
            if self.act()? {
                return Ok(Poll::Ready(Ended::Finished));
            }
        }
        self.unfinished = true;
        Ok(Poll::Pending)
    }

    /// What is looked at once a turn.
    fn look_around(&mut self, cx: &mut Context<'_>) -> Result<(), Misuse> {
        if self.pace.feed_every.as_micros() > 0 && self.feed_at <= self.now {
            self.feed_at = self.now + self.pace.feed_every;
            self.board.feed();
            self.board.counters(&self.bridge.stats());
        }
        if !self.stopping && self.board.stops() {
            self.stopping = true;
            self.tell(Event::Stop)?;
        }
        let ip = self.net.poll_ip(cx, self.now);
        if ip == self.ip {
            return Ok(());
        }
        self.ip = ip;
        self.tell(if ip { Event::IpReady } else { Event::IpLost })
    }

    /// Does what the core asks, until it would sleep; whether the bridge has finished.
    fn act(&mut self) -> Result<bool, Ended> {
        loop {
            match self.bridge.poll(self.now) {
                Action::OpenUart => {
                    self.opening = true;
                    self.news = true;
                }
                Action::Connect(peer) => {
                    self.dialing = true;
                    self.news = true;
                    self.net.dial(self.now, peer);
                }
                Action::Close(close) => self.close(close)?,
                Action::QueryAcks => {
                    if self.net.ask() {
                        self.report_acks()?;
                    }
                }
                Action::UartFlow(flow) => self.uart.flow(flow),
                Action::Recover(step) => {
                    self.board.recover(step);
                    if step == Step::Restart {
                        return Err(Ended::Restart);
                    }
                }
                Action::Sleep(sleep) => {
                    self.core_due = sleep.until.map(|(at, _)| at);
                    self.show();
                    self.board.sleep(&sleep);
                    return Ok(false);
                }
                Action::Finished => {
                    self.show();
                    return Ok(true);
                }
            }
        }
    }

    fn close(&mut self, close: Close) -> Result<(), Misuse> {
        let (Close::Orderly(cause) | Close::Abort(cause)) = close;
        self.journal.because(N::Why::from(cause));
        match (close, &mut self.link) {
            (Close::Orderly(_), Some(link)) => {
                link.shut = true;
                self.news = true;
                self.net.shut();
                // What there is to read may have changed by that.
                self.asleep = Asleep::default();
                Ok(())
            }
            (Close::Orderly(_), None) => Ok(()),
            (Close::Abort(_), Some(_)) => self.end_link(CloseReason::Done),
            (Close::Abort(_), None) => {
                self.dialing = false;
                self.net.abort();
                self.tell(Event::Closed(CloseReason::TimedOut))
            }
        }
    }

    /// Reports what was acknowledged, then that the connection is gone.
    fn end_link(&mut self, why: CloseReason) -> Result<(), Misuse> {
        self.report_acks()?;
        if let Some(link) = self.link.take() {
            if !(link.peer_ended && link.shut_done) {
                self.net.abort();
            }
            self.tell(Event::Closed(link.broken.unwrap_or(why)))?;
        }
        Ok(())
    }

    fn report_acks(&mut self) -> Result<(), Misuse> {
        match self.net.unacked() {
            Some(unacked) => {
                let total = self.bridge.tx_total().saturating_sub(unacked as u64);
                self.tell(Event::TxAcked(total))
            }
            None => Ok(()),
        }
    }

    /// Shows and says what the link's state is, if that is news.
    fn show(&mut self) {
        let state = self.bridge.link_state();
        let Some(change) = self.journal.change(state) else {
            return;
        };
        self.board.state(state);
        let (peer, failures) = (self.net.name(self.bridge.peer()), self.bridge.stats().failures);
        self.board.say(&Said::Link { change: &change, peer, failures });
    }

    /// Line errors come by the byte; the log has them once a second at most.
    fn line_errors(&mut self, errors: LineErrors) -> Result<(), Misuse> {
        let lost = &mut self.line.lost;
        lost.overrun = lost.overrun.saturating_add(errors.overrun);
        lost.framing = lost.framing.saturating_add(errors.framing);
        lost.parity = lost.parity.saturating_add(errors.parity);
        if self.line.say_at <= self.now {
            self.board.say(&Said::LineErrors(core::mem::take(lost)));
            self.line.say_at = self.now + SAY_EVERY;
        }
        self.tell(Event::UartErrors(errors))
    }

    fn tell(&mut self, event: Event) -> Result<(), Misuse> {
        self.bridge.handle(self.now, event)?;
        self.news = true;
        Ok(())
    }
}

/// The earlier of two instants, each of which may be none.
pub fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}
