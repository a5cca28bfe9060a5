//! The one module that names rustls: settings become its configuration, its unbuffered connection becomes single steps,
//! and its errors become ours.

mod in_place;
mod server;
mod side;
mod verify;

use crate::failure::Failure;
use crate::settings::{Settings, SetupError, Trust};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::time::Duration;
use rustls::client::Resumption;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError};
use rustls::{ClientConfig, Error, HandshakeKind, InvalidMessage, PeerIncompatible, ProtocolVersion};
use verify::{MaybeUndated, Verifier, certificate_failure};

pub use rustls::NamedGroup;
pub use rustls::client::ClientSessionStore as SessionStore;
pub use rustls::crypto::CryptoProvider;
pub use rustls::pki_types::UnixTime;
pub use rustls::server::ProducesTickets as Tickets;
pub use rustls::time_provider::TimeProvider;
pub use server::ServerConfig;
pub use side::{ClientSide, ServerSide, Side};
pub use verify::Roots;

/// Sessions of up to `servers` servers, in memory. Share it between configurations only if they have the same trust and
/// identity: a session is bound to both.
#[cfg(feature = "std")]
pub fn memory_sessions(servers: usize) -> Arc<dyn SessionStore> {
    /// rustls counts tickets, and keeps up to eight of them a server.
    const TICKETS_A_SERVER: usize = 8;
    Arc::new(rustls::client::ClientSessionMemoryCache::new(servers.saturating_mul(TICKETS_A_SERVER)))
}

/// Checked settings, to be shared by all connections to servers that are trusted alike. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Config {
    tls: Arc<ClientConfig>,
    pub(crate) prove_after: Duration,
    pub(crate) handshake_limit: usize,
    insecure: bool,
    in_place: bool,
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// Which setting cannot work.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let Settings {
            provider,
            clock,
            trust,
            identity,
            alpn,
            send_name,
            sessions,
            prove_after,
            in_place,
            handshake_limit,
        } = settings;
        let provider = if in_place { in_place::provider(&provider) } else { provider };
        if alpn.iter().any(|protocol| protocol.is_empty() || protocol.len() > 255) {
            return Err(SetupError::BadAlpn);
        }
        let insecure = matches!(trust, Trust::InsecureVerifyNobody);
        let dated = matches!(trust, Trust::Authorities(_) | Trust::AuthoritiesAndPins(..));
        let clock = if dated { clock } else { Arc::new(MaybeUndated(clock)) };
        let verifier = Verifier::new(&provider, trust)?;
        let builder = ClientConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()
            .map_err(|_| SetupError::UselessProvider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(|error| key_error(&error))?,
        };
        tls.alpn_protocols = alpn;
        tls.enable_sni = send_name;
        tls.resumption = sessions.map_or_else(Resumption::disabled, Resumption::store);
        Ok(Self { tls: Arc::new(tls), prove_after, handshake_limit, insecure, in_place })
    }

    /// Whether nobody is verified: worth a warning in the log at every connect.
    pub fn insecure(&self) -> bool {
        self.insecure
    }
}

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a finished handshake agreed on, for logs and displays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The protocol version.
    pub version: Version,
    /// An earlier session was taken up again.
    pub resumed: bool,
    /// The group of the key exchange, such as `X25519MLKEM768`; none where only a session's key was used.
    pub key_exchange: Option<NamedGroup>,
    /// The application protocol, if any.
    pub alpn: Option<Vec<u8>>,
    /// Session tickets that came on this connection (TLS 1.3).
    pub tickets: u32,
}

impl fmt::Display for Facts {
    /// `TLS 1.3, X25519MLKEM768, resumed, ALPN mqtt`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.version {
            Version::Tls12 => "TLS 1.2",
            Version::Tls13 => "TLS 1.3",
        })?;
        if let Some(group) = self.key_exchange {
            write!(f, ", {group:?}")?;
        }
        if self.resumed {
            f.write_str(", resumed")?;
        }
        match &self.alpn {
            Some(alpn) => write!(f, ", ALPN {}", alpn.escape_ascii()),
            None => Ok(()),
        }
    }
}

/// Where a step puts what it makes.
pub(crate) trait Sink {
    /// Ciphertext: `write` is called with room, and says how much of it it took, or how much it needs; then it is called
    /// again with that.
    fn ciphertext(&mut self, write: &mut dyn FnMut(&mut [u8]) -> Result<usize, usize>);
    /// Plaintext of one record, which is done with and was the end of `held`: there is room for it where that lay.
    fn plaintext(&mut self, bytes: &[u8], held: &mut [u8]);
    /// The same, but the plaintext is `held[place]`.
    fn plaintext_in_place(&mut self, held: &mut [u8], place: Range<usize>);
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another step.
    Step,
    /// Nothing without more ciphertext from the peer.
    Blocked,
    /// Nothing without more ciphertext from the peer; plaintext can be encrypted.
    Open,
    /// The peer's `close_notify` was just read.
    PeerClosed,
    /// Both sides have closed.
    Closed,
}

/// One rustls connection.
pub(crate) struct Engine<S> {
    side: S,
}

impl<S: Side> Engine<S> {
    pub(crate) fn new(side: S) -> Self {
        Self { side }
    }

    /// One step over all ciphertext that is held, which begins at `held[from]`: how much of its front is done with, and
    /// what can happen next.
    pub(crate) fn step(
        &mut self,
        held: &mut [u8],
        from: usize,
        sink: &mut dyn Sink,
    ) -> (usize, Result<Next, Failure>) {
        let status = self.side.process(&mut held[from..]);
        let (discard, state) = (status.discard, status.state);
        let mut data = false;
        let next = match state {
            // rustls keeps the record until it is asked for it with the input at our own disposal.
            Ok(ConnectionState::ReadTraffic(_)) => {
                data = true;
                Ok(Next::Step)
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                sink.ciphertext(&mut |room| match data.encode(room) {
                    Ok(written) => Ok(written),
                    Err(EncodeError::InsufficientSize(needs)) => Err(needs.required_size),
                    Err(EncodeError::AlreadyEncoded) => Ok(0),
                });
                Ok(Next::Step)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Next::Step)
            }
            Ok(ConnectionState::WriteTraffic(_)) => Ok(Next::Open),
            Ok(ConnectionState::BlockedHandshake) => Ok(Next::Blocked),
            Ok(ConnectionState::PeerClosed) => Ok(Next::PeerClosed),
            Ok(ConnectionState::Closed) => Ok(Next::Closed),
            // Early data is not accepted; states that a later version may add cannot come from a pinned one.
            Ok(_) => Ok(Next::Blocked),
            Err(error) => Err(error),
        };
        let next =
            if data { self.data(&mut held[..from + discard], sink).map(|()| Next::Step) } else { next };
        // A server could already encrypt for a client that it has not heard the end of: it waits.
        let next = match next {
            Ok(Next::Open) if self.is_handshaking() => Ok(Next::Blocked),
            next => next,
        };
        (discard, next.map_err(|error| self.failure(&error)))
    }

    /// Hands over the plaintext of the record that was the end of `held`: rustls stops after each, and looks at what it
    /// has decrypted before it looks at its input.
    fn data(&mut self, held: &mut [u8], sink: &mut dyn Sink) -> Result<(), Error> {
        let in_place = self.side.in_place();
        let Ok(ConnectionState::ReadTraffic(mut traffic)) = self.side.process(&mut []).state else {
            return Ok(());
        };
        while let Some(record) = traffic.next_record() {
            let payload = record?.payload;
            if in_place {
                let place = in_place::place(payload, held.len()).ok_or(Error::DecryptError)?;
                sink.plaintext_in_place(held, place);
            } else {
                sink.plaintext(payload, held);
            }
        }
        Ok(())
    }

    /// Hands over what rustls has queued, without looking at input: an alert after a failure, a key update.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) {
        // With something queued, rustls hands it out before it looks at the input.
        while self.side.common().wants_write() {
            let (_, next) = self.step(&mut [], 0, sink);
            if next != Ok(Next::Step) {
                return;
            }
        }
    }

    /// Encrypts `plain`, at most one record's worth, after a step that ended with [`Next::Open`]. `Ok(false)`: no room.
    pub(crate) fn encrypt(
        &mut self,
        input: &mut [u8],
        plain: &[u8],
        room: &mut [u8],
    ) -> Result<Option<usize>, Failure> {
        let ConnectionState::WriteTraffic(mut traffic) =
            self.side.process(input).state.map_err(|_| Failure::Protocol)?
        else {
            return Ok(None);
        };
        match traffic.encrypt(plain, room) {
            Ok(written) => Ok(Some(written)),
            Err(EncryptError::InsufficientSize(_)) => Ok(None),
            Err(EncryptError::EncryptExhausted) => Err(Failure::KeysUsedUp),
        }
    }

    /// Writes `close_notify` into `room`, after a step that ended with [`Next::Open`].
    pub(crate) fn close_notify(&mut self, input: &mut [u8], room: &mut [u8]) -> Option<usize> {
        match self.side.process(input).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.queue_close_notify(room).ok(),
            Ok(_) | Err(_) => None,
        }
    }

    /// What the handshake agreed on, once it is over.
    pub(crate) fn facts(&self) -> Option<Facts> {
        if self.side.common().is_handshaking() {
            return None;
        }
        let tls13 = self.side.common().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        Some(Facts {
            version: if tls13 { Version::Tls13 } else { Version::Tls12 },
            resumed: self.side.common().handshake_kind() == Some(HandshakeKind::Resumed),
            key_exchange: self.side.common().negotiated_key_exchange_group().map(|group| group.name()),
            alpn: self.side.common().alpn_protocol().map(<[u8]>::to_vec),
            tickets: self.tickets(),
        })
    }

    pub(crate) fn tickets(&self) -> u32 {
        self.side.tickets()
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.side.common().is_handshaking()
    }

    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.side.common().peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Whether the peer is known to speak TLS.
    fn answered(&self) -> bool {
        self.side.common().protocol_version().is_some()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
    fn failure(&self, error: &Error) -> Failure {
        match error {
            Error::InvalidCertificate(error) => certificate_failure(error),
            Error::AlertReceived(alert) => self.side.alert(*alert),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) if !self.answered() => Failure::NotTls,
            Error::DecryptError => Failure::BadRecord,
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                // A client that knows no other hash than those of TLS 1.1; rustls looks at this first.
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) => Failure::ProtocolVersion,
            Error::PeerIncompatible(_) => Failure::NothingInCommon,
            Error::NoCertificatesPresented if S::IS_SERVER => Failure::ClientCertificateRequired,
            Error::NoCertificatesPresented => Failure::BadCertificate,
            Error::NoApplicationProtocol => Failure::NoApplicationProtocol,
            Error::FailedToGetCurrentTime => Failure::NoClock,
            Error::FailedToGetRandomBytes | Error::EncryptError | Error::General(_) | Error::Other(_) => {
                Failure::Provider
            }
            _ => Failure::Protocol,
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls' enums may grow")]
fn key_error(error: &Error) -> SetupError {
    match error {
        Error::InconsistentKeys(_) => SetupError::KeyMismatch,
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => SetupError::BadCertificate,
        _ => SetupError::UnusableKey,
    }
}
