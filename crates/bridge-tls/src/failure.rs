//! Why a connection ended in disorder: whose fault it is, and what to do.

use core::fmt;

/// Whose fault a [`Failure`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The server, or its certificate.
    Server,
    /// This client's settings.
    Settings,
    /// Something on the way, or the server's sudden end: trying again may help.
    Network,
}

/// Why a connection ended in disorder. The text of each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The server's certificate comes from an authority that is not trusted.
    UnknownAuthority,
    /// The server's certificate is its own issuer.
    SelfSigned,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is not for servers.
    WrongUsage,
    /// The server's certificate, or the chain to its authority, is damaged or unsupported.
    BadCertificate,
    /// The server's public key is none of the pinned ones.
    PinMismatch,
    /// There is no calendar time to check dates with.
    NoClock,
    /// The server wants a client certificate, and there is none.
    ClientCertificateRequired,
    /// The server refused the client certificate.
    ClientCertificateRefused(Objection),
    /// The client refused the server certificate.
    ServerCertificateRefused(Objection),
    /// No common protocol version.
    ProtocolVersion,
    /// No common cipher suite, group, signature scheme or other parameter.
    NothingInCommon,
    /// None of the offered ALPN protocols suits the server.
    NoApplicationProtocol,
    /// The server knows no such name.
    UnknownName,
    /// The server sent another fatal alert: its number (RFC 8446 §6).
    Alert(u8),
    /// What answers does not speak TLS.
    NotTls,
    /// A record did not decrypt.
    BadRecord,
    /// The server broke the protocol.
    Protocol,
    /// A record is larger than the input buffer (bytes).
    RecordTooLarge {
        /// Of the record, with its header.
        record: usize,
        /// Of the buffer.
        buffer: usize,
    },
    /// A handshake message is larger than the input buffer, or than [`Settings::handshake_limit`](crate::Settings::handshake_limit).
    HandshakeTooLarge {
        /// The smaller of them, in bytes.
        buffer: usize,
    },
    /// The connection ended before the handshake did.
    ClosedInHandshake,
    /// The connection ended right after the handshake, before the server had shown that it accepts this client.
    ClosedUnproven,
    /// The connection ended without `close_notify`: what came last may be missing.
    Truncated,
    /// The keys have encrypted as much as they may.
    KeysUsedUp,
    /// The crypto provider failed.
    Provider,
}

/// What a server has against a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Objection {
    /// Its authority is unknown to the server.
    UnknownAuthority,
    /// It has expired, or is not valid yet.
    Expired,
    /// It has been revoked.
    Revoked,
    /// Its kind is not supported.
    Unsupported,
    /// The signature made with its key is wrong.
    BadSignature,
    /// It is valid, but has no right to this.
    AccessDenied,
    /// The server does not say.
    Unspecified,
}

impl Failure {
    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::UnknownAuthority
            | Self::SelfSigned
            | Self::WrongName
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongUsage
            | Self::BadCertificate
            | Self::PinMismatch
            | Self::ProtocolVersion
            | Self::NothingInCommon
            | Self::Alert(_)
            | Self::NotTls
            | Self::Protocol => Fault::Server,
            Self::NoClock
            | Self::ClientCertificateRequired
            | Self::ClientCertificateRefused(_)
            | Self::ServerCertificateRefused(_)
            | Self::NoApplicationProtocol
            | Self::UnknownName
            | Self::RecordTooLarge { .. }
            | Self::HandshakeTooLarge { .. }
            | Self::Provider => Fault::Settings,
            Self::BadRecord
            | Self::ClosedInHandshake
            | Self::ClosedUnproven
            | Self::Truncated
            | Self::KeysUsedUp => Fault::Network,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::UnknownAuthority => {
                "the server's certificate comes from an authority that is not trusted; give the authority's certificate (ca=), or pin the server's key"
            }
            Self::SelfSigned => {
                "the server's certificate is self-signed; pin its key (pin=sha256:…), or have it issued by an authority"
            }
            Self::WrongName => {
                "the server's certificate is for another name; connect by a name that it lists, or give that name (sni=)"
            }
            Self::Expired => "the server's certificate has expired; renew it, or set this device's clock",
            Self::NotYetValid => "the server's certificate is not valid yet; set this device's clock",
            Self::WrongUsage => {
                "the server's certificate is not for servers; issue one with the usage serverAuth"
            }
            Self::BadCertificate => {
                "the server's certificate or its chain is damaged or unsupported; issue an X.509 v3 certificate and send its whole chain"
            }
            Self::PinMismatch => {
                "the server's public key is none of the pinned ones; if its key was changed on purpose, pin the new one, otherwise somebody is in between"
            }
            Self::NoClock => {
                "the time is not known, so the dates of certificates cannot be checked; set the clock, or pin the server's key"
            }
            Self::ClientCertificateRequired => {
                "the server wants a client certificate; give one (cert=, key=)"
            }
            Self::ClientCertificateRefused(objection) => {
                return write!(f, "the server refused the client certificate: {objection}");
            }
            Self::ServerCertificateRefused(objection) => {
                return write!(f, "the client refused the server certificate: {objection}");
            }
            Self::ProtocolVersion if cfg!(feature = "tls12") => {
                "the server speaks neither TLS 1.2 nor 1.3; update it"
            }
            Self::ProtocolVersion => {
                "the server does not speak TLS 1.3, and this end nothing older; update it"
            }
            Self::NothingInCommon => {
                "the server and this client have no cipher suite or parameter in common; widen the server's settings"
            }
            Self::NoApplicationProtocol => {
                "the server offers none of the application protocols asked for; correct alpn="
            }
            Self::UnknownName => "the server knows no such name; correct the host name or sni=",
            Self::Alert(number) => {
                return write!(f, "the server gave up with TLS alert {number}; its log has the reason");
            }
            Self::NotTls => "what answers does not speak TLS; correct the port, or connect without TLS",
            Self::BadRecord => "a TLS record was damaged on the way, or forged; reconnect",
            Self::Protocol => "the server broke the TLS protocol; its log may have the reason",
            Self::RecordTooLarge { record, buffer } => {
                return write!(
                    f,
                    "a TLS record of {record} bytes does not fit the input buffer of {buffer}; enlarge the buffer, or make the server send smaller records"
                );
            }
            Self::HandshakeTooLarge { buffer } => {
                return write!(
                    f,
                    "the server's handshake (its certificates) does not fit the {buffer} bytes that there are for it; enlarge the input buffer or the limit, or shorten the chain"
                );
            }
            Self::ClosedInHandshake => {
                "the connection ended in the middle of the TLS handshake; the server's log has the reason if it was the server"
            }
            Self::ClosedUnproven => {
                "the connection ended right after the TLS handshake; usually the server refused the client certificate or its absence: see its log"
            }
            Self::Truncated => "the connection ended without TLS close_notify; what came last may be missing",
            Self::KeysUsedUp => "the TLS keys have encrypted as much as they may; reconnect",
            Self::Provider => "the crypto provider failed; check its source of random bytes",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAuthority => {
                "its authority is unknown there; have it issued by one that the server trusts"
            }
            Self::Expired => "it has expired or is not valid yet; renew it, or set the server's clock",
            Self::Revoked => "it has been revoked; get a new one",
            Self::Unsupported => "its kind is not supported there; issue one with the usage clientAuth",
            Self::BadSignature => {
                "its signature was found wrong; check that key and certificate belong together"
            }
            Self::AccessDenied => "it has no right to connect; let the server allow it",
            Self::Unspecified => "no reason given; the server's log has it",
        })
    }
}

impl core::error::Error for Failure {}
