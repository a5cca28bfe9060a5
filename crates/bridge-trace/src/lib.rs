//! Traces of a bridge: every event it was told and every action it asked for, with their times, so that a failure in the
//! field can be replayed action for action ([`uartbridge_core`] gives the same actions for the same events).
//!
//! An adapter drives a [`Traced`] bridge in the place of a [`Bridge`](uartbridge_core::Bridge). With the recorder [`Off`]
//! that is the same machine code; with a [`Tape`] each call becomes a record of some bytes in a [`Sink`]: a file, or a
//! [`Ring`] of memory that a debugger reads out. [`Trace`] reads what was written, and a [`Player`] replays it.
//!
//! ```
//! use uartbridge_core::{Acks, Action, Bridge, Config, Event, Instant};
//! use uartbridge_trace::{Player, Ring, Setup, Tape, Trace, Traced};
//!
//! let config = Config::DEFAULT;
//! let setup = Setup { config, seed: 7, up: 64, down: 64, packets: 8, content: true, began: None };
//! let mut ring = Ring::new([0; 1024]);
//! let mut bridge: Bridge<_, _> = Bridge::new(&config, 7, [0; 64], [0; 64])?;
//! let mut traced = Traced::new(&mut bridge, Tape::new(&mut ring, &setup));
//! let now = Instant::from_micros(5);
//! traced.handle(now, Event::IpReady)?;
//! assert_eq!(traced.poll(now), Action::OpenUart);
//!
//! let mut trace = [0; 1024];
//! let len = ring.copy_to(&mut trace);
//! let Trace { setup, records, .. } = Trace::open(&trace[..len])?;
//! let mut player = Player::<_, _, 8>::new(&setup.config, setup.seed, [0; 64], [0; 64])?;
//! for record in records {
//!     player.play(&record?)?;
//! }
//! assert_eq!(player.checked(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The format
//!
//! Eight bytes [`MAGIC`], the last of which is the format's version, then records: a length as a LEB128 number, and so many bytes. The first of
//! these is the record's kind, with the highest bit set if a time follows: microseconds since the record before, as a LEB128
//! number. The first records are the bridge's [`Setup`]. A checksum (CRC-32) stands after at most [`CHECK_EVERY`] records.
//!
//! Bytes of the stream are in a trace only if [`Setup::content`] says so; otherwise it has their count, and where the delimiter's
//! bytes are, because packing depends on that. Greetings and heartbeats likewise: they may be secrets.

#![no_std]
#![forbid(unsafe_code)]

mod check;
mod number;
mod player;
mod reader;
mod record;
mod ring;
mod setup;
mod tape;
mod traced;

pub use player::{Did, Difference, Played, Player};
pub use reader::{BadTrace, Records, Trace, Wrong};
pub use record::{Record, What};
pub use ring::{RING_MAGIC, Ring};
pub use setup::Setup;
pub use tape::{CHECK_EVERY, FULL, Sink, Tape};
pub use traced::{Off, Recorder, Traced};

/// How a trace begins. The last byte is the version of the format.
pub const MAGIC: [u8; 8] = *b"UBtrace\x01";
/// The version of the core that records and replays: the crates of a release belong together.
pub const CORE_VERSION: &str = env!("CARGO_PKG_VERSION");
