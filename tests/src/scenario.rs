//! What a scenario file says, after reading.

pub mod tls;

use std::time::Duration;

/// One behaviour: how the bridge is set up, and what happens step by step.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its extension.
    pub name: String,
    /// One line on what must happen.
    pub title: String,
    /// Why the file exists.
    pub proves: Vec<Proof>,
    /// The bridge's options, named as the program names them, with their values as written.
    pub options: Vec<(String, String)>,
    /// How the bridge and its peers speak.
    pub transport: Transport,
    /// TLS over TCP, if it is spoken.
    pub tls: Option<tls::Tls>,
    /// How the bridge is told where its peers are.
    pub address: Address,
    /// How many peers there are, 1 or more.
    pub peers: usize,
    /// The serial line and the network, where a driver can choose them.
    pub world: WorldSettings,
    /// The steps, each with its line in the file and its text.
    pub steps: Vec<Line>,
}

/// A step and where it stands.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// As written, without comment.
    pub text: String,
    /// What it means.
    pub step: Step,
}

/// What a scenario is there to prove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A row of the acceptance list, S1 to S16.
    Row(u8),
    /// One of the fourteen ways in which the tutorial's script loses data.
    Failure(u8),
    /// Something that users of such programs complain about.
    Theme(String),
}

/// How the bridge and its peers speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// The bridge connects to a peer.
    #[default]
    Tcp,
    /// The bridge listens, and the peer connects.
    TcpListen,
    /// Datagrams.
    Udp,
}

/// How a peer's address is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 address.
    #[default]
    V4,
    /// An IPv6 address.
    V6,
    /// A host name that has addresses of both kinds, of which the peer has one.
    Name,
}

/// The simulated serial line and network. Real drivers take what they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldSettings {
    /// Bits per second on the line, ten bits a byte.
    pub baud: u32,
    /// Bytes that the UART's driver holds for the bridge, and again for the device.
    pub fifo: usize,
    /// Who holds the device back.
    pub flow_control: FlowControl,
    /// One way through the network.
    pub delay: Duration,
    /// Bytes in each send and receive buffer of the network stacks.
    pub window: usize,
}

/// Who holds the device back when bytes cannot be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    /// Nobody: what the driver has no room for is lost.
    None,
    /// The bridge, when it says so.
    Bridge,
    /// The bridge, and the driver by itself when it is nearly full.
    Driver,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            baud: 115_200,
            fifo: 1024,
            flow_control: FlowControl::Driver,
            delay: Duration::from_millis(20),
            window: 8192,
        }
    }
}

/// One thing that happens, or must have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bridge starts; steps before it prepare its world. Without it the bridge starts before the first step.
    Start,
    /// The bridge does not start, and says this.
    StartFails(String),
    /// The bridge is asked to finish (SIGTERM).
    Stop,
    /// The bridge's loop hangs (SIGSTOP), as a bug or a dead driver would make it.
    Hang,
    /// Time passes.
    Wait(Duration),
    /// The bridge's clock is set back.
    ClockBack(Duration),
    /// The device on the UART does something.
    Device(DeviceAct),
    /// A peer does something.
    Peer(usize, PeerAct),
    /// The network does something.
    Network(NetworkAct),
    /// What must become true.
    Expect(Expect),
}

/// What the device on the UART does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAct {
    /// Sends bytes, as fast as the line takes them.
    Sends(Payload),
    /// Sends records until told to stop.
    Floods,
    /// Ends the flood at the end of a record.
    StopsSending,
    /// Reads no more: the line holds the bridge back.
    Stalls,
    /// Reads on.
    ReadsAgain,
    /// Its plug is pulled.
    Unplugged,
    /// It is plugged in.
    Plugged,
    /// One byte arrives with a framing error.
    LineError,
}

/// What a peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAct {
    /// Sends bytes on its newest connection; one datagram over UDP.
    Sends(Payload),
    /// Sends records until told to stop.
    Floods,
    /// Ends the flood at the end of a record.
    StopsSending,
    /// Closes its socket: what is queued goes out with a FIN after it, what arrives later is answered by a RST.
    Closes,
    /// Sends a FIN after what is queued, and goes on reading.
    HalfCloses,
    /// Drops its connection with a RST.
    Resets,
    /// Listens no more: attempts to connect are refused.
    Refuses,
    /// Listens.
    Listens,
    /// Reads no more.
    Stalls,
    /// Reads on.
    ReadsAgain,
    /// From now on, whatever it sends leaves a byte a segment.
    Trickles,
    /// Closes its socket after the first half of a TLS record.
    ClosesMidRecord,
    /// Closes its socket without TLS's `close_notify`.
    ClosesUnannounced,
    /// Does something with TLS.
    Tls(tls::TlsAct),
}

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkAct {
    /// Every packet vanishes, both ways.
    BlackHole,
    /// Acknowledgements of the uplink vanish.
    LosesAcks,
    /// Everything gets through again.
    Heals,
    /// The bridge's host has no address.
    IpLost,
    /// It has one.
    IpReady,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// This many bytes of numbered records.
    Records(usize),
}

/// What must become true, and by when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// What.
    pub what: What,
    /// From now.
    pub within: Duration,
}

/// One end of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The device on the UART.
    Device,
    /// A peer, counted from 0.
    Peer(usize),
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// These bytes arrive next.
    Bytes(End, Vec<u8>),
    /// This datagram arrives next, whole and alone.
    Datagram(usize, Vec<u8>),
    /// Nothing arrives for so long.
    Nothing(End, Duration),
    /// Everything that the other end has sent so far has arrived, in order.
    Complete(End, Allowed),
    /// This end cannot send: something is queued, and for a second none of it has moved.
    HeldBack(End),
    /// The connection that ended last at this peer ended with a FIN, and under TLS with `close_notify` before it.
    EndOfStream(usize),
    /// The bridge's latest TLS alert to this peer, by the name in RFC 8446 §6.
    Alert(usize, String),
    /// The bridge's log has this.
    Says(String),
    /// There is a connection, with a certain peer or any.
    Connected(Option<usize>),
    /// There is none.
    Disconnected,
    /// A counter of the bridge.
    Stat(String, Ordering, u64),
    /// So many connections were made, with all peers together.
    Connections(Ordering, u64),
    /// So often was the radio reset.
    RadioResets(u64),
    /// So often was a restart asked for.
    Restarts(u64),
    /// The bridge lets its device sleep so deeply.
    Sleeps(Depth),
    /// The watchdog is fed.
    WatchdogFed,
    /// The watchdog bites: nobody has fed it for 9 s.
    WatchdogBites,
    /// The bridge has finished, and everything is delivered.
    Finished,
    /// The bridge has finished, and says that something is not.
    GivesUp,
}

/// What [`What::Complete`] lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// At most so many bytes may arrive twice.
    pub duplicated: usize,
    /// Bytes may be missing, if the bridge has counted every one of them as dropped, and at least one.
    pub lost: Lost,
}

/// Whether bytes may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// No.
    #[default]
    Nothing,
    /// If counted, and at least one is.
    Counted,
    /// If counted, and only whole records.
    WholeRecords,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// Exactly.
    Is,
    /// No more than.
    AtMost,
    /// No less than.
    AtLeast,
}

/// How deeply a device may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The processor stops between interrupts.
    Idle,
    /// Clocks may stop, the connection stays.
    Doze,
    /// No connection.
    Deep,
}

impl Ordering {
    /// Whether `left` stands so to `right`.
    pub const fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Is => left == right,
            Self::AtMost => left <= right,
            Self::AtLeast => left >= right,
        }
    }
}

impl core::fmt::Display for Proof {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Row(n) => write!(f, "S{n}"),
            Self::Failure(n) => write!(f, "failure {n}"),
            Self::Theme(theme) => f.write_str(theme),
        }
    }
}
