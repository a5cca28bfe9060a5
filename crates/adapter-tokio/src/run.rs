//! The loop: one task, one bridge, no locks, no policy.
//!
//! Each turn does what the core asks, then moves bytes on every port that is ready, straight into and out of the
//! rings, and ends when nothing more can be done without waiting. All directions are waited for at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep_until};
use uartbridge_core::{Action, Bridge, Close, CloseReason, Event, Instant, LinkState, Misuse, Stats, Step};

use crate::ends::{Dial, Dialing, OpenUart, Sock, SockRead, UartEnd, UartRead};
use crate::journal::{Journal, words};
use crate::sock::{plain, reason};
use crate::storage::Storage;
use crate::time::Clock;

/// How many packets the up ring tells apart.
pub const PACKETS: usize = 256;
/// A bridge whose rings take memory as they fill.
pub type PagedBridge = Bridge<'static, Storage, Storage, PACKETS>;
/// Reads from the UART before what they brought is written.
const READS: usize = 2;
/// Rounds before a task that could go on lets the others have theirs.
const ROUNDS: usize = 2;
/// How often the line is looked after while bytes arrive.
const LINE_EVERY: uartbridge_core::Duration = uartbridge_core::Duration::from_secs(1);

/// What the owner of many bridges tells all of them. Each number is a count: a change is the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Deliver what is held, for a bounded time, then finish.
    pub stop: bool,
    /// Report counters.
    pub report: u64,
    /// Show that the loop is alive.
    pub ping: u64,
}

/// Watches a bridge at work. Every method may do nothing.
pub trait Observer: Send {
    /// Bytes came from the UART.
    fn uplink(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
    /// Bytes came from the socket.
    fn downlink(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
    /// The link's state has changed, in words.
    fn state(&mut self, state: LinkState, words: &str) {
        let _ = (state, words);
    }
    /// Bytes have come from the UART; called once a second at most.
    fn progress(&mut self, stats: &Stats) {
        let _ = stats;
    }
    /// The network is stuck: take this step (see [`uartbridge_core::Ladder`]).
    fn recover(&mut self, step: Step) {
        let _ = step;
    }
    /// [`Orders::report`] was asked.
    fn report(&mut self, stats: &Stats) {
        let _ = stats;
    }
    /// [`Orders::ping`] was asked, and the loop has come round since.
    fn alive(&mut self, ping: u64) {
        let _ = ping;
    }
}

/// Why a bridge has ended, other than by [`Action::Finished`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The UART cannot be opened, and trying again would not help.
    #[error("{0}")]
    Uart(String),
    /// The ladder has come to its last rung.
    #[error("the network is stuck: restart")]
    Restart,
    /// A bug of this adapter.
    #[error("the adapter broke the core's contract: {0}; please report this")]
    Misuse(#[from] Misuse),
}

/// Runs `bridge` between `uart` and `net` until it has finished.
///
/// # Errors
/// See [`RunError`]. What the bridge still held is in its counters.
pub async fn run<O: OpenUart, N: Dial>(
    bridge: &mut PagedBridge,
    uart: O,
    net: N,
    mut orders: watch::Receiver<Orders>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let mut told = *orders.borrow_and_update();
    let mut turn = Turn::new(bridge, uart, net, observer);
    // The kernel owns the network's addresses; an attempt without one fails and is repeated.
    turn.tell(Event::IpReady)?;
    if told.stop {
        turn.tell(Event::Stop)?;
    }
    loop {
        tokio::select! {
            biased;
            changed = orders.changed() => {
                let new = *orders.borrow_and_update();
                if changed.is_err() || new.stop && !told.stop {
                    turn.now = turn.clock.now();
                    turn.tell(Event::Stop)?;
                }
                if new.report != told.report {
                    turn.observer.report(&turn.bridge.stats());
                }
                if new.ping != told.ping {
                    turn.observer.alive(new.ping);
                }
                told = new;
                if changed.is_err() {
                    // Whoever gave orders has gone: finish, without asking again.
                    return poll_fn(|cx| turn.poll(cx)).await;
                }
            }
            ended = poll_fn(|cx| turn.poll(cx)) => return ended,
        }
    }
}

/// The state of the loop between two turns.
struct Turn<'b, O: OpenUart, N: Dial> {
    bridge: &'b mut PagedBridge,
    clock: Clock,
    opener: O,
    uart: Option<O::End>,
    net: N,
    dialing: Option<Dialing<N::Sock>>,
    link: Option<Live<N::Sock>>,
    /// The core's deadline, and the timer. The timer may be early: re-arming it for every byte would cost more than
    /// waking once too often.
    due: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// Read once a round; the events in between share it.
    now: Instant,
    asleep: Asleep,
    /// How long a finished bridge waits for the UART's driver.
    flush_until: Option<Instant>,
    line_at: Instant,
    journal: Journal,
    observer: &'b mut dyn Observer,
}

/// Ports that are not ready: whoever makes them so will wake the task, and until then they need not be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Asleep {
    uart_rx: bool,
    sock_rx: bool,
    tx: bool,
    uart_tx: bool,
    others: bool,
}

/// What [`Turn::act`] found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acted {
    Nothing,
    Something,
    Finished,
}

/// A socket and what is known to have ended on it.
struct Live<S> {
    sock: S,
    peer_ended: bool,
    /// The core wants an orderly close.
    shut: bool,
    shut_done: bool,
    /// Writing fails, for this reason.
    broken: Option<CloseReason>,
}

impl<'b, O: OpenUart, N: Dial> Turn<'b, O, N> {
    fn new(bridge: &'b mut PagedBridge, opener: O, net: N, observer: &'b mut dyn Observer) -> Self {
        let clock = Clock::start();
        Self {
            bridge,
            timer: Box::pin(sleep_until(clock.to_tokio(Instant::START))),
            clock,
            opener,
            uart: None,
            net,
            dialing: None,
            link: None,
            due: None,
            now: Instant::START,
            asleep: Asleep::default(),
            flush_until: None,
            line_at: Instant::START,
            journal: Journal::default(),
            observer,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        self.asleep = Asleep::default();
        for _ in 0..ROUNDS {
            self.now = self.clock.now();
            if self.due.is_some_and(|due| due <= self.now) {
                self.tell(Event::Timeout)?;
            }
            let more = self.move_bytes(cx)?;
            match self.act()? {
                Acted::Finished => return self.poll_queued(cx).map(Ok),
                Acted::Something => {}
                Acted::Nothing if more => {}
                Acted::Nothing => {
                    if self.poll_timer(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
        // Bytes keep coming on one port: the kernel is asked about the others, and about other bridges, before more.
        pin!(yield_now()).poll(cx).map(Ok)
    }

    /// Does what the core asks, until it would sleep.
    fn act(&mut self) -> Result<Acted, RunError> {
        let mut acted = Acted::Nothing;
        loop {
            match self.bridge.poll(self.now) {
                Action::OpenUart => self.open_uart()?,
                Action::Connect(peer) => self.dialing = Some(self.net.dial(peer)),
                Action::Close(close) => self.close(close)?,
                Action::QueryAcks => self.report_acks()?,
                Action::UartFlow(flow) => {
                    if let Some(uart) = &mut self.uart {
                        uart.flow(flow);
                    }
                }
                Action::Recover(step) => {
                    self.observer.recover(step);
                    if step == Step::Restart {
                        return Err(RunError::Restart);
                    }
                }
                Action::Sleep(sleep) => {
                    self.due = sleep.until.map(|(at, _)| at);
                    self.say_state();
                    return Ok(acted);
                }
                Action::Finished => {
                    self.say_state();
                    return Ok(Acted::Finished);
                }
            }
            self.asleep.others = false;
            acted = Acted::Something;
        }
    }

    /// Gives every port that may be ready one turn; false if none was. What comes from the UART is collected, up to a
    /// point, before it is written: a burst costs one write, and neither direction waits for the other.
    fn move_bytes(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let mut moved = false;
        for _ in 0..READS {
            if !self.read_uart(cx)? {
                break;
            }
            moved = true;
        }
        if moved {
            self.look_after_line()?;
        }
        moved |= self.write_sock(cx)?;
        moved |= self.read_sock(cx)?;
        moved |= self.write_uart(cx)?;
        if !self.asleep.others {
            self.asleep.others = true;
            moved |= self.poll_dialing(cx)? || self.poll_ending(cx)?;
        }
        Ok(moved)
    }

    fn read_uart(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(uart) = self.uart.as_mut().filter(|_| !self.asleep.uart_rx && self.bridge.ready().uart_rx)
        else {
            return Ok(false);
        };
        let room = self.bridge.ports().uart_rx;
        let Poll::Ready(read) = uart.poll_read(cx, room) else {
            self.asleep.uart_rx = true;
            return Ok(false);
        };
        match read {
            UartRead::Bytes(n) => {
                self.observer.uplink(&room[..n]);
                self.tell(Event::UartRx(n))?;
            }
            UartRead::Gone(error) => self.uart_gone(&error)?,
            UartRead::Ended => self.tell(Event::UartEnded)?,
        }
        Ok(true)
    }

    fn write_sock(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(link) = self.link.as_mut().filter(|_| !self.asleep.tx && self.bridge.ready().tx) else {
            return Ok(false);
        };
        match link.sock.poll_write(cx, self.bridge.ports().tx) {
            Poll::Pending => {
                self.asleep.tx = true;
                return Ok(false);
            }
            Poll::Ready(Ok(n)) => self.tell(Event::TxDone(n))?,
            Poll::Ready(Err(error)) => {
                link.broken = Some(reason(&error));
                self.journal.because(plain(&error));
                self.tell(Event::TxFailed)?;
            }
        }
        Ok(true)
    }

    fn read_sock(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let ready = !self.asleep.sock_rx && self.bridge.ready().sock_rx;
        let Some(link) = self.link.as_mut().filter(|link| ready && !link.peer_ended) else {
            return Ok(false);
        };
        let room = self.bridge.ports().sock_rx;
        let Poll::Ready(read) = link.sock.poll_read(cx, room) else {
            self.asleep.sock_rx = true;
            return Ok(false);
        };
        match read {
            Ok(SockRead::Bytes(n, cut)) => {
                self.observer.downlink(&room[..n]);
                self.tell(Event::SockRx(n))?;
                if cut > 0 {
                    tracing::warn!("a datagram was {cut} bytes too long for the down buffer and lost them");
                    self.tell(Event::SockRxCut(cut))?;
                }
            }
            Ok(SockRead::Ended) => {
                link.peer_ended = true;
                self.asleep.others = false;
                self.journal.because("the peer has closed the connection");
                self.tell(Event::PeerClosed)?;
            }
            Err(error) => {
                self.journal.because(plain(&error));
                self.end_link(reason(&error))?;
            }
        }
        Ok(true)
    }

    fn write_uart(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(uart) = self.uart.as_mut().filter(|_| !self.asleep.uart_tx && self.bridge.ready().uart_tx)
        else {
            return Ok(false);
        };
        match uart.poll_write(cx, self.bridge.ports().uart_tx) {
            Poll::Pending => {
                self.asleep.uart_tx = true;
                return Ok(false);
            }
            Poll::Ready(Ok(n)) => self.tell(Event::UartTxDone(n))?,
            Poll::Ready(Err(error)) => self.uart_gone(&error)?,
        }
        Ok(true)
    }

    fn uart_gone(&mut self, error: &io::Error) -> Result<(), RunError> {
        self.uart = None;
        self.journal.uart_absent(format!("UART is gone: {}", plain(error)));
        self.tell(Event::UartClosed)
    }

    fn poll_dialing(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(dialing) = &mut self.dialing else {
            return Ok(false);
        };
        let Poll::Ready(connected) = dialing.as_mut().poll(cx) else {
            return Ok(false);
        };
        self.dialing = None;
        (self.asleep.sock_rx, self.asleep.tx, self.asleep.others) = (false, false, false);
        match connected {
            Ok(sock) => {
                let acks = sock.acks();
                self.link =
                    Some(Live { sock, peer_ended: false, shut: false, shut_done: false, broken: None });
                self.tell(Event::Connected(acks))?;
            }
            Err(error) => {
                self.journal.because(format!("{}: {}", self.net.name(self.bridge.peer()), error.text));
                self.tell(Event::Closed(error.reason))?;
            }
        }
        Ok(true)
    }

    /// Notices the end of an orderly close, and a newcomer who takes over.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Some(link) = &mut self.link else {
            return Ok(false);
        };
        if link.shut && !link.shut_done {
            match link.sock.poll_shutdown(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => link.shut_done = true,
                Poll::Ready(Err(error)) => return self.end_link(reason(&error)).map(|()| true),
            }
        }
        if link.shut_done && link.peer_ended {
            return self.end_link(CloseReason::Done).map(|()| true);
        }
        // A client that has left makes room by itself.
        if !link.peer_ended && !link.shut && self.net.poll_takeover(cx).is_ready() {
            self.journal.because("another client has taken over");
            return self.end_link(CloseReason::Replaced).map(|()| true);
        }
        Ok(false)
    }

    /// Whether the deadline has come; otherwise the task will be woken no later than then.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        loop {
            if due <= self.clock.now() {
                return Poll::Ready(());
            }
            let at = self.clock.to_tokio(due);
            if at < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Everything is delivered to the UART's driver: lets it send what it still has, for a moment.
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        const LONGEST: uartbridge_core::Duration = uartbridge_core::Duration::from_secs(2);
        const STEP: std::time::Duration = std::time::Duration::from_millis(10);
        let until = *self.flush_until.get_or_insert(self.now + LONGEST);
        while self.now < until && self.uart.as_ref().is_some_and(|uart| uart.queued() > 0) {
            // No event tells when a driver's queue is empty.
            self.timer.as_mut().reset(tokio::time::Instant::now() + STEP);
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn open_uart(&mut self) -> Result<(), RunError> {
        match self.opener.open() {
            Ok(uart) => {
                self.uart = Some(uart);
                (self.asleep.uart_rx, self.asleep.uart_tx) = (false, false);
                self.journal.uart_open();
                self.tell(Event::UartOpened)
            }
            Err(failure) if failure.permanent => Err(RunError::Uart(failure.text)),
            Err(failure) => {
                self.journal.uart_absent(failure.text);
                self.tell(Event::UartClosed)
            }
        }
    }

    fn close(&mut self, close: Close) -> Result<(), RunError> {
        match close {
            Close::Orderly(cause) => {
                self.journal.because(words(cause));
                match &mut self.link {
                    Some(link) => {
                        link.shut = true;
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            Close::Abort(cause) => {
                self.journal.because(words(cause));
                if self.link.is_some() {
                    return self.end_link(CloseReason::Done);
                }
                self.dialing = None;
                self.tell(Event::Closed(CloseReason::TimedOut))
            }
        }
    }

    /// Reports what was acknowledged, then that the socket is gone.
    fn end_link(&mut self, why: CloseReason) -> Result<(), RunError> {
        self.report_acks()?;
        if let Some(link) = self.link.take() {
            let over = link.peer_ended && link.shut_done;
            if over {
                drop(link.sock);
            } else {
                link.sock.abort();
            }
            self.tell(Event::Closed(link.broken.unwrap_or(why)))?;
        }
        Ok(())
    }

    fn report_acks(&mut self) -> Result<(), RunError> {
        let unacked = self.link.as_ref().and_then(|link| link.sock.unacked());
        match unacked {
            Some(unacked) => {
                let total = self.bridge.tx_total().saturating_sub(unacked as u64);
                self.tell(Event::TxAcked(total))
            }
            None => Ok(()),
        }
    }

    /// Line errors, and what overflow has dropped, now and then.
    fn look_after_line(&mut self) -> Result<(), RunError> {
        let now = self.now;
        if now < self.line_at {
            return Ok(());
        }
        self.line_at = now + LINE_EVERY;
        self.observer.progress(&self.bridge.stats());
        match self.uart.as_mut().and_then(UartEnd::line_errors) {
            Some(errors) => {
                tracing::warn!(
                    "line errors: {} overrun, {} framing, {} parity",
                    errors.overrun,
                    errors.framing,
                    errors.parity
                );
                self.tell(Event::UartErrors(errors))
            }
            None => Ok(()),
        }
    }

    fn say_state(&mut self) {
        let state = self.bridge.link_state();
        let failures = || self.bridge.stats().failures;
        let peer = || self.net.name(self.bridge.peer());
        if let Some(words) = self.journal.link(state, failures, peer) {
            self.observer.state(state, &words);
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), RunError> {
        Ok(self.bridge.handle(self.now, event)?)
    }
}

impl From<RunError> for io::Error {
    fn from(error: RunError) -> Self {
        Self::other(error)
    }
}
