//! The clock: embassy-time's, as the core counts time.

use core::future::Future;
use core::pin::Pin;
use core::task::Context;

use embassy_time::Timer;
use uartbridge_core::Instant;

pub(crate) fn now() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}

/// The task of `cx` will be woken at `due`, which is not over. Said again on each turn: the queue keeps one alarm a
/// task, which another timer of the same task may have used up.
pub(crate) fn wake_at(cx: &mut Context<'_>, due: Instant) {
    // A tick later, because both conversions round down.
    let at = embassy_time::Instant::from_micros(due.as_micros()).as_ticks().saturating_add(1);
    let mut timer = Timer::at(embassy_time::Instant::from_ticks(at));
    let _ = Pin::new(&mut timer).poll(cx);
}
