//! What happens by itself: packets under way, timers, the line, the peers' programs.

use std::time::Duration;

use super::board::{Board, Due};
use super::net::{Broken, Conn, Dial, Packet, Way};
use super::tcp::{Ack, Segment};
use crate::world::{Connection, Ending};

/// What happens by itself.
impl Board {
    pub(super) const fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    pub(super) fn later(&mut self, after: u64, due: Due) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), due);
    }

    pub(super) fn launch(&mut self, packet: Packet) {
        let spared = matches!(packet, Packet::Rst { .. } | Packet::Datagram { .. });
        if self.net.swallows(&packet) || !spared && self.dice.percent(self.profile.loss) {
            self.ledger.packets_lost += 1;
            return;
        }
        let way = match packet {
            Packet::Syn { .. }
            | Packet::Data { way: Way::Up, .. }
            | Packet::Ack { way: Way::Down, .. }
            | Packet::Rst { to: Way::Up, .. }
            | Packet::Datagram { way: Way::Up, .. } => 0,
            Packet::SynAck { .. }
            | Packet::Refused { .. }
            | Packet::Data { way: Way::Down, .. }
            | Packet::Ack { way: Way::Up, .. }
            | Packet::Rst { to: Way::Down, .. }
            | Packet::Datagram { way: Way::Down, .. } => 1,
        };
        let delay = u64::try_from(self.settings.delay.as_micros()).unwrap_or(u64::MAX);
        let at = (self.now + delay).max(self.latest[way]);
        self.latest[way] = at;
        self.later(at - self.now, Due::Arrives(packet));
    }

    pub(super) fn transmit(&mut self, conn: usize, way: Way) {
        let trickles = way == Way::Down && self.net.peers[self.net.conns[conn].peer].trickles;
        let (now, largest) = (self.now, if trickles { 1 } else { self.profile.segment });
        let segments = self.net.conns[conn].pipe(way).segments(now, &mut self.dice, largest);
        for segment in segments {
            self.launch(Packet::Data { conn, way, segment });
        }
        self.watch(conn, way);
    }

    /// Sees to it that somebody looks at the retransmission timer.
    fn watch(&mut self, conn: usize, way: Way) {
        let now = self.now;
        let pipe = self.net.conns[conn].pipe(way);
        if let Some(due) = pipe.due.filter(|_| !pipe.watched) {
            pipe.watched = true;
            self.later(due.saturating_sub(now), Due::Timer { conn, way });
        }
    }

    pub(super) fn happens(&mut self, due: Due) {
        match due {
            Due::Arrives(packet) if self.net.swallows(&packet) => self.ledger.packets_lost += 1,
            Due::Arrives(packet) => self.arrives(packet),
            Due::SynAgain { dial, after } => {
                if self.net.dialing == Some(dial) {
                    self.launch(Packet::Syn { dial });
                    self.later(after, Due::SynAgain { dial, after: after * 2 });
                }
            }
            Due::Timer { conn, way } => self.timer(conn, way),
            Due::LineUp(bytes) => {
                self.line.sending = false;
                self.line.receive(bytes);
                self.kick_line();
            }
            Due::LineDown(bytes) => {
                self.line.draining = false;
                if self.line.may_drain() {
                    let bytes = bytes.min(self.line.to_device.len());
                    self.observed.device_got.extend(self.line.to_device.drain(..bytes));
                    self.passed.delivers(bytes);
                }
                self.kick_line();
            }
        }
    }

    fn timer(&mut self, conn: usize, way: Way) {
        let now = self.now;
        let pipe = self.net.conns[conn].pipe(way);
        pipe.watched = false;
        if pipe.due.is_some_and(|due| due <= now) {
            if let Some(segment) = pipe.expired(now) {
                self.launch(Packet::Data { conn, way, segment });
            }
            self.transmit(conn, way);
        } else {
            self.watch(conn, way);
        }
    }

    fn arrives(&mut self, packet: Packet) {
        match packet {
            Packet::Syn { dial } => self.syn(dial),
            Packet::SynAck { dial, conn } => {
                if self.net.dialing == Some(dial) {
                    (self.net.dialing, self.net.conn) = (None, Some(conn));
                    self.passed.connected(conn);
                    if self.credentials.is_none() {
                        self.observed.connected = Some(self.net.conns[conn].peer);
                    }
                } else if self.net.conn != Some(conn) {
                    self.net.conns[conn].bridge_has = false;
                    self.launch(Packet::Rst { conn, to: Way::Up });
                }
            }
            Packet::Refused { dial } => {
                if self.net.dialing == Some(dial) {
                    (self.net.dialing, self.net.failed) = (None, Some(Broken::Refused));
                }
            }
            Packet::Data { conn, way, segment } => self.data(conn, way, &segment),
            Packet::Ack { conn, way, ack } => self.ack(conn, way, ack),
            Packet::Rst { conn, to: Way::Up } => {
                self.net.conns[conn].down.kill();
                if self.net.conns[conn].peer_has {
                    self.end(conn, Ending::Reset);
                }
            }
            Packet::Rst { conn, to: Way::Down } => {
                let conn = &mut self.net.conns[conn];
                conn.reset = true;
                conn.up.kill();
            }
            Packet::Datagram { peer, way: Way::Up, bytes } => {
                if self.net.peers[peer].listens && self.net.peers[peer].reads {
                    self.observed.datagrams.push((peer, bytes));
                }
            }
            Packet::Datagram { peer, way: Way::Down, bytes } => {
                if self.net.udp == Some(peer) {
                    self.net.inbox.push_back(bytes);
                }
            }
        }
    }

    fn syn(&mut self, dial: usize) {
        let Dial { peer, conn } = self.net.dials[dial];
        let conn = match conn {
            Some(conn) => conn,
            None if !self.net.peers[peer].listens => return self.launch(Packet::Refused { dial }),
            None => {
                let conn = self.net.conns.len();
                let tls = self.accept_tls(peer);
                self.net.conns.push(Conn { tls, ..Conn::new(peer, self.settings.window) });
                self.observed.connections.push(Connection::new(peer));
                self.net.dials[dial].conn = Some(conn);
                self.net.peers[peer].conn = Some(conn);
                self.net.peers[peer].ends = None;
                conn
            }
        };
        self.launch(Packet::SynAck { dial, conn });
        self.run_peer(peer);
    }

    fn data(&mut self, conn: usize, way: Way, segment: &Segment) {
        let state = &mut self.net.conns[conn];
        let (has, news) = match way {
            Way::Up => (state.peer_has, state.up.is_news(segment)),
            Way::Down => (state.bridge_has, state.down.is_news(segment)),
        };
        if !has && news {
            // Nobody will read this: RFC 9293, 3.10.7.1.
            let to = if way == Way::Up { Way::Down } else { Way::Up };
            return self.launch(Packet::Rst { conn, to });
        }
        if way == Way::Down && state.reset {
            return;
        }
        let ack = state.pipe(way).on_segment(segment);
        self.launch(Packet::Ack { conn, way, ack });
        if way == Way::Up {
            self.run_peer(self.net.conns[conn].peer);
        }
    }

    fn ack(&mut self, conn: usize, way: Way, ack: Ack) {
        let now = self.now;
        let state = &mut self.net.conns[conn];
        let peer = state.peer;
        state.pipe(way).on_ack(now, ack);
        self.transmit(conn, way);
        if way == Way::Down {
            self.run_peer(peer);
        }
    }

    /// Lets the line go on if it can.
    pub(super) fn kick_line(&mut self) {
        if self.line.floods && self.line.to_send.len() < 1024 {
            let records = self.line.records.take(1024);
            self.device_sends(records);
        }
        if !self.line.sending && self.line.may_send() {
            self.line.sending = true;
            let (after, bytes) = self.line.pace(&mut self.dice);
            self.later(after, Due::LineUp(bytes));
        }
        if !self.line.draining && self.line.may_drain() {
            self.line.draining = true;
            let (after, bytes) = self.line.pace(&mut self.dice);
            self.later(after, Due::LineDown(bytes));
        }
    }

    pub(super) fn note_queues(&mut self) {
        let now = self.time();
        self.observed.device_queue.note(now, self.line.to_send.len());
        for (queue, peer) in self.observed.peer_queues.iter_mut().zip(&self.net.peers) {
            queue.note(now, peer.to_send.len());
        }
    }
}
