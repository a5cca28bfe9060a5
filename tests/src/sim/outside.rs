//! What the scenario does around the bridge's host, and the passing of time.

use super::board::Board;
use super::net::{Ends, Packet, Way};
use crate::scenario::tls::TlsAct;
use crate::scenario::{DeviceAct, NetworkAct, Payload, PeerAct};
use crate::tls::TlsEnd;
use crate::world::{Ending, Observed};

/// What the scenario does.
impl Board {
    pub(super) const fn seen(&self) -> &Observed {
        &self.observed
    }

    /// Whether something outside is holding bytes back, so that standing still is right.
    pub(super) fn excuses_standstill(&self) -> bool {
        let stalled = self.net.peers.iter().any(|peer| !peer.reads);
        let away = !self.net.ip || self.net.black_hole || !self.line.plugged;
        stalled || away || !self.line.device_reads
    }

    pub(super) fn device(&mut self, act: &DeviceAct) {
        match act {
            DeviceAct::Sends(Payload::Bytes(bytes)) => self.device_sends(bytes.clone()),
            DeviceAct::Sends(Payload::Records(bytes)) => {
                let records = self.line.records.take(*bytes);
                self.device_sends(records);
            }
            DeviceAct::Floods => self.line.floods = true,
            DeviceAct::StopsSending => self.line.floods = false,
            DeviceAct::Stalls => self.line.device_reads = false,
            DeviceAct::ReadsAgain => self.line.device_reads = true,
            DeviceAct::Unplugged => {
                let lost = self.line.unplug();
                self.passed.unplugged(lost[1]);
                for (sum, lost) in self.ledger.unplugged.iter_mut().zip(lost) {
                    *sum += lost as u64;
                }
            }
            DeviceAct::Plugged => self.line.plugged = true,
            DeviceAct::LineError => self.line.framing += 1,
        }
        self.kick_line();
    }

    pub(super) fn peer(&mut self, peer: usize, act: &PeerAct) -> Result<(), String> {
        let state = &mut self.net.peers[peer];
        match act {
            PeerAct::Sends(payload) => {
                let bytes = match payload {
                    Payload::Bytes(bytes) => bytes.clone(),
                    Payload::Records(bytes) => self.net.records.take(*bytes),
                };
                self.peer_sends(peer, bytes);
            }
            PeerAct::Floods => state.floods = true,
            PeerAct::StopsSending => state.floods = false,
            PeerAct::HalfCloses => state.ends = Some(Ends::Half),
            PeerAct::Closes => state.ends = Some(Ends::Whole(TlsEnd::CloseNotify)),
            PeerAct::ClosesMidRecord => state.ends = Some(Ends::Whole(TlsEnd::MidRecord)),
            PeerAct::ClosesUnannounced => state.ends = Some(Ends::Whole(TlsEnd::Unannounced)),
            PeerAct::Resets => self.peer_resets(peer),
            PeerAct::Refuses => state.listens = false,
            PeerAct::Listens => state.listens = true,
            PeerAct::Stalls => state.reads = false,
            PeerAct::ReadsAgain => state.reads = true,
            PeerAct::Trickles => state.trickles = true,
            PeerAct::Tls(act) => self.peer_tls(peer, *act)?,
        }
        self.run_peer(peer);
        Ok(())
    }

    fn peer_tls(&mut self, peer: usize, act: TlsAct) -> Result<(), String> {
        let state = &mut self.net.peers[peer];
        match act {
            TlsAct::Handshake(handshake) => state.handshake = handshake,
            TlsAct::Distrusts(distrusts) => state.distrusts = distrusts,
            TlsAct::SendsGarbage | TlsAct::SendsEmptyRecord | TlsAct::UpdatesKeys | TlsAct::Renegotiates => {
                let conn = state.conn.and_then(|conn| self.net.conns[conn].tls.as_mut());
                conn.ok_or("the peer has no connection")?.act(act)?;
            }
        }
        Ok(())
    }

    pub(super) fn network(&mut self, act: NetworkAct) {
        match act {
            NetworkAct::BlackHole => self.net.black_hole = true,
            NetworkAct::LosesAcks => self.net.loses_acks = true,
            NetworkAct::Heals => (self.net.black_hole, self.net.loses_acks) = (false, false),
            NetworkAct::IpLost => self.net.ip = false,
            NetworkAct::IpReady => self.net.ip = true,
        }
    }

    pub(super) fn next_event(&self) -> Option<u64> {
        self.events.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Lets time pass until `at`, and everything happen that is due by then.
    pub(super) fn advance(&mut self, at: u64) {
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= at
        {
            let ((time, _), due) = entry.remove_entry();
            self.now = self.now.max(time);
            self.observed.now = self.time();
            self.happens(due);
        }
        self.now = self.now.max(at);
        self.observed.now = self.time();
        if let Some(credentials) = &self.credentials {
            credentials.date(self.time());
        }
        self.note_queues();
    }

    pub(super) fn device_sends(&mut self, bytes: Vec<u8>) {
        self.observed.device_sent.extend(&bytes);
        self.line.to_send.extend(bytes);
    }

    fn peer_sends(&mut self, peer: usize, bytes: Vec<u8>) {
        self.observed.peer_sent.extend(&bytes);
        if self.udp {
            self.launch(Packet::Datagram { peer, way: Way::Down, bytes });
        } else {
            self.net.peers[peer].to_send.extend(bytes);
        }
    }

    fn peer_resets(&mut self, peer: usize) {
        if let Some(conn) = self.net.peers[peer].conn.take() {
            self.net.peers[peer].to_send.clear();
            self.end(conn, Ending::Own);
            self.net.conns[conn].down.kill();
            self.launch(Packet::Rst { conn, to: Way::Down });
        }
    }
}
