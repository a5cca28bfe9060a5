//! What a scenario says about TLS.

/// How the peers speak TLS, and what the bridge and they know of each other. By default nobody has a reason to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The peers want a certificate of the bridge, and it has one.
    pub mutual: bool,
    /// The only version that the peers speak.
    pub version: Option<Version>,
    /// The peers send no session tickets, so nothing but their silence shows that they accept the bridge (TLS 1.3).
    pub without_tickets: bool,
    /// How the bridge is told to verify its peers.
    pub trust: Trust,
    /// What is wrong with the peers' certificate.
    pub server: ServerCertificate,
    /// What is wrong with the bridge's.
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

/// How the bridge verifies its peers.
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

/// The peers' certificate.
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
    /// Issued by an authority that the bridge does not know.
    AnotherAuthority,
}

/// The bridge's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// As it should be.
    #[default]
    Good,
    /// There is none.
    None,
    /// Issued by an authority that the peers do not know.
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

/// How a peer answers the first message of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake {
    /// As TLS has it.
    #[default]
    Proper,
    /// Not at all.
    Stalls,
    /// With the first half of what it should say, and a FIN.
    CutShort,
    /// With something that is no TLS.
    Garbage,
}
