//! What a connection is to be like, and what can be wrong with that.

use crate::engine::{CryptoProvider, Roots, SessionStore, Tickets, TimeProvider};
use crate::pem;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Everything that can be set. Start from [`Settings::new`] and change fields.
#[derive(Debug)]
pub struct Settings {
    /// The cryptography: rustls' ring or aws-lc-rs provider, or one of one's own.
    pub provider: Arc<CryptoProvider>,
    /// The calendar time that certificates' dates are checked against. It may answer `None`: then
    /// [`Trust::Authorities`] fails with [`Failure::NoClock`](crate::Failure::NoClock), the other kinds of trust work.
    pub clock: Arc<dyn TimeProvider>,
    /// How the server is verified.
    pub trust: Trust,
    /// Who this client is, for servers that ask (mutual authentication).
    pub identity: Option<Identity>,
    /// Application protocols to offer, most wanted first (RFC 7301). Empty: no such extension.
    pub alpn: Vec<Vec<u8>>,
    /// Send the server's name in the clear, so that it can choose its certificate (SNI, RFC 6066 §3). An IP address is
    /// never sent.
    pub send_name: bool,
    /// Where sessions are kept between connections, so that a reconnect needs no certificates and less computing.
    /// `None`: nowhere. On hosts: `memory_sessions` (feature `std`).
    pub sessions: Option<Arc<dyn SessionStore>>,
    /// In TLS 1.3 the server judges the client after the client's handshake is over. With neither a session ticket nor
    /// data from the server, its silence for this long after its TCP has acknowledged the handshake counts as consent.
    pub prove_after: Duration,
    /// Plaintext stays in the input buffer, where its record lay, until it is read: rustls would copy it, which takes the
    /// memory of a whole record. TLS 1.3 only. For chips, where a [`Config`](crate::Config) is made once: some hundred
    /// bytes of each are never given back.
    pub in_place: bool,
    /// The largest handshake message of a server, in bytes of ciphertext; a larger one is
    /// [`Failure::HandshakeTooLarge`](crate::Failure::HandshakeTooLarge). A server that nobody has verified yet could fill a
    /// chip's heap otherwise: certificates take four times their size there. The input buffer limits it, too.
    pub handshake_limit: usize,
}

impl Settings {
    /// No client certificate, no ALPN, the name sent, no sessions, one quiet second as the proof, plaintext copied, no limit.
    pub fn new(provider: Arc<CryptoProvider>, clock: Arc<dyn TimeProvider>, trust: Trust) -> Self {
        Self {
            provider,
            clock,
            trust,
            identity: None,
            alpn: Vec::new(),
            send_name: true,
            sessions: None,
            prove_after: Duration::from_secs(1),
            in_place: false,
            handshake_limit: usize::MAX,
        }
    }
}

/// How the server is verified.
#[derive(Debug)]
pub enum Trust {
    /// By a chain to one of these authorities, by name, dates and usage (RFC 5280).
    Authorities(Roots),
    /// By its public key alone: one of these pins. Name, dates and issuer do not matter, nor is a clock needed.
    Pins(Vec<Pin>),
    /// By both.
    AuthoritiesAndPins(Roots, Vec<Pin>),
    /// Not at all: whoever answers is believed, also an eavesdropper. For trying things out.
    InsecureVerifyNobody,
}

/// Everything that can be set of a server. Start from [`ServerSettings::new`] and change fields.
#[derive(Debug)]
pub struct ServerSettings {
    /// The cryptography: rustls' ring or aws-lc-rs provider, or one of one's own.
    pub provider: Arc<CryptoProvider>,
    /// The calendar time that clients' certificates are checked against.
    pub clock: Arc<dyn TimeProvider>,
    /// Who this server is.
    pub identity: Identity,
    /// Who may come.
    pub clients: Clients,
    /// Application protocols that are spoken, most wanted first (RFC 7301). Empty: whatever the client likes.
    pub alpn: Vec<Vec<u8>>,
    /// What seals the tickets with which clients take up a session again. A ticket carries the client's certificate, which
    /// is not verified once more: new settings need a new one. `None`: no resumption.
    pub tickets: Option<Arc<dyn Tickets>>,
}

impl ServerSettings {
    /// Everybody may come; no ALPN, no resumption.
    pub fn new(provider: Arc<CryptoProvider>, clock: Arc<dyn TimeProvider>, identity: Identity) -> Self {
        Self { provider, clock, identity, clients: Clients::Anybody, alpn: Vec::new(), tickets: None }
    }
}

/// Which clients may come.
#[derive(Debug)]
pub enum Clients {
    /// Everybody; no certificate is asked for.
    Anybody,
    /// Who shows no certificate, or one that these authorities have issued for clients.
    Optional(Roots),
    /// Only who shows a certificate that these authorities have issued for clients.
    Required(Roots),
}

/// The SHA-256 of a server's public key (SubjectPublicKeyInfo in DER, RFC 7469 §2.4). Keep a second one, of a key
/// held in reserve, or a change of key locks every device out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl core::str::FromStr for Pin {
    type Err = SetupError;

    /// 64 hexadecimal digits, which colons may separate, or base64 (43 characters, and `=`), after `sha256:`,
    /// `sha256/` or nothing.
    fn from_str(text: &str) -> Result<Self, SetupError> {
        let digits =
            text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256/")).unwrap_or(text).as_bytes();
        let hex: Vec<u8> = digits.iter().filter(|byte| **byte != b':').copied().collect();
        let mut pin = [0; 32];
        if hex.len() == 64 {
            for (byte, pair) in pin.iter_mut().zip(hex.chunks(2)) {
                *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
            }
            return Ok(Self(pin));
        }
        let base64 = digits.strip_suffix(b"=").unwrap_or(digits);
        if base64.len() != 43 {
            return Err(SetupError::BadPin);
        }
        for (group, bytes) in base64.chunks(4).zip(pin.chunks_mut(3)) {
            let mut word = 0u32;
            for place in 0..4 {
                word = word << 6 | group.get(place).map_or(Ok(0), |digit| base64_value(*digit))?;
            }
            bytes.copy_from_slice(&word.to_be_bytes()[1..=bytes.len()]);
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for Pin {
    /// `sha256:` and 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A certificate of our own, those between it and its authority, and its key.
#[derive(Debug)]
pub struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From the contents of two files, each PEM or DER; both may be the same PEM file. Our own certificate comes first.
    /// Keys: PKCS#8, SEC1, PKCS#1.
    ///
    /// # Errors
    /// What is wrong with the files. Whether the key fits the certificate is checked by
    /// [`Config::new`](crate::Config::new).
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, SetupError> {
        Ok(Self { chain: pem::certificates(certificates)?, key: pem::private_key(key)? })
    }

    /// Our own certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.chain.first().map_or(&[], AsRef::as_ref)
    }
}

/// A setting that cannot work: the user's or the caller's to mend, before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetupError {
    /// A PEM file is damaged.
    BadPem,
    /// A file holds no certificate.
    NoCertificate,
    /// A certificate cannot be read.
    BadCertificate,
    /// A file holds no private key.
    NoKey,
    /// The private key is protected by a password.
    EncryptedKey,
    /// The provider cannot use the private key.
    UnusableKey,
    /// The private key is not the certificate's.
    KeyMismatch,
    /// A pin is no SHA-256.
    BadPin,
    /// No authority, or no pin, to trust.
    NothingTrusted,
    /// The server's name is neither a host name nor an IP address.
    BadName,
    /// An ALPN protocol is empty or longer than 255 bytes.
    BadAlpn,
    /// The provider has no cipher suite for TLS 1.2 or 1.3, or none with SHA-256.
    UselessProvider,
    /// The provider gave no random bytes.
    NoRandomness,
    /// A buffer is smaller than [`MIN_BUFFER`](crate::MIN_BUFFER).
    BufferTooSmall,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadPem => "the PEM file is damaged; copy it again, with its BEGIN and END lines",
            Self::NoCertificate => "the file holds no certificate; give a PEM or DER certificate",
            Self::BadCertificate => "a certificate cannot be read; give an X.509 v3 certificate",
            Self::NoKey => "the file holds no private key; give PKCS#8, SEC1 or PKCS#1, in PEM or DER",
            Self::EncryptedKey => {
                "the private key is protected by a password; remove it with `openssl pkey -in KEY -out NEW`"
            }
            Self::UnusableKey => "the private key cannot be used; give an ECDSA P-256, Ed25519 or RSA key",
            Self::KeyMismatch => {
                "the private key does not belong to the certificate; give the pair that was made together"
            }
            Self::BadPin => "the pin is no SHA-256; give sha256: and 64 hexadecimal digits, or base64",
            Self::NothingTrusted => "no authority and no pin to verify the peer with; give one",
            Self::BadName => "the server's name is neither a host name nor an IP address",
            Self::BadAlpn => "an ALPN protocol must have 1 to 255 bytes",
            Self::UselessProvider => "the crypto provider lacks TLS 1.2 and 1.3 suites, or SHA-256",
            Self::NoRandomness => "the crypto provider gave no random bytes",
            Self::BufferTooSmall => "a TLS buffer is smaller than 512 bytes",
        })
    }
}

impl core::error::Error for SetupError {}

fn hex_value(digit: u8) -> Result<u8, SetupError> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(SetupError::BadPin)
}

fn base64_value(digit: u8) -> Result<u32, SetupError> {
    match digit {
        b'A'..=b'Z' => Ok(u32::from(digit - b'A')),
        b'a'..=b'z' => Ok(u32::from(digit - b'a') + 26),
        b'0'..=b'9' => Ok(u32::from(digit - b'0') + 52),
        b'+' | b'-' => Ok(62),
        b'/' | b'_' => Ok(63),
        _ => Err(SetupError::BadPin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn pins_are_read_as_people_write_them() {
        let hex = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let pin: Pin = hex.parse().expect("hex");
        assert_eq!(pin.to_string(), hex);
        assert_eq!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse(), Ok(pin));
        assert_eq!("sha256/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".parse(), Ok(pin));
        let colons =
            "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(colons.parse(), Ok(pin));
        for wrong in ["", "sha256:", "e3b0", &hex[..70], "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF!"] {
            assert_eq!(wrong.parse::<Pin>(), Err(SetupError::BadPin), "{wrong}");
        }
    }
}
