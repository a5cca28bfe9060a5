//! What the fuzzer runs, one module a target: each has a function `run` of bytes that panics where a promise is broken.
//!
//! `cargo +nightly fuzz run TARGET` in the root of the repository looks for such bytes; this package's tests replay those
//! in `fuzz/corpus`, on any compiler.

#![forbid(unsafe_code)]

pub mod tls;
