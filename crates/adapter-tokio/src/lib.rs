//! uartbridge on Linux: serial ports, ptys and pipes on one side, TCP, UDP and Unix sockets on the other, and the
//! same state machine between them as on a microcontroller ([`uartbridge_core`]).
//!
//! [`run::run`] drives one bridge. [`uart::Uart`] and [`sock::Peers`] are the ends that Linux offers; anything else
//! that implements the traits of [`ends`] will do, [`ends::Halves`] makes a UART of any reader and writer.

pub mod coalesce;
mod descriptor;
pub mod endpoint;
pub mod ends;
mod ioctl;
pub mod journal;
mod open_error;
mod pty;
pub mod run;
mod serial;
pub mod small_file;
pub mod sock;
pub mod spec;
mod stdio;
pub mod storage;
mod time;
pub mod tls;
mod turn;
pub mod uart;
