//! What every driver offers to the steps of a scenario: a world with a bridge in it, and what can be seen there.

use std::time::Duration;

use crate::scenario::{Depth, DeviceAct, NetworkAct, PeerAct};

/// A bridge between a device and its peers, simulated or real.
pub trait World {
    /// Starts the bridge.
    ///
    /// # Errors
    /// It did not start.
    fn start(&mut self) -> Result<(), String>;

    /// Does one thing, without waiting for what follows.
    ///
    /// # Errors
    /// This driver cannot.
    fn act(&mut self, act: &Act) -> Result<(), String>;

    /// Lets time pass until `done`, for at most `limit`; whether `done` came true.
    ///
    /// # Errors
    /// The bridge broke a promise on the way.
    fn wait(&mut self, limit: Duration, done: &mut dyn FnMut(&Observed) -> bool) -> Result<bool, String>;

    /// What can be seen now.
    fn observed(&self) -> &Observed;

    /// A counter of the bridge.
    ///
    /// # Errors
    /// There is no such counter.
    fn stat(&mut self, name: &str) -> Result<u64, String>;

    /// How long to wait for what a scenario wants within `within`: real machines are slow, lossy networks too.
    fn patience(&self, within: Duration) -> Duration;

    /// What is known about the bridge's doings, for the report of a failure.
    fn history(&mut self) -> String;
}

/// A step that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The bridge is asked to finish.
    Stop,
    /// The bridge's loop hangs.
    Hang,
    /// The bridge's clock is set back.
    ClockBack(Duration),
    /// The device does something.
    Device(DeviceAct),
    /// A peer does something.
    Peer(usize, PeerAct),
    /// The network does something.
    Network(NetworkAct),
}

/// What the world outside the bridge has seen since the start.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The time since the start of the scenario.
    pub now: Duration,
    /// Everything that the device was told to send.
    pub device_sent: Vec<u8>,
    /// Everything that it has received.
    pub device_got: Vec<u8>,
    /// What it still has to send, and since when none of that has moved.
    pub device_queue: Queue,
    /// Everything that the peers were told to send.
    pub peer_sent: Vec<u8>,
    /// What each peer still has to send.
    pub peer_queues: Vec<Queue>,
    /// Every connection, with whichever peer, oldest first.
    pub connections: Vec<Connection>,
    /// Every datagram that a peer has received.
    pub datagrams: Vec<(usize, Vec<u8>)>,
    /// The peer that the bridge is connected to.
    pub connected: Option<usize>,
    /// How often the radio was reset.
    pub radio_resets: u64,
    /// How often a restart was asked for.
    pub restarts: u64,
    /// How deeply the bridge lets its device sleep.
    pub depth: Option<Depth>,
    /// When the watchdog was last fed.
    pub watchdog_fed: Option<Duration>,
    /// What the bridge has said in its log.
    pub said: String,
    /// The bridge has finished: content, or with this complaint.
    pub finished: Option<Result<(), String>>,
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    /// Bytes.
    pub pending: usize,
    /// When the last of them moved, or the first came.
    pub moved: Duration,
}

/// A connection, as its peer sees it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which.
    pub peer: usize,
    /// What has arrived.
    pub got: Vec<u8>,
    /// The bridge's latest TLS alert.
    pub alert: Option<String>,
    /// How it ended, if it has.
    pub end: Option<Ending>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The bridge sent a FIN.
    Fin,
    /// The bridge sent a FIN without TLS's `close_notify` before it.
    Truncated,
    /// The bridge sent a RST.
    Reset,
    /// The peer itself closed or reset it.
    Own,
}

impl Connection {
    /// A new one with `peer`.
    pub const fn new(peer: usize) -> Self {
        Self { peer, got: Vec::new(), alert: None, end: None }
    }
}

impl Queue {
    /// Notes that `pending` bytes wait at `now`.
    pub const fn note(&mut self, now: Duration, pending: usize) {
        if pending != self.pending {
            self.moved = now;
        }
        self.pending = pending;
    }

    /// Something waits, and has not moved for a second.
    pub fn held_back(&self, now: Duration) -> bool {
        self.pending > 0 && now.saturating_sub(self.moved) >= Duration::from_secs(1)
    }
}

impl Observed {
    /// The streams that `peer`, or any, has received, oldest connection first.
    pub fn streams(&self, peer: Option<usize>) -> Vec<&[u8]> {
        let wanted = self.connections.iter().filter(|c| peer.is_none_or(|peer| c.peer == peer));
        wanted.map(|c| c.got.as_slice()).collect()
    }
}
