//! What the fuzzer runs, one module a target: each has a function `run` of bytes that panics where a promise is broken, and
//! says how far the bytes got.
//!
//! `cargo +nightly fuzz run TARGET` in the root of the repository looks for such bytes; this package's tests replay those
//! in `fuzz/corpus`, on any compiler.

#![forbid(unsafe_code)]

#[cfg(feature = "program")]
pub mod config_file;
pub mod core;
#[cfg(feature = "program")]
pub mod endpoint;
pub mod firmware_config;
#[cfg(feature = "program")]
pub mod relay;
mod script;
#[cfg(feature = "tls")]
pub mod tls;
pub mod trace;
