//! The peers' programs: they read what has come, say what they are to say, and end connections.

use super::board::Board;
use super::net::{Ends, Packet, Way};
use crate::tls::{PeerTls, TlsEnd};
use crate::world::Ending;

impl Board {
    /// Reads what has come on each connection, and sends what there is to send on the newest.
    pub(super) fn run_peer(&mut self, peer: usize) {
        for conn in 0..self.net.conns.len() {
            if self.net.conns[conn].peer == peer && self.net.conns[conn].peer_has {
                if self.net.peers[peer].reads {
                    self.peer_reads(conn);
                }
                self.pass_ciphertext(conn);
            }
        }
        if let Some(conn) = self.net.peers[peer].conn {
            self.refill_flood(peer);
            self.peer_writes(peer, conn);
        }
    }

    /// Its end of TLS on a new connection.
    pub(super) fn accept_tls(&self, peer: usize) -> Option<PeerTls> {
        let (credentials, peer) = (self.credentials.as_ref()?, &self.net.peers[peer]);
        // Configured as it is, rustls has no reason to refuse.
        credentials.peer(peer.distrusts, peer.handshake).ok()
    }

    /// Answers a FIN with its own, once everything is said.
    fn peer_reads(&mut self, conn: usize) {
        let state = &mut self.net.conns[conn];
        let peer = &self.net.peers[state.peer];
        let (bytes, news) = state.up.read(usize::MAX);
        let connection = &mut self.observed.connections[conn];
        let fin = match &mut state.tls {
            None => {
                connection.got.extend(bytes);
                Ending::Fin
            }
            Some(tls) => {
                connection.got.extend(tls.receive(&bytes));
                connection.alert = tls.alert().map(str::to_owned);
                if tls.bridge_said_goodbye() { Ending::Fin } else { Ending::Truncated }
            }
        };
        if state.up.fin_arrived {
            connection.end.get_or_insert(fin);
            if peer.conn != Some(conn) || peer.to_send.is_empty() {
                match &mut state.tls {
                    None => state.down.finish(),
                    Some(tls) => tls.end(TlsEnd::CloseNotify),
                }
                self.transmit(conn, Way::Down);
            }
        }
        if let Some(ack) = news {
            self.launch(Packet::Ack { conn, way: Way::Up, ack });
        }
    }

    /// Ciphertext goes out as the network takes it; when the last has gone, a FIN follows.
    fn pass_ciphertext(&mut self, conn: usize) {
        let state = &mut self.net.conns[conn];
        let Some(tls) = &mut state.tls else { return };
        let n = state.down.room().min(tls.wire.len());
        let bytes: Vec<u8> = tls.wire.drain(..n).collect();
        state.down.write(&bytes);
        if tls.is_done() {
            state.down.finish();
        }
        self.transmit(conn, Way::Down);
    }

    fn peer_writes(&mut self, peer: usize, conn: usize) {
        let (state, connection) = (&mut self.net.peers[peer], &mut self.net.conns[conn]);
        match &mut connection.tls {
            None => {
                let n = connection.down.room().min(state.to_send.len());
                let bytes: Vec<u8> = state.to_send.drain(..n).collect();
                connection.down.write(&bytes);
            }
            Some(tls) => tls.say(&mut state.to_send),
        }
        let ends = state.ends.filter(|_| state.to_send.is_empty());
        match (ends, &mut connection.tls) {
            (None, _) => {}
            (Some(_), None) => connection.down.finish(),
            (Some(Ends::Half), Some(tls)) => tls.end(TlsEnd::CloseNotify),
            (Some(Ends::Whole(end)), Some(tls)) => tls.end(end),
        }
        self.pass_ciphertext(conn);
        self.transmit(conn, Way::Down);
        let connection = &self.net.conns[conn];
        let whole = matches!(ends, Some(Ends::Whole(_)));
        // A server that has failed goes, too.
        let over = match &connection.tls {
            None => whole,
            Some(tls) => tls.is_done() && (whole || tls.has_failed()),
        };
        if over {
            let unread = !connection.up.arrived.is_empty();
            self.end(conn, Ending::Own);
            if unread {
                self.launch(Packet::Rst { conn, to: Way::Down });
            }
        }
    }

    /// The peer's program has no socket any more. First it reads what its TCP has acknowledged.
    pub(super) fn end(&mut self, conn: usize, ending: Ending) {
        let connection = &mut self.observed.connections[conn];
        connection.end.get_or_insert(ending);
        let state = &mut self.net.conns[conn];
        if state.tls.is_none() {
            connection.got.extend(state.up.read(usize::MAX).0);
        }
        state.peer_has = false;
        let peer = &mut self.net.peers[state.peer];
        if peer.conn == Some(conn) {
            peer.conn = None;
        }
    }

    fn refill_flood(&mut self, peer: usize) {
        let state = &mut self.net.peers[peer];
        if state.floods && state.to_send.len() < 4096 {
            let records = self.net.records.take(4096);
            self.observed.peer_sent.extend(&records);
            self.net.peers[peer].to_send.extend(records);
        }
    }
}
