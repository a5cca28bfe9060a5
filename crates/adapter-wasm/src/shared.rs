//! What the API's calls and the loop have in common. Calls come at any time, also from within an event.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use js_sys::{Function, Object, Uint8Array};
use uartbridge_core::{Instant, Stats};
use uartbridge_turn::host::Direction;
use wasm_bindgen::JsValue;

use crate::js::{self, Port};
use crate::time;
use crate::trace::Recorded;

/// The most bytes that wait to be said to the device beside the peer's.
const ASIDE: usize = 64 << 10;

pub(crate) struct Shared {
    on_event: Function,
    /// To be read as if the device had said it.
    pub(crate) up: RefCell<VecDeque<u8>>,
    /// To be written to the device.
    pub(crate) down: RefCell<VecDeque<u8>>,
    /// How many bytes of those the driver has got and not taken yet.
    pub(crate) under_way: Cell<usize>,
    /// Bytes that `send` took, and that went nowhere.
    pub(crate) dropped: Cell<u64>,
    /// Somebody wants a port that was refused to be tried again, or this one in its place.
    pub(crate) retry: Cell<Option<Option<Port>>>,
    /// How many bytes the loop would take from the UART.
    pub(crate) room: Cell<usize>,
    pub(crate) uart_open: Cell<bool>,
    /// Since when the bridge is to end.
    pub(crate) stopping: Cell<Option<Instant>>,
    pub(crate) stats: Cell<Stats>,
    pub(crate) trace: Recorded,
    /// Bytes from a relay that had no place: see `channel.rs`.
    pub(crate) down_refused: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Shared {
    pub(crate) fn new(on_event: Function) -> Rc<Self> {
        Rc::new(Self {
            on_event,
            up: RefCell::default(),
            down: RefCell::default(),
            under_way: Cell::new(0),
            dropped: Cell::new(0),
            retry: Cell::default(),
            room: Cell::new(0),
            uart_open: Cell::new(false),
            stopping: Cell::default(),
            stats: Cell::default(),
            trace: Recorded::default(),
            down_refused: Cell::new(0),
            waker: RefCell::default(),
        })
    }

    /// The loop of this waker is to be woken when something is wanted of it.
    pub(crate) fn register(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    pub(crate) fn wake(&self) {
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many of these bytes were taken.
    pub(crate) fn send(&self, direction: Direction, bytes: &Uint8Array) -> u32 {
        let (queue, room) = match direction {
            Direction::Up => (&self.up, self.room.get()),
            Direction::Down => (&self.down, if self.uart_open.get() { ASIDE } else { 0 }),
        };
        let mut queue = queue.borrow_mut();
        // JavaScript's arrays hold less than 2^32 bytes here.
        let count = bytes.length().min(room.saturating_sub(queue.len()) as u32);
        queue.extend(bytes.subarray(0, count).to_vec());
        drop(queue);
        if count > 0 {
            self.wake();
        }
        count
    }

    /// Bytes that are still to be said to the device beside the peer's.
    pub(crate) fn down_left(&self) -> usize {
        self.down.borrow().len() + self.under_way.get()
    }

    /// They go nowhere; how many there were.
    pub(crate) fn drop_down(&self) -> usize {
        let left = self.down_left();
        self.down.borrow_mut().clear();
        self.under_way.set(0);
        self.dropped.set(self.dropped.get() + left as u64);
        left
    }

    /// As [`drop_down`](Self::drop_down), for what was to be read as the device's.
    pub(crate) fn drop_up(&self) -> usize {
        let left = self.up.take().len();
        self.dropped.set(self.dropped.get() + left as u64);
        left
    }

    pub(crate) fn traffic(&self, direction: Direction, bytes: &[u8]) {
        let event = event("traffic");
        js::set(
            &event,
            "direction",
            match direction {
                Direction::Up => "up",
                Direction::Down => "down",
            },
        );
        js::set(&event, "bytes", Uint8Array::from(bytes));
        self.emit(&event);
    }

    /// `kind` is `state` or `uart`.
    pub(crate) fn news(&self, kind: &str, name: &str, text: &str) {
        let event = event(kind);
        js::set(&event, "name", name);
        js::set(&event, "text", text);
        self.emit(&event);
    }

    fn emit(&self, event: &Object) {
        if let Err(error) = self.on_event.call1(&JsValue::UNDEFINED, event) {
            js::complain("uartbridge: onEvent threw", &error);
        }
    }
}

fn event(kind: &str) -> Object {
    let event = Object::new();
    js::set(&event, "type", kind);
    js::set(&event, "time", time::date());
    event
}
