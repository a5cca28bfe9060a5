//! The bridges that are checked: settings, sizes, and how much may happen.

use uartbridge_core::{
    Acks, Backoff, Config, Delimiter, Duration, Heartbeat, Ladder, Overflow, Packing, Power, Supervise,
};

use crate::outside::{GREETING, HEARTBEAT};

/// A bridge, and what may happen to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// For people, and for the command line.
    pub name: &'static str,
    /// Settings.
    pub config: Config<'static>,
    /// Whether the peer's transport acknowledges.
    pub acks: Acks,
    /// Whether questions about acknowledgements are answered later, or never, as by a relay.
    pub late: bool,
    /// Rings, in bytes.
    pub up: usize,
    /// As `up`.
    pub down: usize,
    /// How many bytes the device says in all, and in reads of which sizes, or as much of them as there is room for.
    pub said: u8,
    /// As `said`.
    pub reads: &'static [usize],
    /// How many bytes the peers say in all.
    pub heard: u8,
    /// How many things may go wrong: resets, FINs, failing writes, refusals, addresses lost, devices unplugged.
    pub faults: u8,
    /// The bridge may be told to stop.
    pub stops: bool,
    /// The UART may end, as a pipe does.
    pub ends: bool,
    /// The longest run, in events; 0: all runs, however long.
    pub depth: usize,
}

/// A unit of time: the core's shortest pause between questions.
const UNIT: u64 = 1_000;

const fn units(n: u64) -> Duration {
    Duration::from_micros(n * UNIT)
}

/// All spans are a few units, so that each deadline may come before and after each other one.
const CONFIG: Config<'static> = Config {
    connect_timeout: units(2),
    close_timeout: units(2),
    drain_timeout: units(8),
    uart_retry: units(1),
    backoff: Backoff { first: units(1), max: units(1), jitter: false, stable_after: units(3) },
    supervise: Supervise { unacked: units(3), silent: Duration::NEVER, query: units(1) },
    ladder: Ladder { next_peer: 0, reset_radio: 0, restart: 0, no_ip: Duration::NEVER },
    ..Config::DEFAULT
};

const STREAM: Case = Case {
    name: "stream",
    config: CONFIG,
    acks: Acks::Peer,
    late: false,
    up: 2,
    down: 2,
    said: 3,
    reads: &[1, 2],
    heard: 2,
    faults: 2,
    stops: false,
    ends: false,
    depth: 0,
};

const PACKET: Packing = Packing { max_len: 5, gap: units(1), ..Packing::NONE };
const DROPPING: Case =
    Case { up: 16, down: 1, said: 20, reads: &[8], heard: 0, faults: 1, depth: 11, ..STREAM };

/// The cases, as CI runs them; `deep`: with more bytes and more faults, for minutes.
pub fn all(deep: bool) -> Vec<Case> {
    let mark = Delimiter::new(&[2]);
    let mut cases = vec![
        Case { ..STREAM },
        Case { name: "one-byte-rings", up: 1, down: 1, said: 3, reads: &[1], heard: 3, ..STREAM },
        Case {
            name: "greeting",
            config: Config { greeting: GREETING, ..CONFIG },
            said: 2,
            heard: 1,
            ..STREAM
        },
        Case {
            name: "heartbeat",
            config: Config { heartbeat: Heartbeat { bytes: HEARTBEAT, after: units(2) }, ..CONFIG },
            said: 2,
            heard: 1,
            faults: 1,
            depth: 12,
            ..STREAM
        },
        Case {
            name: "on-demand",
            config: Config { power: Power::OnDemand { linger: units(1) }, ..CONFIG },
            heard: 1,
            ..STREAM
        },
        Case {
            name: "packets",
            config: Config {
                packing: Packing { max_len: 3, gap: units(1), delimiter: mark, datagrams: false },
                ..CONFIG
            },
            up: 3,
            said: 4,
            heard: 1,
            faults: 1,
            ..STREAM
        },
        Case {
            name: "datagrams",
            config: Config { packing: Packing { max_len: 2, datagrams: true, ..Packing::NONE }, ..CONFIG },
            acks: Acks::OnWrite,
            up: 4,
            said: 6,
            reads: &[1, 3],
            ..STREAM
        },
        Case { name: "drop-oldest", config: Config { overflow: Overflow::DropOldest, ..CONFIG }, ..DROPPING },
        Case { name: "drop-newest", config: Config { overflow: Overflow::DropNewest, ..CONFIG }, ..DROPPING },
        Case {
            name: "drop-oldest-packets",
            config: Config { overflow: Overflow::DropOldest, packing: PACKET, ..CONFIG },
            ..DROPPING
        },
        Case {
            name: "drop-newest-packets",
            config: Config { overflow: Overflow::DropNewest, packing: PACKET, ..CONFIG },
            ..DROPPING
        },
        Case { name: "late-answers", late: true, heard: 1, ..STREAM },
        Case { name: "stop", said: 2, heard: 1, faults: 1, stops: true, ..STREAM },
        Case { name: "pipe-ends", said: 2, heard: 2, faults: 1, ends: true, ..STREAM },
    ];
    if deep {
        for case in &mut cases {
            case.faults += 1;
            case.said += if case.up == 16 { 10 } else { 1 };
            case.heard += 1;
            if case.depth > 0 {
                case.depth += 4;
            }
        }
    }
    cases
}

impl Case {
    /// Whether bytes of the device may be dropped.
    pub(crate) fn drops(&self) -> bool {
        self.config.overflow != Overflow::Block
    }

    /// Whether `n` of `most` bytes may be written or acknowledged at a time: any number, but with large rings one, all, or
    /// all but some.
    pub(crate) fn cuts(&self, n: usize, most: usize) -> bool {
        self.up < 16 || n == 1 || n == most || n == 7
    }

    /// Fields of the core with an instant that nobody asks for under these settings: states that differ in them are alike.
    pub(crate) fn idle(&self) -> &'static [&'static str] {
        let config = &self.config;
        let moved = config.power == Power::AlwaysOn;
        let spoke = config.heartbeat.bytes.is_empty();
        let last_rx = config.packing.gap.is_never();
        // For when a connection has lasted, and the address has been away: both only count failures. Nobody waits for the peer's voice.
        match (moved, spoke, last_rx) {
            (true, true, true) => &["since", "heard", "moved", "spoke", "last_rx"],
            (true, true, false) => &["since", "heard", "moved", "spoke"],
            (true, false, true) => &["since", "heard", "moved", "last_rx"],
            (false, true, true) => &["since", "heard", "spoke", "last_rx"],
            (true, false, false) | (false, _, false) | (false, false, true) => &["since", "heard"],
        }
    }
}
