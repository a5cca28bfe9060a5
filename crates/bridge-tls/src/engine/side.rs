//! What the two sides of a connection do not share.

use super::{Config, ServerConfig};
use crate::failure::{Failure, Objection};
use crate::settings::SetupError;
use core::fmt;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::{AlertDescription, CommonState, Error, ProtocolVersion};

/// Which side of a connection we are: [`ClientSide`] or [`ServerSide`], and nothing else.
pub trait Side: sealed::Side {}

/// We are the client.
pub struct ClientSide {
    connection: UnbufferedClientConnection,
    /// Whether we have a certificate of our own.
    identified: bool,
    in_place: bool,
}

/// We are the server.
pub struct ServerSide {
    connection: UnbufferedServerConnection,
}

impl Side for ClientSide {}
impl Side for ServerSide {}

impl fmt::Debug for ClientSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSide").field("identified", &self.identified).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSide").finish_non_exhaustive()
    }
}

/// A trait that nobody else can implement, because its methods name rustls.
pub(crate) mod sealed {
    use super::{AlertDescription, CommonState, Failure, UnbufferedStatus};

    pub trait Side {
        /// What rustls keeps of this side.
        type Data;
        /// Whether we are the server.
        const IS_SERVER: bool;
        /// One step of rustls.
        fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
        /// Whether plaintext stays where its record lay, and rustls hands out its place.
        fn in_place(&self) -> bool;
        /// What both sides have.
        fn common(&self) -> &CommonState;
        /// Tickets that came on this connection (TLS 1.3).
        fn tickets(&self) -> u32;
        /// What the peer's fatal alert means.
        fn alert(&self, alert: AlertDescription) -> Failure;
    }
}

impl ClientSide {
    pub(crate) fn new(config: &Config, name: &str) -> Result<Self, SetupError> {
        let name = ServerName::try_from(name).map_err(|_| SetupError::BadName)?.to_owned();
        let identified = config.tls.client_auth_cert_resolver.has_certs();
        let connection =
            UnbufferedClientConnection::new(config.tls.clone(), name).map_err(|error| start_error(&error))?;
        Ok(Self { connection, identified, in_place: config.in_place })
    }
}

impl ServerSide {
    pub(crate) fn new(config: &ServerConfig) -> Result<Self, SetupError> {
        let connection =
            UnbufferedServerConnection::new(config.tls.clone()).map_err(|error| start_error(&error))?;
        Ok(Self { connection })
    }
}

fn start_error(error: &Error) -> SetupError {
    if *error == Error::FailedToGetRandomBytes {
        SetupError::NoRandomness
    } else {
        SetupError::UselessProvider
    }
}

impl sealed::Side for ClientSide {
    type Data = ClientConnectionData;
    const IS_SERVER: bool = false;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ClientConnectionData> {
        self.connection.process_tls_records(input)
    }

    fn in_place(&self) -> bool {
        self.in_place
    }

    fn common(&self) -> &CommonState {
        &self.connection
    }

    fn tickets(&self) -> u32 {
        self.connection.tls13_tickets_received()
    }

    /// TLS 1.2 has no alert for a client certificate that is missing: servers send `handshake_failure` (RFC 5246 §7.4.6),
    /// which after the server's own flight means little else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
    fn alert(&self, alert: AlertDescription) -> Failure {
        use AlertDescription as Alert;
        let answered = self.connection.protocol_version().is_some();
        if is_established_tls12(&self.connection) {
            return other(alert);
        }
        let objection = match alert {
            Alert::CertificateRequired | Alert::NoCertificate => return Failure::ClientCertificateRequired,
            Alert::HandshakeFailure if answered && !self.identified => {
                return Failure::ClientCertificateRequired;
            }
            Alert::HandshakeFailure if answered => Some(Objection::Unspecified),
            other => objection(other),
        };
        match objection {
            Some(objection) if self.identified => Failure::ClientCertificateRefused(objection),
            Some(_) => Failure::Alert(alert.into()),
            None => parameters(alert).unwrap_or_else(|| other(alert)),
        }
    }
}

impl sealed::Side for ServerSide {
    type Data = ServerConnectionData;
    const IS_SERVER: bool = true;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.connection.process_tls_records(input)
    }

    fn in_place(&self) -> bool {
        false
    }

    fn common(&self) -> &CommonState {
        &self.connection
    }

    fn tickets(&self) -> u32 {
        0
    }

    fn alert(&self, alert: AlertDescription) -> Failure {
        if !self.connection.is_handshaking() {
            return other(alert);
        }
        match objection(alert) {
            Some(objection) => Failure::ServerCertificateRefused(objection),
            None => parameters(alert).unwrap_or_else(|| other(alert)),
        }
    }
}

/// Once a handshake of TLS 1.2 is over, no alert is about certificates or parameters any more.
fn is_established_tls12(common: &CommonState) -> bool {
    !common.is_handshaking() && common.protocol_version() == Some(ProtocolVersion::TLSv1_2)
}

/// What the peer has against our certificate (RFC 8446 §6.2); `None` if the alert is about something else.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
fn objection(alert: AlertDescription) -> Option<Objection> {
    use AlertDescription as Alert;
    Some(match alert {
        Alert::UnknownCA => Objection::UnknownAuthority,
        Alert::CertificateExpired => Objection::Expired,
        Alert::CertificateRevoked => Objection::Revoked,
        Alert::UnsupportedCertificate => Objection::Unsupported,
        Alert::DecryptError => Objection::BadSignature,
        Alert::AccessDenied => Objection::AccessDenied,
        Alert::BadCertificate | Alert::CertificateUnknown => Objection::Unspecified,
        _ => return None,
    })
}

/// What the two sides do not have in common; `None` if the alert is about something else.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
fn parameters(alert: AlertDescription) -> Option<Failure> {
    use AlertDescription as Alert;
    Some(match alert {
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Failure::NothingInCommon,
        Alert::ProtocolVersion => Failure::ProtocolVersion,
        Alert::NoApplicationProtocol => Failure::NoApplicationProtocol,
        Alert::UnrecognisedName => Failure::UnknownName,
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
fn other(alert: AlertDescription) -> Failure {
    match alert {
        AlertDescription::BadRecordMac => Failure::BadRecord,
        // As an error it comes in the handshake only.
        AlertDescription::CloseNotify => Failure::ClosedInHandshake,
        alert => Failure::Alert(alert.into()),
    }
}
