//! A connection to a server through a relay: a WebSocket, what has come and was not read yet, and what is known of the relay's
//! TCP connection. What only a relay that acknowledges can do is done as without it.
//!
//! In `uartbridge.v1` the relay sends no more than it was given credit for. A bare relay cannot be told to wait: what it sends
//! has a bounded place, and a connection that overflows it is closed, with the bytes that had no place counted.

mod state;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use js_sys::Uint8Array;
use uartbridge_core::{Acks, CloseReason};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::js;
use crate::relay;
use crate::why::Why;
use state::State;

/// How many bytes a relay may be ahead of what the bridge has read.
const WINDOW: u64 = 256 << 10;
/// The most bytes a message carries.
const MESSAGE: usize = 64 << 10;
/// The most bytes that wait in the browser for a bare relay to take them.
const OUTBOX: u32 = 256 << 10;

/// The way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// With acknowledgements, credit and half-close.
    V1,
    /// Bytes alone.
    Bare,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => relay::V1,
            Self::Bare => relay::BARE,
        }
    }
}

pub(crate) struct Channel {
    socket: WebSocket,
    protocol: Protocol,
    state: Rc<RefCell<State>>,
    written: u64,
    read: u64,
    /// What the relay was given.
    granted: u64,
    shut: bool,
    _handlers: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Channel {
    /// Starts to connect.
    ///
    /// # Errors
    /// What is wrong with the URL, or forbidden about it.
    pub(crate) fn open(url: &str, protocol: Protocol) -> Result<Self, Why> {
        let socket = WebSocket::new_with_str(url, protocol.name()).map_err(|error| {
            Why::new(CloseReason::Failed, format!("the relay's URL: {}", js::words(&error)))
        })?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let state = Rc::new(RefCell::new(State::new(relay::FIRST_CREDIT_UP)));
        let on_open = handler(&state, move |state, _| state.open |= protocol == Protocol::Bare);
        let on_message = handler(&state, move |state, event| {
            if let Err(text) = state.take(protocol, &event.unchecked_into::<MessageEvent>().data()) {
                state.over.get_or_insert(Why::new(CloseReason::Failed, text));
            }
        });
        let on_close = handler(&state, move |state, event| {
            state.closed(protocol, &event.unchecked_into::<CloseEvent>());
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        let _handlers = [on_open, on_message, on_close];
        let granted = relay::FIRST_CREDIT_DOWN;
        Ok(Self { socket, protocol, state, written: 0, read: 0, granted, shut: false, _handlers })
    }

    /// Fails only once the socket is closing, which is told otherwise.
    fn say(&self, text: &str) {
        if self.socket.ready_state() == WebSocket::OPEN {
            let _ = self.socket.send_with_str(text);
        }
    }

    /// Whether the connection to the server is up.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Acks, Why>> {
        let mut state = self.state.borrow_mut();
        if let Some(why) = &state.over {
            return Poll::Ready(Err(why.clone()));
        }
        if !state.open {
            return state.pending(cx);
        }
        Poll::Ready(Ok(match self.protocol {
            Protocol::V1 => Acks::Peer,
            Protocol::Bare => Acks::OnWrite,
        }))
    }

    /// How many bytes were read into `buf`, which is not empty; none: the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Why>> {
        let mut state = self.state.borrow_mut();
        let count = state.read(buf);
        if count == 0 {
            return match (&state.over, state.ended) {
                (_, true) => Poll::Ready(Ok(0)),
                (Some(why), false) => Poll::Ready(Err(why.clone())),
                (None, false) => state.pending(cx),
            };
        }
        drop(state);
        self.read += count as u64;
        if self.protocol == Protocol::V1 && self.granted - self.read <= WINDOW / 2 {
            self.granted = self.read + WINDOW;
            self.say(&relay::credit(self.granted));
        }
        Poll::Ready(Ok(count))
    }

    /// How many of `bytes`, which is not empty, were taken.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Why>> {
        let mut state = self.state.borrow_mut();
        if let Some(why) = &state.over {
            return Poll::Ready(Err(why.clone()));
        }
        if self.shut || self.socket.ready_state() != WebSocket::OPEN {
            return Poll::Ready(Err(Why::new(CloseReason::Reset, "the relay has closed the connection")));
        }
        let room = match self.protocol {
            Protocol::V1 => usize::try_from(state.credit.saturating_sub(self.written)).unwrap_or(usize::MAX),
            Protocol::Bare => OUTBOX.saturating_sub(self.socket.buffered_amount()) as usize,
        };
        let count = bytes.len().min(room).min(MESSAGE);
        if count == 0 {
            return state.pending(cx);
        }
        drop(state);
        // A view of wasm's memory will not do: sending copies it later in some browsers.
        match self.socket.send_with_js_u8_array(&Uint8Array::from(&bytes[..count])) {
            Ok(()) => {
                self.written += count as u64;
                Poll::Ready(Ok(count))
            }
            Err(error) => Poll::Ready(Err(Why::new(CloseReason::Failed, js::words(&error)))),
        }
    }

    /// Whether room to write comes without an event that tells so.
    pub(crate) fn room_is_silent(&self) -> bool {
        self.protocol == Protocol::Bare && self.socket.buffered_amount() >= OUTBOX
    }

    /// Bytes that the server's TCP does not hold, if somebody says so.
    pub(crate) fn unacked(&self) -> Option<usize> {
        match self.protocol {
            Protocol::V1 => usize::try_from(self.written.saturating_sub(self.state.borrow().acked)).ok(),
            Protocol::Bare => None,
        }
    }

    /// Asks for that. Whether what is known must do: nobody answers.
    pub(crate) fn ask(&mut self) -> bool {
        if self.protocol == Protocol::Bare || self.state.borrow().over.is_some() {
            return true;
        }
        self.say(relay::ASK);
        false
    }

    /// Whether an answer has come since this was last called.
    pub(crate) fn take_answer(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.state.borrow_mut();
        state.waker = Some(cx.waker().clone());
        let answered = state.answers > 0;
        state.answers = state.answers.saturating_sub(1);
        answered
    }

    /// A FIN after what was written. A bare relay knows no half of a close: it gets the whole one.
    pub(crate) fn shut(&mut self) {
        if std::mem::replace(&mut self.shut, true) {
            return;
        }
        match self.protocol {
            Protocol::V1 => self.say(relay::END),
            // Fails for codes that are not allowed only.
            Protocol::Bare => _ = self.socket.close_with_code(1000),
        }
    }

    /// Ready when the connection is over, in order or not: then it is known what the server's TCP holds.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.over.is_some() { Poll::Ready(()) } else { state.pending(cx) }
    }

    /// Bytes that had no place, since this was last asked.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.state.borrow_mut().refused)
    }
}

/// Without an end said before it, the relay takes this as an abort.
impl Drop for Channel {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

/// Changes the state, then wakes whoever waits for that.
fn handler(
    state: &Rc<RefCell<State>>,
    mut change: impl FnMut(&mut State, JsValue) + 'static,
) -> Closure<dyn FnMut(JsValue)> {
    let state = Rc::clone(state);
    Closure::new(move |event| {
        let waker = {
            let mut state = state.borrow_mut();
            change(&mut state, event);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    })
}
