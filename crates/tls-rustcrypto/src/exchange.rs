//! Ephemeral key exchange (RFC 8446 §4.2.8.2): P-256, and x25519 behind a feature.

use crate::random::Random;
use alloc::boxed::Box;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// A secret is out of range once in 2^32 draws.
const DRAWS: usize = 4;

#[derive(Debug)]
pub(crate) struct P256(pub(crate) Random);

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        for _ in 0..DRAWS {
            if let Ok(secret) = SecretKey::from_slice(&*self.0.secret()?) {
                let point = secret.public_key().to_sec1_point(false);
                let mut public = [0; crate::point::LEN];
                public.copy_from_slice(point.as_bytes());
                return Ok(Box::new(P256Exchange { secret, public }));
            }
        }
        Err(Error::FailedToGetRandomBytes)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct P256Exchange {
    secret: SecretKey,
    public: [u8; crate::point::LEN],
}

impl ActiveKeyExchange for P256Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = crate::point::decode(peer).ok_or(PeerMisbehaved::InvalidKeyShare)?;
        Ok(self.secret.diffie_hellman(&peer).raw_secret_bytes().as_slice().into())
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

#[cfg(feature = "x25519")]
pub(crate) use x25519::X25519;

#[cfg(feature = "x25519")]
mod x25519 {
    use super::*;
    use curve25519_dalek::MontgomeryPoint;
    use curve25519_dalek::constants::X25519_BASEPOINT;
    use zeroize::Zeroizing;

    #[derive(Debug)]
    pub(crate) struct X25519(pub(crate) Random);

    impl SupportedKxGroup for X25519 {
        fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
            let secret = self.0.secret()?;
            // The ladder of `complete` serves here too: multiplying the base point in its own way costs more code.
            let public = X25519_BASEPOINT.mul_clamped(*secret);
            Ok(Box::new(X25519Exchange { secret, public }))
        }

        fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
            None
        }

        fn name(&self) -> NamedGroup {
            NamedGroup::X25519
        }
    }

    struct X25519Exchange {
        secret: Zeroizing<[u8; 32]>,
        public: MontgomeryPoint,
    }

    impl ActiveKeyExchange for X25519Exchange {
        fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
            let peer = peer.try_into().map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
            let shared = Zeroizing::new(MontgomeryPoint(peer).mul_clamped(*self.secret).to_bytes());
            // RFC 8446 §7.4.2, RFC 7748 §6.1: a point of small order; looked at without a branch on each byte.
            if shared.iter().fold(0, |sum, byte| sum | byte) == 0 {
                return Err(PeerMisbehaved::InvalidKeyShare.into());
            }
            Ok(shared.as_slice().into())
        }

        fn pub_key(&self) -> &[u8] {
            self.public.as_bytes()
        }

        fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
            None
        }

        fn group(&self) -> NamedGroup {
            NamedGroup::X25519
        }
    }
}
