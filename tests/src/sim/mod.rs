//! A small world in virtual time: a serial line, TCP and UDP, peers, faults. The same seed gives the same run.

mod bench;
mod board;
mod dice;
mod events;
mod line;
mod net;
mod outside;
mod passed;
mod peer;
mod tcp;

pub use bench::{SimWorld, Subject};
pub use board::{Board, Ledger, Profile};
pub use dice::Dice;
pub use net::Broken;
pub use passed::Passed;
