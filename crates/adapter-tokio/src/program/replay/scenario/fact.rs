//! What happened around a bridge, as its trace has it.

/// What happened outside of the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// The device sent this.
    Device(Payload),
    /// A peer sent this.
    Peer(usize, Payload),
    /// An attempt to connect, and what became of it.
    Attempt(usize, Outcome),
    /// It came to this.
    Connected(usize),
    /// How a connection ended that the bridge did not end.
    Ended(usize, End),
    /// Nothing reaches the peer any more.
    Silence,
    /// The bridge gave the connection up for that.
    GivenUp,
    Unplugged,
    Plugged,
    LineError,
    IpLost,
    IpReady,
    Stop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Bytes(Vec<u8>),
    /// So many, which nobody knows.
    Unknown(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The trace ends before.
    Open,
    Connected,
    Refused,
    /// No answer came.
    Silence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Reset,
    /// The peer has closed its side, and the other one, too, if bytes were refused after that.
    Closed {
        whole: bool,
    },
}

impl Fact {
    /// Whether `more` is what the same end says next, and has become a part of this.
    pub(super) fn join(&mut self, more: &Self) -> bool {
        let (payload, more) = match (self, more) {
            (Self::Device(payload), Self::Device(more)) => (payload, more),
            (Self::Peer(peer, payload), Self::Peer(same, more)) if peer == same => (payload, more),
            _ => return false,
        };
        match (payload, more) {
            (Payload::Bytes(bytes), Payload::Bytes(more)) => bytes.extend_from_slice(more),
            (Payload::Unknown(n), Payload::Unknown(more)) => *n = n.saturating_add(*more),
            (Payload::Bytes(_), Payload::Unknown(_)) | (Payload::Unknown(_), Payload::Bytes(_)) => {
                return false;
            }
        }
        true
    }
}
