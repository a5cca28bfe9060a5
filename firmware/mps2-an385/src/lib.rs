//! The board: clock, UART, Ethernet, watchdog and executor of Arm's MPS2 with the AN385 image, as embassy knows them.

#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs, clippy::undocumented_unsafe_blocks)]

#[cfg(feature = "tls")]
extern crate alloc;

use defmt_semihosting as _;

mod board;
mod clock;
mod counters;
#[cfg(feature = "tls")]
mod entropy;
mod executor;
mod fault;
mod flash;
#[cfg(feature = "tls")]
mod heap;
pub mod image;
mod lan9118;
pub mod map;
mod meter;
mod reg;
mod ring;
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "trace")]
pub mod trace;
mod uart;
mod watchdog;

pub use board::{Board, run, spawn};
pub use fault::{Start, restart};
pub use lan9118::Lan9118;
pub use reg::Reg;
pub use uart::{BadBaud, Overruns, UartRx, UartTx};
pub use watchdog::{FEED, LIMIT, Watchdog};
