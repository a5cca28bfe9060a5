//! uartbridge on a microcontroller: a UART on one side, embassy-net on the other, and the same state machine between them
//! as on Linux ([`uartbridge_core`]). No allocation, one task a bridge.
//!
//! [`run::run`] drives one bridge under an executor, [`blocking::run`] without one. [`uart::Halves`] makes a UART of a driver's receiver and transmitter,
//! [`sock::Tcp`] is the way to the peers; anything else that implements the traits of [`ends`] will do.
//!
//! ```text
//! driver's ring ──copy──▶ up ring ──copy──▶ embassy-net's buffer ──▶ segment
//! driver's ring ◀──copy── down ring ◀──copy── embassy-net's buffer ◀── segment
//! ```
//!
//! What a byte costs is decided by how often something wakes up for it. The loop registers with a port only while it has
//! nothing to move on it, never touches embassy-net just to look, and moves all that is there at once. See [`options::Options::gather`]
//! for UARTs that interrupt for each byte.

#![no_std]
#![forbid(unsafe_code)]

pub mod blocking;
pub mod log;
pub mod options;
pub mod run;
pub mod sock;
mod time;
pub mod uart;

pub use uartbridge_turn::{ends, trace};
