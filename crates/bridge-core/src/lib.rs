#![no_std]
//! core (in the making)
mod config;
mod event;
mod time;
pub use config::*;
pub use event::*;
pub use time::{Duration, Instant};
