//! The network between the bridge's host and the peers: connections, packets under way, faults.

use std::collections::VecDeque;

use super::tcp::{Ack, Pipe, Segment};
use crate::records::Records;
use crate::scenario::tls::Handshake;
use crate::tls::{PeerTls, TlsEnd};

/// Something under way.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Syn { dial: usize },
    SynAck { dial: usize, conn: usize },
    Refused { dial: usize },
    Data { conn: usize, way: Way, segment: Segment },
    Ack { conn: usize, way: Way, ack: Ack },
    Rst { conn: usize, to: Way },
    Datagram { peer: usize, way: Way, bytes: Vec<u8> },
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nobody listens.
    Refused,
    /// The peer reset it.
    Reset,
}

/// A TCP connection, seen from both ends.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) peer: usize,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// Whether each host still has the socket.
    pub(crate) bridge_has: bool,
    pub(crate) peer_has: bool,
    /// Whether the bridge's host has seen a RST.
    pub(crate) reset: bool,
    /// The peer's end of TLS.
    pub(crate) tls: Option<PeerTls>,
}

/// An attempt to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial {
    pub(crate) peer: usize,
    pub(crate) conn: Option<usize>,
}

/// A peer's host and its program.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) listens: bool,
    pub(crate) reads: bool,
    pub(crate) conn: Option<usize>,
    pub(crate) to_send: VecDeque<u8>,
    pub(crate) floods: bool,
    pub(crate) trickles: bool,
    /// How it will meet its next connections under TLS.
    pub(crate) handshake: Handshake,
    pub(crate) distrusts: bool,
    /// A FIN follows what is queued, and perhaps the end of the socket.
    pub(crate) ends: Option<Ends>,
}

/// How a peer ends its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Half,
    Whole(TlsEnd),
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) peers: Vec<Peer>,
    pub(crate) records: Records,
    pub(crate) conns: Vec<Conn>,
    pub(crate) dials: Vec<Dial>,
    /// The bridge's socket: an attempt, or a connection.
    pub(crate) dialing: Option<usize>,
    pub(crate) failed: Option<Broken>,
    pub(crate) conn: Option<usize>,
    /// The bridge's UDP socket, and what waits there.
    pub(crate) udp: Option<usize>,
    pub(crate) inbox: VecDeque<Vec<u8>>,
    pub(crate) ip: bool,
    pub(crate) black_hole: bool,
    pub(crate) loses_acks: bool,
}

impl Net {
    pub(crate) fn new(peers: usize) -> Self {
        let peer = Peer {
            listens: true,
            reads: true,
            conn: None,
            to_send: VecDeque::new(),
            floods: false,
            trickles: false,
            handshake: Handshake::Proper,
            distrusts: false,
            ends: None,
        };
        Self {
            peers: vec![peer; peers],
            records: Records::down(),
            conns: Vec::new(),
            dials: Vec::new(),
            dialing: None,
            failed: None,
            conn: None,
            udp: None,
            inbox: VecDeque::new(),
            ip: true,
            black_hole: false,
            loses_acks: false,
        }
    }

    /// Whether this packet gets nowhere.
    pub(crate) fn swallows(&self, packet: &Packet) -> bool {
        let ack_up = matches!(packet, Packet::Ack { way: Way::Up, .. });
        self.black_hole || !self.ip || self.loses_acks && ack_up
    }

    /// The connection that the bridge holds.
    pub(crate) fn own(&self) -> Option<&Conn> {
        self.conn.map(|conn| &self.conns[conn])
    }
}

impl Conn {
    pub(crate) fn new(peer: usize, window: usize) -> Self {
        Self {
            peer,
            up: Pipe::new(window),
            down: Pipe::new(window),
            bridge_has: true,
            peer_has: true,
            reset: false,
            tls: None,
        }
    }

    pub(crate) const fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
