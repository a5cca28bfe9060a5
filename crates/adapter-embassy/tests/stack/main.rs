//! The loop over real network stacks: embassy-net on both ends of a cable that can be cut and that can lose frames.

mod board;
mod cable;
mod rig;
mod tcp;
mod tls;
mod udp;
