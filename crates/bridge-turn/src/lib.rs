//! One turn of the loop, the same under an executor, without one, and in a browser. It never waits and reads no clock: a port
//! that is not ready says so, and whoever calls the turn looks after time and wake-ups.
//!
//! An adapter brings what the traits of [`ends`] and [`host`] ask for, calls [`Turn::poll`] whenever something may have
//! happened, and then waits for what [`Turn::wait`] says.

#![no_std]
#![forbid(unsafe_code)]

mod ended;
pub mod ends;
pub mod host;
#[cfg(feature = "tls")]
mod tls;
mod turn;

pub use ended::Ended;
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use turn::{Turn, Wait, earlier};
/// Traces of what the bridge is told and asks for.
pub use uartbridge_trace as trace;
