//! What an adapter tells the core, and what the core asks of it.

use crate::time::{Duration, Instant};

/// Which of the configured peers, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerIndex(pub u8);

/// Who confirms that uplink bytes have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Acks {
    /// The peer's transport does, and the adapter can ask it: [`Event::TxAcked`]. Nothing is lost over a reconnect.
    Peer,
    /// A byte counts as delivered once it is written (UDP, a pipe). What the network stack held when the
    /// connection broke is lost, and the core cannot know how much that was.
    OnWrite,
}

/// Something that happened outside. Byte counts refer to the slices last lent by
/// [`Bridge::ports`](crate::Bridge::ports); the bytes themselves are already in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// The network has an address: connecting makes sense.
    IpReady,
    /// The network's address is gone.
    IpLost,
    /// The connection that [`Action::Connect`] asked for is up.
    Connected(Acks),
    /// The peer has ended its side (a FIN, an end of file): nothing more will be read from the socket.
    PeerClosed,
    /// Writing to the socket fails, but what the peer had sent can still be read. No further `TxDone` will come.
    TxFailed,
    /// The connection, or the attempt to make one, is over and its socket gone. Report [`Event::TxAcked`] once more before it.
    Closed(CloseReason),
    /// This many bytes were read from the UART into `uart_rx`.
    UartRx(usize),
    /// This many bytes were read from the socket into `sock_rx`.
    SockRx(usize),
    /// A datagram did not fit `sock_rx`; this many of its bytes were cut off.
    SockRxCut(usize),
    /// This many bytes of `tx` were accepted by the network stack.
    TxDone(usize),
    /// The peer's transport holds this many bytes of this connection, counted from its start
    /// (see [`Bridge::tx_total`](crate::Bridge::tx_total)); never more than were written. One for each [`Action::QueryAcks`],
    /// in their order, says also that this was so after the question; more of them do no harm.
    TxAcked(u64),
    /// This many bytes of `uart_tx` were accepted by the UART's driver.
    UartTxDone(usize),
    /// The UART that [`Action::OpenUart`] asked for is open.
    UartOpened,
    /// The UART could not be opened, or has gone (unplugged).
    UartClosed,
    /// The UART has ended for good (end of file on a pipe): deliver what is held, then finish.
    UartEnded,
    /// The driver reports line errors: bytes lost before they reached the core.
    UartErrors(LineErrors),
    /// The deadline of [`Bridge::poll_timeout`](crate::Bridge::poll_timeout) has come.
    Timeout,
    /// Deliver what is held, for [`Config::drain_timeout`](crate::Config::drain_timeout) at most, then finish.
    Stop,
}

/// Line errors since the last report, as a UART driver counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LineErrors {
    /// Bytes that arrived while the receiver or the driver's buffer was full.
    pub overrun: u32,
    /// Bytes with a bad stop bit.
    pub framing: u32,
    /// Bytes with a bad parity bit.
    pub parity: u32,
}

/// Why a connection, or the attempt to make one, ended, as the network stack says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CloseReason {
    /// In order, after a FIN in both directions or at the core's own wish.
    Done,
    /// The peer reset it.
    Reset,
    /// Nobody listens there.
    Refused,
    /// The network stack gave up waiting.
    TimedOut,
    /// No route, or the network is down.
    Unreachable,
    /// The name could not be resolved.
    Unresolved,
    /// Another client has taken the place of this one.
    Replaced,
    /// Anything else; the adapter's log has it.
    Failed,
}

/// How a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Close {
    /// Send a FIN, go on reading until the peer's, then report [`Event::Closed`].
    Orderly(CloseCause),
    /// Drop the socket, or the attempt to connect, and report [`Event::Closed`].
    Abort(CloseCause),
}

/// Why the core closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CloseCause {
    /// Connecting took longer than [`Config::connect_timeout`](crate::Config::connect_timeout).
    ConnectTimeout,
    /// The peer has acknowledged nothing for [`Supervise::unacked`](crate::Supervise::unacked), or nobody says whether it has.
    Unacked,
    /// The peer has sent nothing for [`Supervise::silent`](crate::Supervise::silent).
    Silent,
    /// Nothing to say for the linger time of [`Power::OnDemand`](crate::Power::OnDemand).
    Idle,
    /// The network's address is gone.
    IpLost,
    /// The peer has closed its side, and what we had to say is said or has run out of time.
    PeerClosed,
    /// The peer did not answer an orderly close, or a broken connection did not end, in time.
    CloseTimeout,
    /// The bridge is stopping.
    Stopping,
}

/// Something to do. Bytes are not among them: they are moved through [`Ports`] whenever its slices are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// Open the UART; answer [`Event::UartOpened`] or [`Event::UartClosed`].
    OpenUart,
    /// Resolve and connect to this peer; answer [`Event::Connected`] or [`Event::Closed`].
    Connect(PeerIndex),
    /// Close the connection or abandon the attempt; the answer is [`Event::Closed`].
    Close(Close),
    /// Ask the network stack what the peer has acknowledged; answer [`Event::TxAcked`] at once. Where somebody else must be
    /// asked, the answer may take a while: it is not asked for again meanwhile, but for a last time when
    /// [`Supervise::unacked`](crate::Supervise::unacked) has passed. If that stays without an answer for
    /// [`Config::close_timeout`](crate::Config::close_timeout), the connection is given up.
    QueryAcks,
    /// Tell the device on the UART to pause or to go on (RTS, or XOFF and XON).
    UartFlow(Flow),
    /// The network is stuck: take this step.
    Recover(Step),
    /// Nothing to do until a port moves or the deadline comes.
    Sleep(Sleep),
    /// Everything is delivered, or the time to do so is over. No event will change this.
    Finished,
}

/// Hardware or software flow control towards the device on the UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Flow {
    /// The device may send.
    Go,
    /// The device must pause.
    Stop,
}

/// A rung of the ladder for a network that is stuck; going on to the next peer needs no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Step {
    /// Reset the radio, or whatever brings the network up.
    ResetRadio,
    /// Restart the device, or the program.
    Restart,
}

/// Until when and how deeply the device may sleep, and what must wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sleep {
    /// The next deadline, and its name.
    pub until: Option<(Instant, Timer)>,
    /// How deeply.
    pub depth: Depth,
    /// A byte from the network must wake the device (there is a connection). A byte from the UART always must.
    pub wake_on_downlink: bool,
}

/// How deeply a device may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Depth {
    /// Bytes are on their way: stop the processor between interrupts, no more.
    Idle,
    /// Quiet with a connection: clocks may stop as long as the connection is kept and UART and downlink wake the device.
    Doze,
    /// No connection and none wanted: only the UART and the timer need to wake the device.
    Deep,
}

/// The name of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Timer {
    /// Try to open the UART again.
    UartRetry,
    /// Try to connect again.
    BackOff,
    /// The network has had no address for too long.
    NoIp,
    /// Give up connecting.
    Connect,
    /// Give up closing in order.
    Close,
    /// The line was quiet long enough: the packet ends.
    Gap,
    /// Send a heartbeat.
    Heartbeat,
    /// Ask what the peer has acknowledged.
    QueryAcks,
    /// The peer has acknowledged nothing for too long: ask for the last time, or do not wait for that answer any more.
    Unacked,
    /// The peer has sent nothing for too long.
    Silent,
    /// Nothing to say: let the connection go, or sleep more deeply.
    Quiet,
    /// Stop delivering and finish.
    Drain,
}

/// Slices lent to the adapter; an empty slice means *not now*. Lend, move bytes on one of them, report the count
/// with [`Bridge::handle`](crate::Bridge::handle), and lend again.
#[derive(Debug)]
pub struct Ports<'a> {
    /// Room for bytes from the UART.
    pub uart_rx: &'a mut [u8],
    /// Room for bytes from the socket. With [`Packing::datagrams`](crate::Packing::datagrams), room for a whole datagram.
    pub sock_rx: &'a mut [u8],
    /// Bytes for the socket, in two parts because the ring wraps (the first is empty only if both are). A stream may take any prefix;
    /// with [`Packing::datagrams`](crate::Packing::datagrams) both parts together are one datagram and go whole.
    pub tx: [&'a [u8]; 2],
    /// Bytes for the UART; any prefix may be taken.
    pub uart_tx: &'a [u8],
}

/// What the link is doing, for logs and displays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkState {
    /// The network has no address.
    NoIp,
    /// No connection, because nobody needs one now.
    Parked,
    /// Waiting this long before the next attempt.
    BackOff(Duration),
    /// Connecting to a peer.
    Connecting(PeerIndex),
    /// Connected to a peer.
    Open(PeerIndex),
    /// The connection is ending; what can still be moved is.
    Closing,
    /// Finished.
    Finished,
}

/// A call that the core's contract excludes: a bug of the adapter, never the peer's doing. The call had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Misuse {
    /// More bytes reported than were lent.
    MoreThanLent,
    /// Part of a datagram reported as sent.
    SplitDatagram,
    /// More bytes acknowledged than written.
    AckedUnwritten,
    /// An event about a connection, and there is none.
    NoConnection,
    /// An answer to an action that was not given.
    NotAsked,
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MoreThanLent => "more bytes reported than were lent",
            Self::SplitDatagram => "part of a datagram reported as sent",
            Self::AckedUnwritten => "more bytes acknowledged than written",
            Self::NoConnection => "event about a connection, but there is none",
            Self::NotAsked => "answer to an action that was not given",
        })
    }
}

impl core::error::Error for Misuse {}
