//! SHA-256 and HMAC-SHA-256: transcript, key schedule and, through rustls, HKDF.

use alloc::boxed::Box;
use hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::{Hmac as Hmacs, Key, Tag};
use sha2::{Digest, Sha256 as State};

/// Bytes of a hash and of a tag.
const LEN: usize = 32;

pub(crate) struct Sha256;

impl Hash for Sha256 {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Transcript(State::new()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        Output::new(&State::digest(data))
    }

    fn output_len(&self) -> usize {
        LEN
    }

    fn algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }
}

struct Transcript(State);

impl Context for Transcript {
    fn fork_finish(&self) -> Output {
        Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

pub(crate) struct HmacSha256;

impl Hmacs for HmacSha256 {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        // RFC 2104 takes keys of any length, so there is no error to hand on.
        let keyed = Hmac::<State>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length will do"));
        Box::new(Keyed(keyed))
    }

    fn hash_output_len(&self) -> usize {
        LEN
    }
}

struct Keyed(Hmac<State>);

impl Key for Keyed {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut mac = self.0.clone();
        mac.update(first);
        for piece in middle {
            mac.update(piece);
        }
        mac.update(last);
        Tag::new(&mac.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        LEN
    }
}
