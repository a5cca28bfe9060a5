//! What a scenario says about TLS.

/// How the bridge and its peers speak TLS, and what they know of each other; with a listening bridge, that is the server.
/// By default nobody has a reason to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The server wants a certificate of the client, and it has one.
    pub mutual: bool,
    /// The only version that the peers speak.
    pub version: Option<Version>,
    /// Peers that are servers send no session tickets, so nothing but their silence shows that they accept the bridge
    /// (TLS 1.3).
    pub without_tickets: bool,
    /// How the bridge is told to verify servers.
    pub trust: Trust,
    /// What is wrong with the server's certificate.
    pub server: ServerCertificate,
    /// What is wrong with the client's.
    pub client: ClientCertificate,
}

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// How the bridge verifies servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// By their authority.
    #[default]
    Authority,
    /// By their public key.
    Pin,
    /// By a public key that is not theirs.
    AnotherPin,
    /// By their authority and their public key.
    AuthorityAndPin,
    /// By their authority, and a public key that is not theirs.
    AuthorityAndAnotherPin,
}

/// The server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerCertificate {
    /// As it should be.
    #[default]
    Good,
    /// Expired years ago.
    Expired,
    /// Valid in years from now.
    NotYetValid,
    /// Names another host.
    AnotherName,
    /// Issued for clients.
    ForClients,
    /// Issued by nobody but itself.
    SelfSigned,
    /// Issued by an authority that the client does not know.
    AnotherAuthority,
}

/// The client's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// As it should be.
    #[default]
    Good,
    /// There is none.
    None,
    /// Issued by an authority that the server does not know.
    AnotherAuthority,
    /// Expired years ago.
    Expired,
    /// With a key that is not its own.
    AnotherKey,
}

/// What a peer does with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAct {
    /// From its next connection on, shakes hands so.
    Handshake(Handshake),
    /// From its next connection on, refuses the bridge's certificate, whatever it is, or no longer.
    Distrusts(bool),
    /// Sends bytes that are no TLS.
    SendsGarbage,
    /// Sends a record without plaintext.
    SendsEmptyRecord,
    /// Changes the keys that it sends with, and wants the bridge to do so too (RFC 8446 §4.6.3).
    UpdatesKeys,
    /// Asks for a new handshake (RFC 5246 §7.4.1.1).
    Renegotiates,
}

/// What a peer says first on a connection; a server, when it has heard the client's first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake {
    /// What TLS wants.
    #[default]
    Proper,
    /// Nothing.
    Stalls,
    /// The first half of what it should say, and a FIN.
    CutShort,
    /// Something that is no TLS.
    Garbage,
}
