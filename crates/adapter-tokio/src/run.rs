//! The loop: one task, one bridge, no locks, no policy.
//!
//! Each turn does what the core asks, then moves bytes on every port that is ready, straight into and out of the
//! rings, and ends when nothing more can be done without waiting. All directions are waited for at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio::sync::watch;
use tokio::task::unconstrained;
use uartbridge_core::{Bridge, Event, LinkState, Misuse, Stats, Step};
use uartbridge_trace::{Off, Recorder, Traced};

use crate::ends::{Dial, Expiry, OpenUart};
use crate::storage::Storage;
use crate::turn::Turn;

/// How many packets the up ring tells apart.
pub const PACKETS: usize = 256;
/// A bridge whose rings take memory as they fill.
pub type PagedBridge = Bridge<'static, Storage, Storage, PACKETS>;

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
    /// [`Orders::report`] was asked; with the ends of the certificates in use.
    fn report(&mut self, stats: &Stats, expiries: &[Expiry]) {
        let _ = (stats, expiries);
    }
    /// [`Orders::ping`] was asked, and the loop has come round since.
    fn alive(&mut self, ping: u64) {
        let _ = ping;
    }
}

/// Why a bridge has ended, other than by [`uartbridge_core::Action::Finished`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The UART cannot be opened, and trying again would not help.
    #[error("{0}")]
    Uart(String),
    /// There is no way to the network, and trying again would not help.
    #[error("{0}")]
    Net(String),
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
    orders: watch::Receiver<Orders>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    run_traced(bridge, Off, uart, net, orders, observer).await
}

/// As [`run`], and `recorder` takes down every event and action: a [`Tape`](uartbridge_trace::Tape) makes a trace of them.
///
/// # Errors
/// See [`RunError`].
pub async fn run_traced<O: OpenUart, N: Dial>(
    bridge: &mut PagedBridge,
    recorder: impl Recorder,
    uart: O,
    net: N,
    mut orders: watch::Receiver<Orders>,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    let mut told = *orders.borrow_and_update();
    let mut turn = Turn::new(Traced::new(bridge, recorder), uart, net, observer);
    // The kernel owns the network's addresses; an attempt without one fails and is repeated.
    turn.tell(Event::IpReady)?;
    if told.stop {
        turn.stop()?;
    }
    // Apart, so that it can be looked at while a change is waited for.
    let mut news = orders.clone();
    loop {
        // A future that the scheduler's budget puts off would not be told of a change, and not be asked again.
        let mut changed = pin!(unconstrained(orders.changed()));
        let mut told_by: Option<Waker> = None;
        let next = poll_fn(|cx| {
            // Asked when there is news or nobody to tell it to: at every turn it would cost as much as a read's bookkeeping.
            let waits = told_by.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if !waits || news.has_changed().unwrap_or(true) {
                if let Poll::Ready(changed) = changed.as_mut().poll(cx) {
                    return Poll::Ready(Next::Orders(changed.is_ok()));
                }
                told_by = Some(cx.waker().clone());
            }
            turn.poll(cx).map(Next::Ended)
        });
        let there = match next.await {
            Next::Orders(there) => there,
            Next::Ended(ended) => return ended,
        };
        let new = *news.borrow_and_update();
        if !there || new.stop && !told.stop {
            turn.stop()?;
        }
        if new.report != told.report {
            turn.report();
        }
        if new.ping != told.ping {
            turn.answer(new.ping);
        }
        told = new;
        if !there {
            // Whoever gave orders has gone: finish, without asking again.
            return poll_fn(|cx| turn.poll(cx)).await;
        }
    }
}

/// What a bridge's task goes on with.
enum Next {
    /// New orders; false if there will be none any more.
    Orders(bool),
    Ended(Result<(), RunError>),
}

impl From<RunError> for io::Error {
    fn from(error: RunError) -> Self {
        Self::other(error)
    }
}
