//! The other side: rustls' own buffered connection, and what it has said and heard.

use rustls::Connection;
use std::io::{Read, Write};

/// Byte `place` of either side's plaintext.
pub(super) fn pattern(place: u64) -> u8 {
    (place.wrapping_mul(31) % 251) as u8
}

pub(super) fn patterned(start: u64, count: usize) -> Vec<u8> {
    (start..start + count as u64).map(pattern).collect()
}

pub(super) struct Peer {
    connection: Connection,
    /// Bytes of plaintext handed to it to send, and of ours that it has decrypted.
    pub(super) said: u64,
    pub(super) heard: u64,
    /// It still makes something of what it gets.
    pub(super) listens: bool,
    /// What it could make nothing of.
    pub(super) error: Option<rustls::Error>,
    /// Ciphertext for us that was not delivered yet.
    outgoing: Vec<u8>,
}

impl Peer {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, said: 0, heard: 0, listens: true, error: None, outgoing: vec![] }
    }

    /// Ciphertext from the connection under test arrives.
    pub(super) fn takes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.listens {
            let taken = self.connection.read_tls(&mut bytes);
            self.error = self.connection.process_new_packets().err();
            self.listens = matches!(taken, Ok(1..)) && self.error.is_none();
            self.hears();
        }
    }

    fn hears(&mut self) {
        let mut some = [0; 4096];
        loop {
            match self.connection.reader().read(&mut some) {
                Ok(count @ 1..) => {
                    assert_eq!(some[..count], patterned(self.heard, count), "what the peer decrypted");
                    self.heard += count as u64;
                }
                Ok(0) => {
                    self.listens = false;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    pub(super) fn says(&mut self, count: usize) {
        let bytes = patterned(self.said, count);
        // One that has given up takes nothing.
        self.said += self.connection.writer().write(&bytes).unwrap_or(0) as u64;
    }

    pub(super) fn closes(&mut self) {
        self.connection.send_close_notify();
    }

    pub(super) fn changes_its_keys(&mut self) {
        // Before the end of the handshake there is nothing to change.
        let _ = self.connection.refresh_traffic_keys();
    }

    /// The next `count` bytes of what it sends.
    pub(super) fn gives(&mut self, count: usize) -> Vec<u8> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.outgoing).expect("a vector");
        }
        self.outgoing.drain(..count.min(self.outgoing.len())).collect()
    }
}
