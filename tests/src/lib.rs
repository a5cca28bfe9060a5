//! Scenarios as data, and the drivers that run them: the core in virtual time, the real program on a real pty, and the
//! firmware on a board that QEMU plays.
//!
//! A scenario file says what a device, a network and some peers do, and what must follow (`scenarios/README.md`).
//! [`parse()`] reads it, [`run()`] carries it out in a [`World`]. There are three: [`sim::SimWorld`], where the bridge
//! is the core or the [`tutorial::TutorialBridge`] that it replaces, [`program::ProgramWorld`] and
//! [`firmware::FirmwareWorld`].

pub mod align;
pub mod browser;
mod core_bridge;
mod covered;
pub mod firmware;
pub mod follow;
mod library;
mod options;
mod parse;
pub mod program;
pub mod records;
pub mod rig;
mod run;
pub mod scenario;
pub mod sim;
pub mod soak;

pub mod tls;
pub mod trail;
pub mod tutorial;
mod words;
mod world;

pub use core_bridge::{CoreBridge, Paper};
pub use library::{Driver, Library, Verdict};
pub use options::{Settings, settings};
pub use parse::{ParseError, parse};
pub use run::{Failure, own_bytes, run};
pub use world::{Act, Connection, Ending, Observed, Queue, World};
