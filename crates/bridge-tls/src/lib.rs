//! TLS 1.2 and 1.3, as client and as server, without sockets and without a clock: ciphertext in and out through lent
//! slices, time handed in. `no_std` with `alloc`; the cryptography is the caller's choice.
//!
//! ```text
//! socket ──Event::Rx──▶ input buffer ──▶ read_plain ──▶ down ring
//! socket ◀─Event::Tx── output buffer ◀── write_plain ◀── up ring     Event::Acked gives back acknowledged plaintext
//! ```
//!
//! [`Config`] is made once from [`Settings`] and shared by all connections; it carries the sessions that make a reconnect
//! cheap. [`Client`] is one connection; [`Connection`] has the order of calls. A [`Server`] is the other side of one, made
//! from a [`ServerConfig`].
//!
//! # Promises
//!
//! - The server is verified unless [`Trust::InsecureVerifyNobody`] is spelled out.
//! - No plaintext byte counts as acknowledged before the peer's TCP has all of its record, nor before the server has
//!   shown that it accepted this client ([`State::Proven`]).
//! - Memory is bounded by the two buffers, one handshake, and for a moment the plaintext of one record, which rustls copies
//!   unless [`Settings::in_place`] is set; what the reader leaves waits in the input buffer. Nothing that a peer sends can cause a panic, except in a build
//!   with rustls' debug assertions: one of them forbids an alert after our `close_notify` (rustls issue 959).
//! - A failure says whose fault it is and what to do ([`Failure`]).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod connection;
mod engine;
mod failure;
mod linear;
mod marks;
mod pem;
mod phase;
mod refusal;
mod session;
mod settings;
mod shelf;

pub use connection::{Client, Connection, Event, Misuse, Ports, Server, Standing, State};
#[cfg(feature = "std")]
pub use engine::memory_sessions;
pub use engine::{
    ClientSide, Config, CryptoProvider, Facts, NamedGroup, Roots, ServerConfig, ServerSide, SessionStore,
    Side, Tickets, TimeProvider, UnixTime, Version,
};
pub use failure::{Failure, Fault, Objection};
pub use pem::certificates;
pub use refusal::Refusal;
pub use settings::{Clients, Identity, Pin, ServerSettings, Settings, SetupError, Trust};

/// Input buffer, in bytes, that holds every record a peer may send: 5 of header, 2^14 of plaintext and 256 of expansion
/// (RFC 8446 §5.2). A smaller one works with peers that send smaller records, and fails clearly with others. A
/// handshake message must fit too.
pub const INPUT_FOR_ANY_RECORD: usize = 5 + 16_384 + 256;

/// The smallest buffers, in bytes, that [`Client::new`] and [`Server::new`] take. Useful ones are larger: 4 KiB of output is a good start.
pub const MIN_BUFFER: usize = 512;
