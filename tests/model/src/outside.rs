//! What is outside of a bridge: a device, a network and a peer, as far as the promises need them.

use heapless::Vec;

/// The longest stream of a run, in bytes: each of the device's bytes has its number for its value.
pub(crate) const STREAM: u8 = 64;
/// What each connection begins with, where a case has a greeting. No byte of a device has these values.
pub(crate) const GREETING: &[u8] = &[0xE0, 0xE1];
/// A heartbeat, where a case has them.
pub(crate) const HEARTBEAT: &[u8] = &[0xF0, 0xF1];

/// Bytes by their numbers.
pub(crate) type Set = u64;

/// The device's end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    /// Nobody has asked for it.
    Shut,
    /// To be answered: opened, or not there.
    Opening,
    Open,
    /// Nothing more comes from it.
    Ended,
    /// Nor does it take anything.
    Gone,
}

/// The network's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Net {
    Quiet,
    /// To be answered.
    Dialing,
    /// To be answered; the bridge has given the attempt up.
    Abandoned,
    Up(Connection),
}

/// How the bridge wants a connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Closing {
    No,
    Orderly,
    Abort,
}

/// What there is of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) closing: Closing,
    /// The peer has sent its FIN.
    pub(crate) fin: bool,
    /// Writing fails; what the peer had sent is still there.
    pub(crate) broken: bool,
    /// Bytes that the peer's TCP has.
    pub(crate) acked: u64,
    /// How many of them the bridge was told of.
    pub(crate) told: u64,
    /// Questions about that which have no answer yet.
    pub(crate) asked: u8,
    /// Bytes written that the peer's TCP does not have.
    pub(crate) flying: Vec<u8, 28>,
    /// The last byte written.
    pub(crate) last: Option<u8>,
    /// The smallest number that the next byte of the device may have.
    pub(crate) next: u8,
}

/// All of it, with what has happened to each byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Outside {
    pub(crate) ip: bool,
    pub(crate) line: Line,
    pub(crate) net: Net,
    /// Bytes that the bridge has read from the device.
    pub(crate) said: u8,
    /// After which of them a read ended, among those that no peer has.
    pub(crate) ends: Set,
    /// Which of them a peer's TCP has.
    pub(crate) arrived: Set,
    /// The bridge knows that a peer has the byte before this one.
    pub(crate) reached: u8,
    /// Bytes that the bridge has read from its peers.
    pub(crate) heard: u8,
    /// How many of them the device has.
    pub(crate) given: u8,
    /// How many more things may go wrong.
    pub(crate) faults: u8,
    /// The bridge was told to stop.
    pub(crate) stopped: bool,
    pub(crate) finished: bool,
}

impl Outside {
    pub(crate) fn new(faults: u8) -> Self {
        Self {
            ip: false,
            line: Line::Shut,
            net: Net::Quiet,
            said: 0,
            ends: 0,
            arrived: 0,
            reached: 0,
            heard: 0,
            given: 0,
            faults,
            stopped: false,
            finished: false,
        }
    }

    /// `bytes` are written to the connection: what is wrong with them, if anything.
    pub(crate) fn writes(&mut self, bytes: &[u8], expected: &Expected) -> Result<(), &'static str> {
        let Net::Up(connection) = &mut self.net else {
            return Err("bytes for a connection that there is not");
        };
        if connection.broken || connection.closing != Closing::No {
            return Err("bytes for a connection that takes none");
        }
        for &byte in bytes {
            follows(connection, byte, self.said, expected)?;
            connection.last = Some(byte);
            connection.flying.push(byte).map_err(|_| "more bytes in flight than the model holds")?;
        }
        if expected.datagrams && bytes.first().is_some_and(|&byte| byte < STREAM) {
            self.is_packet(bytes, expected)?;
        }
        Ok(())
    }

    /// Whether a datagram is what one read gave, or as much of it as one may hold.
    fn is_packet(&self, bytes: &[u8], expected: &Expected) -> Result<(), &'static str> {
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
            return Ok(());
        };
        if bytes.len() > expected.max_len {
            return Err("a datagram is too long");
        }
        let inside = (first..last).any(|at| self.ends & 1 << at != 0);
        let ended = self.ends & 1 << last != 0 || bytes.len() == expected.max_len;
        if inside || !ended { Err("a datagram is not what one read gave") } else { Ok(()) }
    }

    /// The peer's TCP has `n` bytes more.
    pub(crate) fn acks(&mut self, n: usize) {
        if let Net::Up(connection) = &mut self.net {
            for _ in 0..n.min(connection.flying.len()) {
                let byte = connection.flying.remove(0);
                connection.acked += 1;
                if byte < STREAM {
                    self.arrived |= 1 << byte;
                    self.ends &= !(1 << byte);
                }
            }
        }
    }

    /// The bridge hears what the peer's TCP has.
    pub(crate) fn tells(&mut self) -> u64 {
        let Net::Up(connection) = &mut self.net else {
            return 0;
        };
        connection.told = connection.acked;
        // What lies below the newest byte that arrived was dropped: no order of writing leaves it out otherwise.
        self.reached = (Set::BITS - self.arrived.leading_zeros()) as u8;
        self.ends &= Set::MAX.checked_shl(self.reached.into()).unwrap_or(0);
        connection.acked
    }
}

/// What the bytes of a connection look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) greeting: bool,
    pub(crate) heartbeat: bool,
    pub(crate) datagrams: bool,
    pub(crate) max_len: usize,
    /// A policy may leave bytes out.
    pub(crate) drops: bool,
}

/// Whether `byte` may follow what was written before.
fn follows(connection: &mut Connection, byte: u8, said: u8, expected: &Expected) -> Result<(), &'static str> {
    let last = connection.last;
    let after_own = |own: &'static [u8]| own.windows(2).find(|pair| Some(pair[0]) == last);
    let begun = if expected.greeting && connection.last.is_none() {
        Some(GREETING[0])
    } else {
        after_own(GREETING).or(after_own(HEARTBEAT)).map(|pair| pair[1])
    };
    match begun {
        Some(wanted) if wanted == byte => return Ok(()),
        Some(_) => return Err("greeting or heartbeat: missing, or cut in two"),
        None => {}
    }
    if byte == HEARTBEAT[0] && expected.heartbeat {
        return Ok(());
    }
    if byte >= said {
        return Err("a byte that nobody said");
    }
    if byte < connection.next {
        return Err("a byte of the device twice, or out of order");
    }
    if byte > connection.next && !expected.drops {
        return Err("a byte of the device is left out");
    }
    connection.next = byte + 1;
    Ok(())
}
