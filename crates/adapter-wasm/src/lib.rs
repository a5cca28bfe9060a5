//! uartbridge in a browser: a port of Web Serial's shape on one side, a WebSocket to a relay on the other, and the same state
//! machine between them as everywhere ([`uartbridge_core`]).
//!
//! The API is JavaScript's, and typed by `uartbridge.d.ts`: see `types.d.ts` beside this file. It needs no window, so it works in
//! a worker, too. On any other target only what needs no browser is compiled: settings by name, and what the relay says.

#![forbid(unsafe_code)]

pub mod config;
pub mod relay;

#[cfg(target_arch = "wasm32")]
mod api;
#[cfg(target_arch = "wasm32")]
mod channel;
#[cfg(target_arch = "wasm32")]
mod chunks;
#[cfg(target_arch = "wasm32")]
mod js;
#[cfg(target_arch = "wasm32")]
mod peers;
#[cfg(target_arch = "wasm32")]
mod port;
#[cfg(target_arch = "wasm32")]
mod run;
#[cfg(target_arch = "wasm32")]
mod shared;
#[cfg(target_arch = "wasm32")]
mod sock;
#[cfg(target_arch = "wasm32")]
mod time;
#[cfg(target_arch = "wasm32")]
mod tls;
#[cfg(target_arch = "wasm32")]
mod trace;
#[cfg(target_arch = "wasm32")]
mod uart;
#[cfg(target_arch = "wasm32")]
mod way;
#[cfg(target_arch = "wasm32")]
mod why;
