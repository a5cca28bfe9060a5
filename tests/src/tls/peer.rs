//! A peer's end of a TLS connection, without a socket: rustls' server or client, and ways to misbehave.

use std::collections::VecDeque;
use std::io::{Read, Write};

use rustls::{Connection, Error};

use super::faulty::{EMPTY_RECORD, HELLO_REQUEST};
use crate::scenario::tls::{Handshake, TlsAct};

/// So much ciphertext may wait for the socket before more is made: what a peer still has to say stays where it can be
/// seen to be held back.
const WAITING: usize = 4096;
/// At most so much plaintext at a time: one record.
const RECORD: usize = 16_384;
/// What answers on a port where nobody speaks TLS.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

/// How the peer ends its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsEnd {
    /// As TLS wants it.
    CloseNotify,
    /// After half of a record.
    MidRecord,
    /// Without a word.
    Unannounced,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct PeerTls {
    connection: Connection,
    handshake: Handshake,
    /// Ciphertext for the bridge.
    pub(crate) wire: VecDeque<u8>,
    /// Nothing will be added to it.
    said_all: bool,
    /// Nothing that comes is of interest.
    deaf: bool,
    alert: Option<String>,
    bridge_said_goodbye: bool,
}

impl PeerTls {
    pub(super) fn new(connection: Connection, handshake: Handshake) -> Self {
        let mut new = Self {
            connection,
            handshake,
            wire: VecDeque::new(),
            said_all: false,
            deaf: false,
            alert: None,
            bridge_said_goodbye: false,
        };
        if matches!(new.connection, Connection::Client(_)) {
            new.speak();
        }
        new
    }

    /// Ciphertext has come; gives the plaintext.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut rest, mut plain) = (bytes, Vec::new());
        while !self.deaf && !rest.is_empty() && !self.keeps_silent() {
            let read = self.connection.read_tls(&mut rest);
            match self.connection.process_new_packets() {
                Ok(state) => self.bridge_said_goodbye |= state.peer_has_closed(),
                Err(error) => self.fail(&error),
            }
            // `WouldBlock` or the end of the stream: nothing more for now.
            let _ = self.connection.reader().read_to_end(&mut plain);
            if read.is_err() {
                break;
            }
        }
        self.speak();
        plain
    }

    /// Says what TLS wants said, or what the scenario wants in its place. A server says nothing before it has heard
    /// something.
    fn speak(&mut self) {
        match self.handshake {
            Handshake::Stalls => {}
            Handshake::Garbage if self.connection.wants_write() => {
                self.misbehave(GARBAGE);
                (self.deaf, self.said_all) = (true, true);
            }
            Handshake::Garbage | Handshake::CutShort | Handshake::Proper => self.collect(),
        }
    }

    fn keeps_silent(&self) -> bool {
        self.handshake == Handshake::Stalls
    }

    /// Whether more plaintext can be said now.
    pub(crate) fn ready(&self) -> bool {
        !self.connection.is_handshaking() && !self.said_all && self.wire.len() < WAITING
    }

    /// Encrypts some of what waits in `queue`.
    pub(crate) fn say(&mut self, queue: &mut VecDeque<u8>) {
        while self.ready() && !queue.is_empty() {
            let some: Vec<u8> = queue.drain(..queue.len().min(RECORD)).collect();
            self.put(&some);
        }
    }

    /// Ends its direction; [`Self::is_done`] says when a FIN may follow.
    pub(crate) fn end(&mut self, end: TlsEnd) {
        if self.said_all {
            return;
        }
        match end {
            TlsEnd::CloseNotify => {
                self.connection.send_close_notify();
                self.collect();
            }
            TlsEnd::MidRecord => {
                let before = self.wire.len();
                self.put(&[0x55; 200]);
                self.wire.truncate(before + 100);
            }
            TlsEnd::Unannounced => {}
        }
        self.said_all = true;
    }

    /// Whether everything has been said, and has left.
    pub(crate) fn is_done(&self) -> bool {
        self.said_all && self.wire.is_empty()
    }

    /// Does something at once.
    ///
    /// # Errors
    /// It cannot now.
    pub(crate) fn act(&mut self, act: TlsAct) -> Result<(), String> {
        match act {
            // For the connections to come.
            TlsAct::Handshake(_) | TlsAct::Distrusts(_) => {}
            TlsAct::SendsGarbage => self.misbehave(GARBAGE),
            TlsAct::SendsEmptyRecord => self.put(EMPTY_RECORD),
            TlsAct::Renegotiates => self.put(HELLO_REQUEST),
            TlsAct::UpdatesKeys => {
                self.connection.refresh_traffic_keys().map_err(|error| error.to_string())?;
                self.collect();
            }
        }
        Ok(())
    }

    /// The bridge's latest alert other than `close_notify`.
    pub(crate) fn alert(&self) -> Option<&str> {
        self.alert.as_deref()
    }

    /// Whether the connection came to nothing, or was cut short: the socket may go.
    pub(crate) const fn has_failed(&self) -> bool {
        self.deaf
    }

    /// Whether the bridge has ended its direction as TLS wants it, or has said why it does not.
    pub(crate) fn bridge_said_goodbye(&self) -> bool {
        self.bridge_said_goodbye || self.alert.is_some()
    }

    fn fail(&mut self, error: &Error) {
        if let Error::AlertReceived(alert) = error {
            self.alert = Some(format!("{alert:?}"));
        }
        self.collect();
        (self.deaf, self.said_all) = (true, true);
    }

    fn put(&mut self, plain: &[u8]) {
        // It takes all of it: the handshake is over, and its buffer was emptied.
        let _ = self.connection.writer().write_all(plain);
        self.collect();
    }

    fn misbehave(&mut self, bytes: &[u8]) {
        if !self.said_all {
            self.wire.extend(bytes);
        }
    }

    /// Takes what rustls wants to send.
    fn collect(&mut self) {
        let mut made = Vec::new();
        while self.connection.wants_write() {
            // Into a vector everything fits.
            let _ = self.connection.write_tls(&mut made);
        }
        if self.handshake == Handshake::CutShort && !made.is_empty() {
            made.truncate(made.len() / 2);
            self.deaf = true;
        }
        if !self.said_all {
            self.wire.extend(made);
        }
        self.said_all |= self.deaf;
    }
}
