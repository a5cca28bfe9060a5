//! The loop under an executor: one task, one bridge.

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use uartbridge_core::Bridge;
use uartbridge_turn::Turn;
use uartbridge_turn::trace::{Off, Recorder};

pub use uartbridge_turn::Ended;

use crate::ends::{Net, Uart};
use crate::options::Board;
use crate::time;

/// Runs `bridge` between `uart` and `net` until it has ended. Waits for the timer and for all ports together; to have it
/// end, tell the bridge beforehand ([`uartbridge_core::Event::Stop`]) or drop the future and the bridge.
///
/// `names` looks up names for `net`: [`Names::run`](crate::sock::Names::run), or [`core::future::pending`] if it needs none.
pub fn run<U, D, const P: usize, N: Net>(
    bridge: &mut Bridge<'_, U, D, P>,
    uart: impl Uart,
    net: N,
    names: impl Future<Output = Infallible>,
    board: impl Board<N::Why>,
) -> impl Future<Output = Ended>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    // Not a future around it, which would keep everything twice.
    run_traced(bridge, Off, uart, net, names, board)
}

/// As [`run`], and `recorder` takes down every event and action: a [`Tape`](uartbridge_turn::trace::Tape) makes a trace of them, for
/// instance in a [`Ring`](uartbridge_turn::trace::Ring) of memory that a debugger reads out.
pub async fn run_traced<U, D, const P: usize, N: Net>(
    bridge: &mut Bridge<'_, U, D, P>,
    recorder: impl Recorder,
    uart: impl Uart,
    net: N,
    names: impl Future<Output = Infallible>,
    board: impl Board<N::Why>,
) -> Ended
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    let mut names = pin!(names);
    let mut turn = Turn::traced(bridge, recorder, uart, net, board);
    poll_fn(|cx| {
        let now = time::now();
        if let Poll::Ready(ended) = turn.poll(cx, now) {
            return Poll::Ready(ended);
        }
        // Never ready; when it has an answer it wakes the task.
        let _ = names.as_mut().poll(cx);
        match turn.wait().until {
            Some(due) if due <= now => cx.waker().wake_by_ref(),
            Some(due) => time::wake_at(cx, due),
            None => {}
        }
        Poll::Pending
    })
    .await
}
