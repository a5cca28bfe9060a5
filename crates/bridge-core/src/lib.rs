//! The UART ↔ network bridge that loses nothing, as a pure state machine: no I/O, no clock, no allocation.
//!
//! An adapter owns the UART and the sockets. It tells the [`Bridge`] what happened ([`Event`]), does what it asks
//! ([`Action`]), and moves bytes through the slices it lends ([`Ports`]). Everything that is policy (reconnecting,
//! packing, supervision, flow control, sleep) is decided here, so that it is the same on every platform.
//!
//! ```text
//! UART ──UartRx──▶ up ring ──TxDone──▶ socket      kept until TxAcked: sent again after a reconnect
//! UART ◀─UartTxDone── down ring ◀──SockRx── socket      a full ring stops the sender
//! ```
//!
//! # Promises
//!
//! - Every byte read from the UART reaches the peer's transport in order, at least once, and exactly once unless the
//!   connection broke before its acknowledgement came. What a policy drops is counted.
//! - Every byte read from the socket reaches the UART in order, exactly once, also when the peer has closed.
//! - Memory is bounded by the two rings; a full ring stops its sender, not the other direction.
//! - There is always something to do, or a deadline, or an event that must come.
//! - The same events at the same times give the same actions.
//!
//! # Example
//!
//! ```
//! use uartbridge_core::{Acks, Action, Bridge, Config, Event, Instant};
//!
//! let mut bridge: Bridge<_, _> = Bridge::new(&Config::DEFAULT, 1, [0; 64], [0; 64])?;
//! let now = Instant::START;
//! bridge.handle(now, Event::IpReady)?;
//! assert_eq!(bridge.poll(now), Action::OpenUart);
//! bridge.handle(now, Event::UartOpened)?;
//! bridge.handle(now, Event::Timeout)?;
//! assert!(matches!(bridge.poll(now), Action::Connect(_)));
//! bridge.handle(now, Event::Connected(Acks::Peer))?;
//!
//! bridge.ports().uart_rx[..5].copy_from_slice(b"hello");
//! bridge.handle(now, Event::UartRx(5))?;
//! assert_eq!(bridge.ports().tx[0], b"hello");
//! bridge.handle(now, Event::TxDone(5))?;
//! bridge.handle(now, Event::TxAcked(5))?;
//! assert_eq!(bridge.stats().tx_acked, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

mod backoff;
mod bridge;
mod config;
mod count;
mod event;
mod flow;
mod heartbeat;
mod link;
mod machine;
mod pack;
mod power;
mod preamble;
mod ring;
mod stats;
mod supervise;
mod time;
mod uart;
mod words;

pub use bridge::Bridge;
pub use config::{
    Backoff, Config, ConfigError, Delimiter, Heartbeat, Ladder, Overflow, Packing, Power, Supervise,
};
pub use event::{
    Acks, Action, Close, CloseCause, CloseReason, Depth, Event, Flow, LineErrors, LinkState, Misuse,
    PeerIndex, Ports, Sleep, Step, Timer,
};
pub use stats::Stats;
pub use time::{Duration, Instant};
pub use words::{Change, Journal, Line, Weight};
