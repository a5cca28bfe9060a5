//! A failure as a server tells it of its client.

use crate::failure::{Failure, Objection};
use core::fmt;

/// The words for a [`Failure`] where the peer is a client: what follows its name in a log, with what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub Failure);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Failure::UnknownAuthority | Failure::SelfSigned => {
                "its certificate comes from an authority that is not trusted; have it issued by one in ca="
            }
            Failure::WrongName | Failure::PinMismatch => "its certificate is somebody else's",
            Failure::Expired => "its certificate has expired; renew it, or set this machine's clock",
            Failure::NotYetValid => {
                "its certificate is not valid yet; set this machine's clock, or the issuer's"
            }
            Failure::WrongUsage => "its certificate is not for clients; issue one with the usage clientAuth",
            Failure::BadCertificate => {
                "its certificate or its chain is damaged or unsupported; issue an X.509 v3 certificate"
            }
            Failure::NoClock => {
                "the time is not known, so the dates of its certificate cannot be checked; set the clock"
            }
            Failure::ClientCertificateRequired => {
                "it shows no certificate; give it one that an authority in ca= has issued"
            }
            Failure::ServerCertificateRefused(objection) => {
                return write!(f, "it refused our certificate: {}", objection_of_client(objection));
            }
            Failure::ProtocolVersion if cfg!(feature = "tls12") => {
                "it speaks neither TLS 1.2 nor 1.3; update it"
            }
            Failure::ProtocolVersion => "it does not speak TLS 1.3, and this end nothing older; update it",
            Failure::NothingInCommon => "it has no cipher suite or parameter in common with us; update it",
            Failure::NoApplicationProtocol => "it offers none of the application protocols of alpn=",
            Failure::UnknownName => "it knows no such name",
            Failure::Alert(number) => {
                return write!(f, "it gave up with TLS alert {number}; its log has the reason");
            }
            Failure::NotTls => "what it sends is not TLS; let it use TLS, or listen with tcp-listen://",
            Failure::Protocol => "it broke the TLS protocol; its log may have the reason",
            Failure::HandshakeTooLarge { .. } => {
                "its handshake (its certificates) is too large; shorten its chain"
            }
            Failure::ClosedInHandshake | Failure::ClosedUnproven => {
                "it left in the middle of the TLS handshake"
            }
            failure @ (Failure::ClientCertificateRefused(_)
            | Failure::BadRecord
            | Failure::RecordTooLarge { .. }
            | Failure::Truncated
            | Failure::KeysUsedUp
            | Failure::Provider) => return failure.fmt(f),
        })
    }
}

fn objection_of_client(objection: Objection) -> &'static str {
    match objection {
        Objection::UnknownAuthority => "its authority is unknown there; give the client that authority (ca=)",
        Objection::Expired => "it has expired or is not valid yet; renew it, or set the client's clock",
        Objection::Revoked => "it has been revoked; have a new one issued",
        Objection::Unsupported => "its kind is not supported there; issue one of another kind",
        Objection::BadSignature => "its signature is wrong; give the key that belongs to it",
        Objection::AccessDenied => "it is not the one that the client expects (pin=)",
        Objection::Unspecified => "the client does not say why; usually the name is another one",
    }
}
