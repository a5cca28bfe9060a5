//! The host that the bridge runs on, in virtual time: a UART, a network stack, a watchdog; and all that happens outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dice::Dice;
use super::line::Line;
use super::net::{Broken, Dial, Net, Packet, Way};
use super::passed::Passed;
use crate::scenario::{Scenario, Transport, WorldSettings};
use crate::tls::Credentials;
use crate::world::{Observed, Queue};

/// How a run treats segments and chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The largest segment, in bytes.
    pub segment: usize,
    /// Packets lost, in percent.
    pub loss: u32,
    /// At most so many bytes are moved at a time, a random number of them.
    pub chunk: usize,
}

/// What has crossed the bridge's ports, and what was lost outside it, in bytes: counted here, not by the bridge.
/// [`Passed`] has the bytes themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Read from the UART's driver.
    pub uart_read: u64,
    /// Read from TCP.
    pub sock_read: u64,
    /// In the driver when the UART was unplugged: on the way to the bridge, and to the device.
    pub unplugged: [u64; 2],
    /// The driver had no room for.
    pub overrun: u64,
    /// Packets that the network lost.
    pub packets_lost: u64,
}

/// What happens by itself.
#[derive(Clone, Debug)]
pub(super) enum Due {
    Arrives(Packet),
    SynAgain { dial: usize, after: u64 },
    Timer { conn: usize, way: Way },
    LineUp(usize),
    LineDown(usize),
}

/// See the module.
#[derive(Debug)]
pub struct Board {
    /// µs since the start.
    pub(super) now: u64,
    pub(super) count: u64,
    pub(super) events: BTreeMap<(u64, u64), Due>,
    /// When the latest packet of each direction arrives: none overtakes another.
    pub(super) latest: [u64; 2],
    /// Chance, for whoever needs it.
    pub dice: Dice,
    pub(super) profile: Profile,
    pub(super) settings: WorldSettings,
    pub(super) udp: bool,
    /// With these the peers speak TLS.
    pub(super) credentials: Option<Arc<Credentials>>,
    pub(super) line: Line,
    pub(super) net: Net,
    pub(super) observed: Observed,
    /// Bytes moved by the bridge, to tell work from spinning.
    pub(super) moved: u64,
    pub(super) ledger: Ledger,
    pub(super) passed: Passed,
}

/// What the bridge can do. None of these waits.
impl Board {
    /// µs since the start.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Whether the connections are UDP.
    pub const fn udp(&self) -> bool {
        self.udp
    }

    /// Whether the network has an address.
    pub const fn ip(&self) -> bool {
        self.net.ip
    }

    /// Whether a UART is there.
    pub const fn uart_plugged(&self) -> bool {
        self.line.plugged
    }

    /// Bytes that the UART's driver has received.
    pub fn uart_readable(&self) -> usize {
        self.line.received.len()
    }

    /// Whether nothing is coming over the line.
    pub fn uart_quiet(&self) -> bool {
        !self.line.may_send()
    }

    /// Takes at most `most` of them.
    pub fn uart_read(&mut self, most: usize) -> Vec<u8> {
        let bytes: Vec<u8> = self.line.received.drain(..most.min(self.line.received.len())).collect();
        self.moved += bytes.len() as u64;
        self.ledger.uart_read += bytes.len() as u64;
        self.passed.up.extend(&bytes);
        self.kick_line();
        bytes
    }

    /// Bytes that the driver can take for the device.
    pub fn uart_room(&self) -> usize {
        self.line.room()
    }

    /// Hands it some; no more than [`Self::uart_room`].
    pub fn uart_write(&mut self, bytes: &[u8]) {
        self.moved += bytes.len() as u64;
        self.line.to_device.extend(bytes);
        self.kick_line();
    }

    /// Tells the device to pause or to go on (RTS).
    pub fn uart_flow(&mut self, go: bool) {
        self.line.stopped = !go;
        self.kick_line();
    }

    /// Bytes lost to overruns, and bytes with framing errors, since the last call.
    pub fn uart_errors(&mut self) -> (u32, u32) {
        self.ledger.overrun += u64::from(self.line.overrun);
        (core::mem::replace(&mut self.line.overrun, 0), core::mem::replace(&mut self.line.framing, 0))
    }

    /// Starts to connect.
    pub fn dial(&mut self, peer: usize) {
        self.net.failed = None;
        if self.udp {
            self.net.udp = Some(peer);
            self.observed.connected = Some(peer);
            return;
        }
        let dial = self.net.dials.len();
        self.net.dials.push(Dial { peer, conn: None });
        self.net.dialing = Some(dial);
        self.launch(Packet::Syn { dial });
        self.later(1_000_000, Due::SynAgain { dial, after: 2_000_000 });
    }

    /// Whether there is a connection.
    pub const fn connected(&self) -> bool {
        self.net.conn.is_some() || self.net.udp.is_some()
    }

    /// Why the attempt failed, or the connection broke; what has arrived can still be read.
    pub fn broken(&self) -> Option<Broken> {
        self.net.failed.or_else(|| self.net.own().filter(|conn| conn.reset).map(|_| Broken::Reset))
    }

    /// Bytes that have arrived from the peer; over UDP those of the next datagram.
    pub fn readable(&self) -> usize {
        if self.udp {
            return self.net.inbox.front().map_or(0, Vec::len);
        }
        self.net.own().map_or(0, |conn| conn.down.arrived.len())
    }

    /// Takes at most `most` of them. The rest of a datagram is lost, as with `recv`.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let (bytes, news) = match self.net.conn {
            _ if self.udp => {
                let mut datagram = self.net.inbox.pop_front().unwrap_or_default();
                datagram.truncate(most);
                (datagram, None)
            }
            Some(conn) => self.net.conns[conn].down.read(most),
            None => (Vec::new(), None),
        };
        self.moved += bytes.len() as u64;
        self.ledger.sock_read += bytes.len() as u64;
        self.passed.down.extend(&bytes);
        if let (Some(conn), Some(ack)) = (self.net.conn, news) {
            self.launch(Packet::Ack { conn, way: Way::Down, ack });
        }
        bytes
    }

    /// Whether the peer's FIN has arrived, ahead of or behind what is still to be read.
    pub fn fin_arrived(&self) -> bool {
        self.net.own().is_some_and(|conn| conn.down.fin_arrived)
    }

    /// Bytes that the network stack can take.
    pub fn room(&self) -> usize {
        match self.net.own() {
            _ if self.net.udp.is_some() => usize::MAX,
            Some(conn) if !conn.reset => conn.up.room(),
            Some(_) | None => 0,
        }
    }

    /// Hands it some, no more than [`Self::room`]; over UDP one datagram.
    pub fn write(&mut self, bytes: &[u8]) {
        self.moved += bytes.len() as u64;
        if let Some(peer) = self.net.udp {
            self.launch(Packet::Datagram { peer, way: Way::Up, bytes: bytes.to_vec() });
        } else if let Some(conn) = self.net.conn {
            self.net.conns[conn].up.write(bytes);
            self.passed.writes(bytes.len());
            self.transmit(conn, Way::Up);
        }
    }

    /// Bytes of this connection that the peer's TCP holds; also after a RST.
    pub fn acked(&self) -> u64 {
        self.net.own().map_or(0, |conn| conn.up.acked())
    }

    /// Sends a FIN after what was written.
    pub fn shut_down(&mut self) {
        if let Some(conn) = self.net.conn {
            self.net.conns[conn].up.finish();
            self.transmit(conn, Way::Up);
        }
    }

    /// Lets the socket go after both FINs; the stack delivers what is still under way.
    pub fn let_go(&mut self) {
        if let Some(conn) = self.net.conn.take() {
            self.net.conns[conn].bridge_has = false;
            self.passed.gone(self.net.conns[conn].up.acked());
        }
        self.no_socket();
    }

    /// Drops the socket, or the attempt: a RST goes out.
    pub fn hang_up(&mut self) {
        if let Some(conn) = self.net.conn.take() {
            let conn_state = &mut self.net.conns[conn];
            conn_state.bridge_has = false;
            conn_state.up.kill();
            self.passed.gone(conn_state.up.acked());
            if !core::mem::replace(&mut conn_state.reset, true) {
                self.launch(Packet::Rst { conn, to: Way::Up });
            }
        }
        self.no_socket();
    }

    /// Notes that the bridge has moved bytes within itself: that is work, too.
    pub const fn worked(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }

    /// Feeds the watchdog.
    pub const fn feed(&mut self) {
        self.observed.watchdog_fed = Some(self.time());
    }

    /// The peer at the other end of the connection.
    pub fn peer_address(&self) -> Option<usize> {
        self.net.own().map(|conn| conn.peer).or(self.net.udp)
    }

    /// What the world sees.
    pub const fn observed(&mut self) -> &mut Observed {
        &mut self.observed
    }

    pub(super) fn new(
        scenario: &Scenario,
        profile: Profile,
        seed: u64,
        credentials: Option<Arc<Credentials>>,
    ) -> Self {
        let settings = scenario.world;
        Self {
            now: 0,
            count: 0,
            events: BTreeMap::new(),
            latest: [0; 2],
            dice: Dice::new(seed),
            profile,
            settings,
            udp: scenario.transport == Transport::Udp,
            credentials,
            line: Line::new(settings.baud, settings.fifo, settings.flow_control),
            net: Net::new(scenario.peers),
            observed: Observed { peer_queues: vec![Queue::default(); scenario.peers], ..Observed::default() },
            moved: 0,
            ledger: Ledger::default(),
            passed: Passed::default(),
        }
    }

    fn no_socket(&mut self) {
        (self.net.dialing, self.net.failed, self.net.udp) = (None, None, None);
        self.net.inbox.clear();
        self.observed.connected = None;
    }
}
