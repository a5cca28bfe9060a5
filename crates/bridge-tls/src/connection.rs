//! One connection, as an adapter sees it.

use crate::engine::{ClientSide, Config, Facts, ServerConfig, ServerSide, Side};
use crate::failure::Failure;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::settings::SetupError;
use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

/// A connection to a server.
pub type Client<I, O> = Connection<ClientSide, I, O>;

/// A connection from a client. It is never [`State::Unproven`]: the client's certificate, where one is asked for, is
/// verified before the handshake is over.
pub type Server<I, O> = Connection<ServerSide, I, O>;

/// One TLS connection over a socket that somebody else owns.
///
/// `I` and `O` are the storage of the input and the output buffer, which hold ciphertext (`[u8; N]`, `Box<[u8]>`,
/// `&mut [u8]`, …): generic, so that a chip can keep them in static memory. [`INPUT_FOR_ANY_RECORD`](crate::INPUT_FOR_ANY_RECORD)
/// bytes of input suit every peer. Times are spans since any fixed start of the caller's, and must not run backwards.
///
/// # The order of calls
///
/// After [`Client::new`], which puts the first message into the output buffer, or [`Server::new`]:
///
/// 1. [`read_plain`](Self::read_plain) until it gives 0, and [`write_plain`](Self::write_plain) if there is something to say.
/// 2. Look at [`state`](Self::state) and [`peer_closed`](Self::peer_closed). On [`State::Failed`] write out what
///    [`ports`](Self::ports) has for the socket (an alert tells the peer the reason), and drop both.
/// 3. [`ports`](Self::ports): wait until bytes can be moved on a slice that is not empty, something else happens, or the
///    time of [`poll_timeout`](Self::poll_timeout) has come.
/// 4. Move bytes on *one* slice and report it with [`handle`](Self::handle) before any other call; report the
///    peer's FIN or a reset as [`Event::Eof`], and at the deadline what the peer's TCP has acknowledged as
///    [`Event::Acked`]. Then from 1 again.
///
/// No call blocks. An empty slice and a count of 0 mean *not now*.
pub struct Connection<S, I, O> {
    session: Session<S>,
    input: I,
    output: O,
}

/// What happened to the socket. Totals and counts are bytes of ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// So many bytes were written into [`Ports::rx`].
    Rx(usize),
    /// So many bytes of [`Ports::tx`] were taken.
    Tx(usize),
    /// The total that the peer's TCP holds of this connection.
    Acked(u64),
    /// The peer's FIN was read, or the connection was reset: nothing more will come.
    Eof,
}

/// Slices of ciphertext lent to the adapter; an empty slice means *not now*.
#[derive(Debug)]
pub struct Ports<'a> {
    /// Room for ciphertext from the socket; empty while plaintext waits for [`Connection::read_plain`].
    pub rx: &'a mut [u8],
    /// Ciphertext for the socket; any prefix may be taken.
    pub tx: &'a [u8],
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The handshake is under way.
    Handshaking,
    /// The handshake is over for us, but the server may still refuse this client (TLS 1.3). Plaintext may be written; none
    /// of it counts as acknowledged.
    Unproven,
    /// The connection works.
    Proven,
    /// We have said `close_notify`; what the peer still sends can be read.
    Closing,
    /// Both sides have said `close_notify`, or we gave up during the handshake.
    Closed,
    /// It ended in disorder.
    Failed(Failure),
}

/// What a connection is worth to the bridge above it: what an adapter tells its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// No connection yet: the handshake is under way, or the server may still refuse this client.
    Connecting,
    /// A connection. It may have ended already, but something that came before its end is still to be read.
    Up,
    /// The peer has ended its direction in order, and everything before that has been read. Ours goes on until
    /// [`Client::close`].
    PeerClosed,
    /// There is none any more, or never was; nothing is left to read. In disorder for the reason given, or given up
    /// during the handshake.
    Over(Option<Failure>),
}

/// A call that the contract excludes: a bug of the adapter. The call had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Misuse {
    /// More bytes reported than were lent.
    MoreThanLent {
        /// Bytes reported.
        reported: usize,
        /// Bytes lent.
        lent: usize,
    },
    /// More bytes acknowledged than the socket took.
    AckedUnwritten,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreThanLent { reported, lent } => {
                write!(f, "{reported} bytes reported, but only {lent} lent")
            }
            Self::AckedUnwritten => f.write_str("more bytes acknowledged than written"),
        }
    }
}

impl core::error::Error for Misuse {}

impl<I: AsRef<[u8]> + AsMut<[u8]>, O: AsRef<[u8]> + AsMut<[u8]>> Client<I, O> {
    /// A connection to the server `name` (a host name or an IP address: what its certificate must be for, and what SNI says).
    ///
    /// # Errors
    /// A bad name, a buffer below [`MIN_BUFFER`](crate::MIN_BUFFER), or a provider that cannot start a handshake.
    pub fn new(config: &Config, name: &str, input: I, output: O) -> Result<Self, SetupError> {
        Self::reuse(config, name, (input, output)).map_err(|(error, _)| error)
    }

    /// The same, but the buffers are not lost with an error: for a chip whose buffers outlive its connections.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn reuse(config: &Config, name: &str, buffers: (I, O)) -> Result<Self, (SetupError, (I, O))> {
        match ClientSide::new(config, name) {
            Ok(side) => Self::start(side, config.prove_after, config.handshake_limit, buffers),
            Err(error) => Err((error, buffers)),
        }
    }
}

impl<I: AsRef<[u8]> + AsMut<[u8]>, O: AsRef<[u8]> + AsMut<[u8]>> Server<I, O> {
    /// A connection from a client that is about to speak.
    ///
    /// # Errors
    /// A buffer below [`MIN_BUFFER`](crate::MIN_BUFFER), or a provider that cannot start a handshake.
    pub fn new(config: &ServerConfig, input: I, output: O) -> Result<Self, SetupError> {
        Self::start(ServerSide::new(config)?, Duration::ZERO, usize::MAX, (input, output))
            .map_err(|(error, _)| error)
    }
}

impl<S: Side, I: AsRef<[u8]> + AsMut<[u8]>, O: AsRef<[u8]> + AsMut<[u8]>> Connection<S, I, O> {
    fn start(
        side: S,
        prove_after: Duration,
        handshake_limit: usize,
        buffers: (I, O),
    ) -> Result<Self, (SetupError, (I, O))> {
        if buffers.0.as_ref().len().min(buffers.1.as_ref().len()) < crate::MIN_BUFFER {
            return Err((SetupError::BufferTooSmall, buffers));
        }
        let (mut input, mut output) = buffers;
        let mut session = Session::new(side, prove_after, handshake_limit);
        session.pump(Duration::ZERO, input.as_mut(), output.as_mut(), &mut []);
        Ok(Self { session, input, output })
    }

    /// Takes in what happened to the socket.
    ///
    /// # Errors
    /// The adapter broke the contract; the event had no effect.
    pub fn handle(&mut self, now: Duration, event: Event) -> Result<(), Misuse> {
        let Self { session, input, output } = self;
        session.handle(now, event, input.as_mut(), output.as_mut())
    }

    /// The slices on which ciphertext can be moved now.
    pub fn ports(&mut self) -> Ports<'_> {
        let Self { session, input, output } = self;
        session.refill(output.as_mut());
        let rx = session.room(input.as_mut());
        Ports { rx, tx: session.ready.held(O::as_ref(output)) }
    }

    /// Copies out plaintext from the peer; 0 means *not now*. Also after a failure, what came before it.
    pub fn read_plain(&mut self, plain: &mut [u8]) -> usize {
        let Self { session, input, output } = self;
        session.read(input.as_mut(), output.as_mut(), plain)
    }

    /// [`Event::Rx`] and then [`read_plain`](Self::read_plain) in one, which saves a copy: `count` bytes were written into
    /// [`Ports::rx`], and their plaintext is wanted in `plain`.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub fn receive(&mut self, now: Duration, count: usize, plain: &mut [u8]) -> Result<usize, Misuse> {
        let Self { session, input, output } = self;
        session.receive(now, count, input.as_mut(), output.as_mut(), plain)
    }

    /// Encrypts what fits of `plain` and says how much that was; 0 means *not now*.
    pub fn write_plain(&mut self, plain: &[u8]) -> usize {
        let Self { session, input, output } = self;
        session.write(input.as_mut(), output.as_mut(), plain)
    }

    /// Ends our direction with `close_notify`, after all plaintext taken so far. During the handshake, gives up.
    /// Does nothing on a connection that is closing or has ended.
    pub fn close(&mut self) {
        let Self { session, input, output } = self;
        session.close(input.as_mut(), output.as_mut());
    }
}

impl<S: Side, I, O> Connection<S, I, O> {
    /// Gives the buffers back; everything else of the connection goes.
    pub fn into_buffers(self) -> (I, O) {
        (self.input, self.output)
    }

    /// How far the connection is.
    pub fn state(&self) -> State {
        match self.session.phase {
            Phase::Handshaking => State::Handshaking,
            Phase::Unproven(_) => State::Unproven,
            Phase::Proven => State::Proven,
            Phase::Closing => State::Closing,
            Phase::Closed => State::Closed,
            Phase::Failed(failure) => State::Failed(failure),
        }
    }

    /// What to tell the bridge, after each [`handle`](Client::handle) and each read.
    pub fn standing(&self) -> Standing {
        let unread = self.session.proven && self.readable() > 0;
        match self.session.phase {
            Phase::Handshaking | Phase::Unproven(_) => Standing::Connecting,
            Phase::Proven | Phase::Closing | Phase::Closed | Phase::Failed(_) if unread => Standing::Up,
            Phase::Proven | Phase::Closing if self.session.peer_closed => Standing::PeerClosed,
            Phase::Proven | Phase::Closing => Standing::Up,
            Phase::Closed if self.session.proven => Standing::PeerClosed,
            Phase::Closed => Standing::Over(None),
            Phase::Failed(failure) => Standing::Over(Some(failure)),
        }
    }

    /// Bytes of plaintext that [`read_plain`](Client::read_plain) has at once.
    pub fn readable(&self) -> usize {
        self.session.unread
    }

    /// Whether the peer has said `close_notify`, and all plaintext before it has been read. Writing still works: the
    /// directions end separately (RFC 8446 §6.1).
    pub fn peer_closed(&self) -> bool {
        self.session.peer_closed && self.session.unread == 0
    }

    /// Total bytes of plaintext that the peer holds for sure; 0 until the connection is [`State::Proven`].
    pub fn acked(&self) -> u64 {
        if self.session.proven { self.session.marks.acked() } else { 0 }
    }

    /// Total bytes of plaintext taken by [`write_plain`](Self::write_plain).
    pub fn written(&self) -> u64 {
        self.session.plain_total
    }

    /// When [`Event::Acked`] is wanted next; only in [`State::Unproven`], where silence after the acknowledgement of the
    /// handshake is the last proof. Where nobody can be asked, report what the socket took.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.session.phase {
            Phase::Unproven(proof) => Some(proof.deadline(self.session.prove_after)),
            Phase::Handshaking | Phase::Proven | Phase::Closing | Phase::Closed | Phase::Failed(_) => None,
        }
    }

    /// What the handshake agreed on; `None` before its end.
    pub fn facts(&self) -> Option<Facts> {
        self.session.engine.facts()
    }

    /// A failure in words, as this side tells it.
    pub fn words(failure: Failure) -> String {
        if S::IS_SERVER { Refusal(failure).to_string() } else { failure.to_string() }
    }

    /// The certificate that the peer has shown, in DER; also in a session that was taken up again.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.session.engine.peer_certificate()
    }
}

impl<S: Side, I, O> fmt::Debug for Connection<S, I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state())
            .field("peer_closed", &self.session.peer_closed)
            .field("written", &self.session.plain_total)
            .field("ciphertext", &self.session.cipher_total)
            .finish_non_exhaustive()
    }
}
