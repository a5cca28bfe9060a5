//! The clock and the timer, which comes in time in a hidden tab, too: see `clock.js`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use uartbridge_core::Instant;
use wasm_bindgen::prelude::*;

use crate::js;

/// Milliseconds since 1970.
pub(crate) fn date() -> f64 {
    js_sys::Date::now()
}

/// The time since the page, or the worker, was started; never runs backwards.
pub(crate) fn now() -> Instant {
    // Non-negative, and 2^53 µs are 285 years.
    Instant::from_micros((js::performance_now() * 1_000.0) as u64)
}

/// The one timer of a loop.
pub(crate) struct Timer {
    waker: Rc<RefCell<Option<Waker>>>,
    wake: Closure<dyn FnMut()>,
    /// When it comes, and its number, until it has come: which may be a little before its time.
    set: Rc<Cell<Option<(Instant, u32)>>>,
}

impl Timer {
    pub(crate) fn new() -> Self {
        let waker = Rc::new(RefCell::new(None::<Waker>));
        let set = Rc::new(Cell::new(None));
        let wake = {
            let (waker, set) = (Rc::clone(&waker), Rc::clone(&set));
            Closure::new(move || {
                set.set(None);
                let waker = waker.borrow_mut().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            })
        };
        Self { waker, wake, set }
    }

    /// The task of `cx` will be woken at `due`.
    pub(crate) fn wake_at(&mut self, cx: &Context<'_>, now: Instant, due: Instant) {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        // A timer that is early wakes the loop once, which looks again.
        if self.set.get().is_some_and(|(at, _)| at <= due && at > now) {
            return;
        }
        self.cancel();
        // At most 2^31 - 1 ms, or it would come at once.
        let millis = due.since(now).as_micros().div_ceil(1_000).min(0x7fff_ffff);
        let id = js::set_timer(self.wake.as_ref().unchecked_ref(), millis as f64);
        self.set.set(Some((due, id)));
    }

    fn cancel(&mut self) {
        if let Some((_, id)) = self.set.take() {
            js::clear_timer(id);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}
