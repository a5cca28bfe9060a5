//! TLS between the core and the board's socket: ciphertext is moved as far as it goes in every turn.

use core::time::Duration;

use uartbridge_tls::{Client, Config, Event, INPUT_FOR_ANY_RECORD, Standing};

use crate::sim::{Board, Broken};
use crate::tls::Credentials;

/// Room for ciphertext to the socket, in bytes.
const OUTPUT: usize = 4096;

/// What makes connections.
#[derive(Debug)]
pub(super) struct Tunnels {
    config: Config,
    host: String,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Tunnel {
    client: Client<Box<[u8]>, Box<[u8]>>,
    eof: bool,
    closing: bool,
    sent_fin: bool,
}

impl Tunnels {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, String> {
        let config = Config::new(credentials.settings()?).map_err(|error| error.to_string())?;
        Ok(Self { config, host: credentials.host().to_owned() })
    }

    pub(super) fn open(&self) -> Result<Tunnel, String> {
        let buffer = |len| vec![0; len].into();
        let client = Client::new(&self.config, &self.host, buffer(INPUT_FOR_ANY_RECORD), buffer(OUTPUT));
        let client = client.map_err(|error| error.to_string())?;
        Ok(Tunnel { client, eof: false, closing: false, sent_fin: false })
    }
}

impl Tunnel {
    /// Moves ciphertext both ways, at most `chunk` bytes at a time, until nothing more can be moved.
    pub(super) fn pump(&mut self, board: &mut Board, chunk: usize) -> Result<(), String> {
        if !board.connected() {
            return Ok(());
        }
        if self.deadline().is_some_and(|at| at <= board.now()) {
            self.tell(board, Event::Acked(board.acked()))?;
        }
        loop {
            let ports = self.client.ports();
            let (tx, rx) = (ports.tx.len().min(board.room()).min(chunk), ports.rx.len());
            let rx = rx.min(board.readable()).min(chunk);
            if tx > 0 {
                board.write(&ports.tx[..tx]);
                self.tell(board, Event::Tx(tx))?;
            } else if rx > 0 {
                ports.rx[..rx].copy_from_slice(&board.read(rx));
                self.tell(board, Event::Rx(rx))?;
            } else {
                break;
            }
        }
        let over = board.fin_arrived() || board.broken() == Some(Broken::Reset);
        if over && board.readable() == 0 && !self.eof {
            self.eof = true;
            self.tell(board, Event::Eof)?;
        }
        if self.closing && !self.sent_fin && self.client.ports().tx.is_empty() {
            self.sent_fin = true;
            board.shut_down();
        }
        Ok(())
    }

    pub(super) fn standing(&self) -> Standing {
        self.client.standing()
    }

    /// Bytes that have come from the peer, in plain.
    pub(super) fn readable(&self) -> usize {
        self.client.readable()
    }

    pub(super) fn read(&mut self, plain: &mut [u8]) -> usize {
        self.client.read_plain(plain)
    }

    /// How much plaintext may be written; new records come only when the old ones have gone.
    pub(super) fn room(&mut self) -> usize {
        let open = matches!(self.client.standing(), Standing::Up | Standing::PeerClosed);
        if open && self.client.ports().tx.is_empty() { usize::MAX } else { 0 }
    }

    pub(super) fn write(&mut self, plain: &[u8]) -> Result<usize, String> {
        match self.client.write_plain(plain) {
            0 => Err(format!("TLS takes nothing: {:?}", self.client)),
            taken => Ok(taken),
        }
    }

    /// Bytes of plaintext that the peer's TCP holds.
    pub(super) fn acked(&mut self, board: &Board) -> Result<u64, String> {
        self.tell(board, Event::Acked(board.acked()))?;
        Ok(self.client.acked())
    }

    /// Ends our direction: `close_notify`, and a FIN when that has gone.
    pub(super) fn close(&mut self) {
        self.client.close();
        self.closing = true;
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.sent_fin
    }

    /// When it wants to hear of acknowledgements, in µs.
    pub(super) fn deadline(&self) -> Option<u64> {
        let at = self.client.poll_timeout()?;
        Some(u64::try_from(at.as_micros()).unwrap_or(u64::MAX))
    }

    fn tell(&mut self, board: &Board, event: Event) -> Result<(), String> {
        let told = self.client.handle(Duration::from_micros(board.now()), event);
        told.map_err(|misuse| format!("TLS calls {event:?} a misuse: {misuse}"))
    }
}
