//! A connection as a capture at the bridge's host would have had it.

use std::net::Ipv4Addr;

use uartbridge_core::PeerIndex;

use super::super::headers::{self, Place, flag};
use super::super::pcapng::Way;
use super::BRIDGE;

/// The largest payload of a packet.
pub(super) const MOST: usize = 32 << 10;

/// Where a peer is.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) peer: PeerIndex,
    pub(super) address: Ipv4Addr,
    port: u16,
    /// The peer calls the bridge.
    calls: bool,
}

/// A header, and how long its packet is.
pub(super) struct Segment {
    pub(super) way: Way,
    pub(super) header: Vec<u8>,
    pub(super) len: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Conversation {
    bridge: Place,
    peer: Place,
    calls: bool,
    datagrams: bool,
    /// The next sequence number each way.
    up: u32,
    down: u32,
    /// What the peer has acknowledged.
    acked: u32,
    shut: bool,
    over: bool,
}

impl Remote {
    /// `name` is what people call it. An IPv4 address in it is taken; for others, one of documentation's second net.
    pub(super) fn new(peer: PeerIndex, name: &str) -> Self {
        let place = name.rsplit("//").next().unwrap_or(name);
        let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
        let made_up = Ipv4Addr::new(198, 51, 100, peer.0);
        let calls = name.contains("-listen://");
        Self {
            peer,
            address: host.parse().ok().filter(|_| !calls).unwrap_or(made_up),
            port: port.parse().unwrap_or(1),
            calls,
        }
    }
}

impl Conversation {
    /// The `nth` of all.
    pub(super) const fn new(remote: Remote, nth: u16, datagrams: bool) -> Self {
        // The ports that RFC 6335 leaves to whoever wants one.
        let own = 0xc000 | nth & 0x3fff;
        let (bridge, peer) = if remote.calls { (remote.port, own) } else { (own, remote.port) };
        Self {
            bridge: (BRIDGE, bridge),
            peer: (remote.address, peer),
            calls: remote.calls,
            datagrams,
            up: 0,
            down: 0,
            acked: 0,
            shut: false,
            over: false,
        }
    }

    pub(super) fn dial(&mut self) -> Vec<Segment> {
        if self.datagrams || self.calls { Vec::new() } else { vec![self.control(Way::Out, flag::SYN)] }
    }

    pub(super) fn connected(&mut self) -> Vec<Segment> {
        if self.datagrams {
            return Vec::new();
        }
        let (first, second) = if self.calls { (Way::In, Way::Out) } else { (Way::Out, Way::In) };
        let mut segments: Vec<Segment> =
            self.calls.then(|| self.control(first, flag::SYN)).into_iter().collect();
        (self.up, self.down, self.acked) = if self.calls { (0, 1, 0) } else { (1, 0, 1) };
        segments.push(self.control(second, flag::SYN | flag::ACK));
        (self.up, self.down, self.acked) = (1, 1, 1);
        segments.push(self.control(first, flag::ACK));
        segments
    }

    /// The peer has so many bytes.
    pub(super) fn acked(&mut self, total: u64) -> Vec<Segment> {
        let acked = 1_u32.wrapping_add(total as u32);
        if self.datagrams || self.over || acked == self.acked {
            return Vec::new();
        }
        self.acked = acked;
        vec![self.control(Way::In, flag::ACK)]
    }

    pub(super) fn peer_closed(&mut self) -> Vec<Segment> {
        self.fin(Way::In)
    }

    /// The bridge sends nothing more.
    pub(super) fn shut(&mut self) -> Vec<Segment> {
        if std::mem::replace(&mut self.shut, true) { Vec::new() } else { self.fin(Way::Out) }
    }

    /// Both sides have ended.
    pub(super) fn done(&mut self) -> Vec<Segment> {
        if self.datagrams || self.over || !self.shut {
            return Vec::new();
        }
        self.over = true;
        self.acked = self.up;
        vec![self.control(Way::In, flag::ACK), self.control(Way::Out, flag::ACK)]
    }

    pub(super) fn reset(&mut self, way: Way) -> Vec<Segment> {
        if self.datagrams || std::mem::replace(&mut self.over, true) {
            return Vec::new();
        }
        // A refusal acknowledges the SYN.
        let refused = self.up == 0;
        if refused {
            self.acked = 1;
        }
        vec![self.control(way, flag::RST | flag::ACK)]
    }

    pub(super) fn data(&mut self, way: Way, bytes: &[u8]) -> Segment {
        self.payload(way, bytes, bytes.len())
    }

    /// `n` bytes, which nobody knows.
    pub(super) fn unknown(&mut self, way: Way, n: usize) -> Segment {
        let mut segment = self.payload(way, &[], n.min(headers::MOST));
        let rest = n.saturating_sub(headers::MOST) as u32;
        match way {
            Way::Out => self.up = self.up.wrapping_add(rest),
            Way::In => self.down = self.down.wrapping_add(rest),
        }
        segment.way = way;
        segment
    }

    fn payload(&mut self, way: Way, bytes: &[u8], len: usize) -> Segment {
        let (from, to) = self.ends(way);
        let header = if self.datagrams {
            headers::udp(from, to, bytes, len)
        } else {
            headers::tcp(from, to, self.numbers(way), flag::PSH | flag::ACK, bytes, len)
        };
        match way {
            Way::Out => self.up = self.up.wrapping_add(len as u32),
            Way::In => self.down = self.down.wrapping_add(len as u32),
        }
        let len = header.len() + len;
        Segment { way, header, len }
    }

    fn fin(&mut self, way: Way) -> Vec<Segment> {
        if self.datagrams || self.over {
            return Vec::new();
        }
        let segment = self.control(way, flag::FIN | flag::ACK);
        match way {
            Way::Out => self.up = self.up.wrapping_add(1),
            Way::In => self.down = self.down.wrapping_add(1),
        }
        vec![segment]
    }

    fn control(&self, way: Way, flags: u8) -> Segment {
        let (from, to) = self.ends(way);
        let (seq, ack) = self.numbers(way);
        let ack = if flags & flag::ACK == 0 { 0 } else { ack };
        let header = headers::tcp(from, to, (seq, ack), flags, &[], 0);
        let len = header.len();
        Segment { way, header, len }
    }

    const fn ends(&self, way: Way) -> (Place, Place) {
        match way {
            Way::Out => (self.bridge, self.peer),
            Way::In => (self.peer, self.bridge),
        }
    }

    /// Sequence and acknowledgement.
    const fn numbers(&self, way: Way) -> (u32, u32) {
        match way {
            Way::Out => (self.up, self.down),
            Way::In => (self.down, self.acked),
        }
    }
}
