//! A TLS connection of ours, as client or as server, between a genuine peer and whoever holds the wire: ciphertext that is
//! delivered, damaged, forged, withheld or made up, and every call in every order.

mod peer;
mod world;

use crate::script::Script;
use peer::{Peer, pattern, patterned};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use std::time::Duration;
use uartbridge_tls::{
    Client, Clients, Config, Connection, Event, Failure, Misuse, Roots, Server, ServerConfig, ServerSettings,
    Settings, Side, State, Trust, memory_sessions,
};
use world::{PAPER, Paper};

/// How far the connections of a run got, in bytes; what a corpus must reach to be worth anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Connections that worked.
    pub proven: u32,
    /// Plaintext read.
    pub read: u64,
    /// Plaintext acknowledged.
    pub acked: u64,
}

/// One run.
///
/// # Panics
/// A promise of `uartbridge-tls` does not hold.
pub fn run(data: &[u8]) -> Depth {
    world::reset();
    let mut script = Script::new(data);
    let (input, output) = if script.flag() { (16_645, 4096) } else { (2048, 512) };
    let buffers = || (vec![0; input].into_boxed_slice(), vec![0; output].into_boxed_slice());
    let identified = script.flag();
    let asks = script.flag();
    if script.flag() {
        let (input, output) = buffers();
        let server = Server::new(&server_config(asks), input, output).expect("a server");
        let name = ServerName::try_from("localhost").expect("a name");
        let peer = ClientConnection::new(PAPER.client_config(identified), name).expect("a client");
        return Run::new(server, Peer::new(peer.into())).play(&mut script);
    }
    let config = client_config(identified, script.byte());
    let peers = PAPER.server_config(asks, usize::from(script.byte() % 3));
    // The second connection takes up the first one's session, if it got so far.
    let mut connection = || {
        let (input, output) = buffers();
        let client = Client::new(&config, "localhost", input, output).expect("a client");
        let peer = ServerConnection::new(peers.clone()).expect("a server");
        Run::new(client, Peer::new(peer.into())).play(&mut script)
    };
    let (first, second) = (connection(), connection());
    Depth {
        proven: first.proven + second.proven,
        read: first.read + second.read,
        acked: first.acked + second.acked,
    }
}

fn client_config(identified: bool, kind: u8) -> Config {
    let trust = match kind % 3 {
        0 => Trust::Authorities(Roots::new(&PAPER.authority).expect("a root")),
        1 => Trust::InsecureVerifyNobody,
        _ => Trust::Pins(vec![uartbridge_tls::Pin([7; 32])]),
    };
    let mut settings = Settings::new(world::provider(), world::clock(), trust);
    settings.identity = identified.then(|| Paper::identity(&PAPER.client));
    settings.sessions = (kind & 0x80 == 0).then(|| memory_sessions(1));
    settings.alpn = if kind & 0x40 == 0 { vec![] } else { vec![b"uart".to_vec()] };
    Config::new(settings).expect("settings")
}

fn server_config(asks: bool) -> ServerConfig {
    let mut settings = ServerSettings::new(world::provider(), world::clock(), Paper::identity(&PAPER.server));
    let roots = Roots::new(&PAPER.authority).expect("a root");
    settings.clients = if asks { Clients::Required(roots) } else { Clients::Optional(roots) };
    ServerConfig::new(settings).expect("settings")
}

/// A connection under test, and all that is known about it from outside.
struct Run<S> {
    ours: Connection<S, Box<[u8]>, Box<[u8]>>,
    peer: Peer,
    now: Duration,
    /// Totals in bytes: plaintext read and written; ciphertext that the socket took.
    read: u64,
    written: u64,
    sent: u64,
    /// All that the socket took has reached the peer, and no more is acknowledged than that.
    honest: bool,
    /// Nothing was damaged, made up or lost, either way.
    intact: bool,
    proven: bool,
    before: Seen,
}

/// What must only ever grow, or stay.
#[derive(Clone, Copy)]
struct Seen {
    state: State,
    peer_closed: bool,
    acked: u64,
}

impl<S: Side> Run<S> {
    fn new(ours: Connection<S, Box<[u8]>, Box<[u8]>>, peer: Peer) -> Self {
        let before = Seen { state: State::Handshaking, peer_closed: false, acked: 0 };
        Self {
            ours,
            peer,
            now: Duration::ZERO,
            read: 0,
            written: 0,
            sent: 0,
            honest: true,
            intact: true,
            proven: false,
            before,
        }
    }

    fn play(mut self, script: &mut Script<'_>) -> Depth {
        while !script.ended() {
            let step = script.byte();
            if step == 0xff {
                break;
            }
            self.step(step % 19, script);
            self.check();
        }
        // However it went, what is there can be read to its end, and an end is final.
        self.event(Event::Eof).expect("always");
        while self.reads(1000) > 0 {}
        self.check();
        Depth { proven: self.proven.into(), read: self.read, acked: self.before.acked }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step {
            0 => self.settles(),
            1 => {
                self.sends(script.size());
            }
            2 => {
                let bytes = self.peer.gives(script.size());
                self.receives(&bytes);
            }
            3 => {
                let mut bytes = self.peer.gives(script.size());
                let (place, flip) = (script.size(), script.byte());
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= flip;
                    self.intact = false;
                }
                self.receives(&bytes);
            }
            4 => {
                let count = usize::from(script.byte());
                self.intact = false;
                self.receives(script.take(count));
            }
            5 => {
                // A record as it should look from outside.
                let (kind, count) = (20 + script.byte() % 5, usize::from(script.byte()));
                let body = script.take(count);
                let head = [kind, 3, 3, 0, body.len() as u8];
                self.intact = false;
                self.receives(&[&head[..], body].concat());
            }
            6 => {
                // A part of what the peer sent is lost.
                self.intact &= self.peer.gives(script.size()).is_empty();
            }
            7 => {
                self.reads(script.size());
            }
            8 => self.writes(script.size()),
            9 => self.peer.says(script.size()),
            10 => self.peer.closes(),
            11 => self.peer.changes_its_keys(),
            12 => self.event(Event::Acked(self.sent)).expect("what was sent"),
            13 => self.acknowledges(script.size() as u64),
            14 => self.swallows(script.size()),
            15 => self.reports_too_much(script.size()),
            16 => self.now += Duration::from_millis(script.size() as u64),
            17 => self.ours.close(),
            _ => self.event(Event::Eof).expect("always"),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Misuse> {
        self.ours.handle(self.now, event)
    }

    /// Both sides go on until neither has anything more to say.
    fn settles(&mut self) {
        loop {
            let sent = self.sends(usize::MAX);
            let room = self.ours.ports().rx.len();
            let bytes = self.peer.gives(room);
            self.receives(&bytes);
            let read = self.reads(4096);
            if !sent && bytes.is_empty() && read == 0 {
                return;
            }
        }
    }

    /// The socket takes up to `count` bytes and the peer gets them; whether there were any.
    fn sends(&mut self, count: usize) -> bool {
        let tx = self.ours.ports().tx;
        let bytes = tx[..count.min(tx.len())].to_vec();
        self.sent += bytes.len() as u64;
        self.event(Event::Tx(bytes.len())).expect("what was lent");
        self.peer.takes(&bytes);
        !bytes.is_empty()
    }

    /// The socket takes up to `count` bytes, and they go astray.
    fn swallows(&mut self, count: usize) {
        let count = count.min(self.ours.ports().tx.len());
        self.sent += count as u64;
        self.honest &= count == 0;
        self.intact &= count == 0;
        self.event(Event::Tx(count)).expect("what was lent");
    }

    /// Ciphertext arrives; what finds no room is lost. Every other time plaintext is wanted in the same call.
    fn receives(&mut self, bytes: &[u8]) {
        let rx = self.ours.ports().rx;
        let count = bytes.len().min(rx.len());
        rx[..count].copy_from_slice(&bytes[..count]);
        self.intact &= count == bytes.len();
        if count.is_multiple_of(2) {
            self.event(Event::Rx(count)).expect("what was lent");
        } else {
            let mut plain = [0; 700];
            let taken = self.ours.receive(self.now, count, &mut plain).expect("what was lent");
            self.heard(&plain[..taken]);
        }
    }

    fn reads(&mut self, count: usize) -> usize {
        let mut plain = vec![0; count];
        let taken = self.ours.read_plain(&mut plain);
        self.heard(&plain[..taken]);
        taken
    }

    /// No plaintext but the peer's, in order, whatever was done to the wire.
    fn heard(&mut self, plain: &[u8]) {
        for byte in plain {
            assert_eq!(*byte, pattern(self.read), "byte {} that was read", self.read);
            self.read += 1;
        }
        assert!(self.read <= self.peer.said, "more was read than the peer said");
    }

    fn writes(&mut self, count: usize) {
        let taken = self.ours.write_plain(&patterned(self.written, count));
        assert!(taken <= count);
        self.written += taken as u64;
    }

    /// Some total, which may be more than was sent.
    fn acknowledges(&mut self, total: u64) {
        let done = self.event(Event::Acked(total));
        assert_eq!(done, if total > self.sent { Err(Misuse::AckedUnwritten) } else { Ok(()) });
    }

    /// A bug of the adapter has no effect.
    fn reports_too_much(&mut self, more: usize) {
        let ports = self.ours.ports();
        let (rx, tx) = (ports.rx.len(), ports.tx.len());
        let before = format!("{:?}", self.ours);
        for (lent, event) in [(rx, Event::Rx(rx + 1 + more)), (tx, Event::Tx(tx + 1 + more))] {
            let misuse = Misuse::MoreThanLent { reported: lent + 1 + more, lent };
            assert_eq!(self.event(event), Err(misuse));
        }
        assert_eq!(format!("{:?}", self.ours), before);
        let ports = self.ours.ports();
        assert_eq!((ports.rx.len(), ports.tx.len()), (rx, tx));
    }

    fn check(&mut self) {
        let ours = &self.ours;
        let now = Seen { state: ours.state(), peer_closed: ours.peer_closed(), acked: ours.acked() };
        assert_eq!(ours.written(), self.written);
        assert!(now.acked <= self.written, "{} of {} acknowledged", now.acked, self.written);
        if matches!(now.state, State::Handshaking | State::Unproven) {
            assert_eq!(now.acked, 0, "acknowledged by a server that may still refuse us");
        }
        assert!(now.acked >= self.before.acked, "an acknowledgement was taken back");
        assert!(now.peer_closed || !self.before.peer_closed, "the peer's end was taken back");
        assert!(may_follow(self.before.state, now.state), "{:?} after {:?}", now.state, self.before.state);
        assert_eq!(ours.poll_timeout().is_some(), now.state == State::Unproven);
        if self.honest && self.peer.listens {
            assert!(now.acked <= self.peer.heard, "acknowledged, but the peer has not got it");
        }
        if self.intact {
            assert_ne!(now.state, State::Failed(Failure::BadRecord), "on a wire that keeps all as it is");
            let error = self.peer.error.as_ref();
            assert!(error.is_none_or(is_about_trust), "{error:?} on a wire that keeps all as it is");
        }
        self.proven |= now.state == State::Proven;
        self.before = now;
    }
}

/// Not about what our records look like.
fn is_about_trust(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(_) | rustls::Error::NoCertificatesPresented)
}

fn may_follow(before: State, after: State) -> bool {
    let rank = |state| match state {
        State::Handshaking => 0,
        State::Unproven => 1,
        State::Proven => 2,
        State::Closing => 3,
        State::Closed | State::Failed(_) => 4,
    };
    before == after || rank(before) < rank(after)
}
