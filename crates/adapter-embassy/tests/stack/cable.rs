//! An Ethernet cable between two embassy-net stacks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

/// Frames that a network card holds.
const QUEUE: usize = 8;

#[derive(Default)]
struct Wire {
    /// Towards each end.
    frames: [VecDeque<Vec<u8>>; 2],
    wakers: [Vec<Waker>; 2],
    unplugged: bool,
    /// Frames are lost on the way, and nobody notices.
    black_hole: bool,
    /// Each frame with a multiple of this number is lost. 0: none.
    lose_each: u32,
    carried: u32,
    watchers: Vec<Waker>,
}

/// The middle of a cable.
#[derive(Clone, Default)]
pub(crate) struct Cable(Rc<RefCell<Wire>>);

/// One end of it.
pub(crate) struct End {
    cable: Cable,
    side: usize,
}

impl Cable {
    pub(crate) fn ends(&self) -> [End; 2] {
        [0, 1].map(|side| End { cable: self.clone(), side })
    }

    /// Pulls the plug, or puts it back.
    pub(crate) fn plug(&self, plugged: bool) {
        self.0.borrow_mut().unplugged = !plugged;
        self.wake([0, 1]);
    }

    pub(crate) fn black_hole(&self, hole: bool) {
        self.0.borrow_mut().black_hole = hole;
    }

    pub(crate) fn lose_each(&self, each: u32) {
        self.0.borrow_mut().lose_each = each;
    }

    /// Waits until `frames` more have been sent, lost or not.
    pub(crate) async fn carry(&self, frames: u32) {
        let until = self.0.borrow().carried + frames;
        poll_fn(|cx| {
            let mut wire = self.0.borrow_mut();
            if wire.carried >= until {
                return Poll::Ready(());
            }
            wire.watchers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn wake<const N: usize>(&self, sides: [usize; N]) {
        for side in sides {
            let wakers = std::mem::take(&mut self.0.borrow_mut().wakers[side]);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl End {
    fn register(&self, cx: &Context<'_>) {
        let wakers = &mut self.cable.0.borrow_mut().wakers[self.side];
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
    }

    fn has_room(&self) -> bool {
        self.cable.0.borrow().frames[1 - self.side].len() < QUEUE
    }
}

impl Driver for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Sending)> {
        self.register(cx);
        if !self.has_room() {
            return None;
        }
        let frame = self.cable.0.borrow_mut().frames[self.side].pop_front()?;
        self.cable.wake([1 - self.side]);
        Some((Received(frame), Sending { cable: self.cable.clone(), to: 1 - self.side }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sending> {
        self.register(cx);
        self.has_room().then(|| Sending { cable: self.cable.clone(), to: 1 - self.side })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.register(cx);
        if self.cable.0.borrow().unplugged { LinkState::Down } else { LinkState::Up }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities.max_burst_size = Some(QUEUE);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, self.side as u8 + 1])
    }
}

pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

pub(crate) struct Sending {
    cable: Cable,
    to: usize,
}

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let mut wire = self.cable.0.borrow_mut();
        wire.carried += 1;
        let lost = wire.lose_each > 0 && wire.carried.is_multiple_of(wire.lose_each);
        if !(wire.unplugged || wire.black_hole || lost) {
            wire.frames[self.to].push_back(frame);
        }
        let watchers = std::mem::take(&mut wire.watchers);
        drop(wire);
        watchers.into_iter().for_each(Waker::wake);
        self.cable.wake([self.to]);
        result
    }
}
