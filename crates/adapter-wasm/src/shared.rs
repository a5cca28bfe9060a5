//! What the API's calls and the loop have in common. Calls come at any time, also from within an event.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use js_sys::{Function, Object, Uint8Array};
use uartbridge_core::Stats;
use uartbridge_turn::host::Direction;
use wasm_bindgen::JsValue;

use crate::trace::Recorded;
use crate::{js, time};

/// The most bytes that wait to be said to the device beside the peer's.
const ASIDE: usize = 64 << 10;

pub(crate) struct Shared {
    on_event: Function,
    /// To be read as if the device had said it.
    pub(crate) up: RefCell<VecDeque<u8>>,
    /// To be written to the device.
    pub(crate) down: RefCell<VecDeque<u8>>,
    /// How many bytes the loop would take from the UART.
    pub(crate) room: Cell<usize>,
    pub(crate) uart_open: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
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
            room: Cell::new(0),
            uart_open: Cell::new(false),
            stopping: Cell::new(false),
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
