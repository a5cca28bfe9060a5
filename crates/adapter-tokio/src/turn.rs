//! One turn of the loop: time, bytes, actions, and what to wait for.

mod ports;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::yield_now;
use tokio::time::{Sleep, sleep_until};
use uartbridge_core::{Action, Close, CloseReason, Event, Instant, Step};
use uartbridge_trace::{Recorder, Traced};

use crate::ends::{Dial, Dialing, OpenUart, Sock, UartEnd};
use crate::journal::Journal;
use crate::run::{Observer, PACKETS, RunError};
use crate::storage::Storage;
use crate::time::Clock;

/// Rounds before a task that could go on lets the others have theirs.
const ROUNDS: usize = 2;
/// How often the line is looked after while bytes arrive.
const LINE_EVERY: uartbridge_core::Duration = uartbridge_core::Duration::from_secs(1);

/// The state of the loop between two turns.
pub(crate) struct Turn<'b, O: OpenUart, N: Dial, R> {
    bridge: Traced<'b, 'static, Storage, Storage, PACKETS, R>,
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
    /// Read once a turn; the events in between share it.
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

impl<'b, O: OpenUart, N: Dial, R: Recorder> Turn<'b, O, N, R> {
    pub(crate) fn new(
        bridge: Traced<'b, 'static, Storage, Storage, PACKETS, R>,
        opener: O,
        net: N,
        observer: &'b mut dyn Observer,
    ) -> Self {
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

    /// Ready when the bridge has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        self.asleep = Asleep::default();
        self.now = self.clock.now();
        // Whoever woke the task may have told the bridge something.
        let mut news = true;
        for _ in 0..ROUNDS {
            if self.due.is_some_and(|due| due <= self.now) {
                self.tell(Event::Timeout)?;
                news = true;
            }
            let moved = self.move_bytes(cx)?;
            if moved || news {
                news = false;
                match self.act()? {
                    Acted::Finished => return self.poll_queued(cx).map(Ok),
                    Acted::Something => continue,
                    Acted::Nothing => {}
                }
            }
            if !moved && self.poll_timer(cx).is_pending() {
                return Poll::Pending;
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

    /// Whether the deadline has come; otherwise the task will be woken no later than then.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        loop {
            if due <= self.now {
                return Poll::Ready(());
            }
            let at = self.clock.to_tokio(due);
            if at < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(at);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.now = self.clock.now();
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
                self.journal.because(cause.words());
                match &mut self.link {
                    Some(link) => {
                        link.shut = true;
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            Close::Abort(cause) => {
                self.journal.because(cause.words());
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
        let unacked = self.link.as_mut().and_then(|link| link.sock.unacked());
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

    /// Deliver what is held, then finish.
    pub(crate) fn stop(&mut self) -> Result<(), RunError> {
        self.now = self.clock.now();
        self.tell(Event::Stop)
    }

    pub(crate) fn report(&mut self) {
        self.observer.report(&self.bridge.stats(), &self.net.expiries());
    }

    pub(crate) fn answer(&mut self, ping: u64) {
        self.observer.alive(ping);
    }

    fn say_state(&mut self) {
        let state = self.bridge.link_state();
        let failures = || self.bridge.stats().failures;
        let peer = || self.net.name(self.bridge.peer());
        if let Some(words) = self.journal.link(state, failures, peer) {
            self.observer.state(state, &words);
        }
    }

    pub(crate) fn tell(&mut self, event: Event) -> Result<(), RunError> {
        Ok(self.bridge.handle(self.now, event)?)
    }
}
