//! A world around one real bridge: a device, a network and a peer that do what they are told, and a model that knows from outside
//! what must be true of the bridge. It checks the README's promises after every step.
//!
//! The property tests of the core and the fuzzer drive it; whatever they try, every event is held against the contract (the
//! right ones are taken, the others refused, with no effect), every byte against where it came from, and every counter against
//! the model's own.

#![forbid(unsafe_code)]

mod act;
mod check;
mod op;
mod stream;
mod world;

pub use op::Op;
pub use world::{Depth, World};

/// Byte `place` of what the device says. The period is no power of two, so that a whole ring too many is noticed.
pub fn said(place: u64) -> u8 {
    (place % 251) as u8
}

/// Byte `place` of what the peer says.
pub fn told(place: u64) -> u8 {
    (place % 241) as u8
}
