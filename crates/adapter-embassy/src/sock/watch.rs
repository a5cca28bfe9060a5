//! Waiting on embassy-net at little cost: registering with a socket has the whole network stack run once, so it is done
//! only when the last registration is used up.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embassy_net::Stack;
use embassy_net::tcp::{State, TcpSocket};
use uartbridge_core::{Duration, Instant};

/// What a socket was asked to wake us for. smoltcp forgets a waker when it wakes it, which it does for a receiver when
/// bytes have come, for a sender when some were acknowledged, and for both when the state changes.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waker: Option<Waker>,
    state: Option<State>,
    bytes: bool,
    room: bool,
}

impl Waiting {
    /// There are no bytes to read now.
    pub(super) fn for_bytes(&mut self, cx: &mut Context<'_>, socket: &TcpSocket<'_>) {
        self.renew(cx, socket);
        if !self.bytes {
            self.bytes = pin!(socket.wait_read_ready()).poll(cx).is_pending();
        }
    }

    /// There is no room to write now.
    pub(super) fn for_room(&mut self, cx: &mut Context<'_>, socket: &TcpSocket<'_>) {
        self.renew(cx, socket);
        if !self.room {
            self.room = pin!(socket.wait_write_ready()).poll(cx).is_pending();
        }
    }

    /// The state is to change, from one in which nothing can be written.
    pub(super) fn for_state(cx: &mut Context<'_>, socket: &TcpSocket<'_>) {
        let _ = pin!(socket.wait_write_ready()).poll(cx);
    }

    /// Bytes were there to read: what waited for them is used up.
    pub(super) const fn bytes_came(&mut self) {
        self.bytes = false;
    }

    /// There was room to write: what waited for it is used up.
    pub(super) const fn room_came(&mut self) {
        self.room = false;
    }

    fn renew(&mut self, cx: &Context<'_>, socket: &TcpSocket<'_>) {
        let state = socket.state();
        let known = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !known {
            self.waker = Some(cx.waker().clone());
        }
        if !known || self.state != Some(state) {
            self.state = Some(state);
            (self.bytes, self.room) = (false, false);
        }
    }
}

/// Whether the network has a link and an address.
#[derive(Debug, Default)]
pub(super) struct IpWatch {
    /// When to register next, at the earliest. The stack keeps one waker for everybody, and wakes the one that it
    /// replaces: two bridges that registered whenever they are woken would wake each other for ever.
    next: Option<Instant>,
    registered: bool,
}

/// Registers with the stack at most this often.
const EVERY: Duration = Duration::from_secs(1);

impl IpWatch {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, stack: Stack<'_>) -> bool {
        let up = stack.is_link_up() && stack.is_config_up();
        self.registered = false;
        if self.next.is_none_or(|next| next <= now) {
            self.next = Some(now + EVERY);
            self.registered = true;
            // The stack wakes all who wait for any of its states: which one is asked for does not matter, as
            // long as it is not there.
            let _: Poll<()> = if stack.is_link_up() {
                pin!(stack.wait_link_down()).poll(cx)
            } else {
                pin!(stack.wait_link_up()).poll(cx)
            };
        }
        up
    }

    pub(super) fn due(&self) -> Option<Instant> {
        if self.registered { None } else { self.next }
    }
}
