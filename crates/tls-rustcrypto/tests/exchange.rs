//! Key exchange: vectors, the other provider, bad points, bad sources of random bytes.

#![cfg(feature = "x25519")]

mod common;

use common::{hex, provider, random};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, GetRandomFailed};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use uartbridge_tls_rustcrypto::{Crypto, Fill};

const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::secp256r1];

fn start(provider: &CryptoProvider, name: NamedGroup) -> Result<Box<dyn ActiveKeyExchange>, Error> {
    provider.kx_groups.iter().find(|group| group.name() == name).expect("such a group").start()
}

/// A provider that draws what `fill` gives. It stays, as a firmware's does.
fn drawing(fill: Fill) -> CryptoProvider {
    Box::leak(Box::new(Crypto::new(fill))).provider()
}

#[test]
fn both_providers_agree() {
    let ring = rustls::crypto::ring::default_provider();
    for group in GROUPS {
        for _ in 0..20 {
            let (ours, theirs) =
                (start(&provider(), group).expect("a key"), start(&ring, group).expect("a key"));
            let (our_public, their_public) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
            let ours = ours.complete(&their_public).expect("a good point");
            assert_eq!(
                ours.secret_bytes(),
                theirs.complete(&our_public).expect("a good point").secret_bytes()
            );
        }
    }
}

/// RFC 7748 §6.1.
#[test]
fn x25519_vector() {
    fn alice(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        bytes.copy_from_slice(&hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
        Ok(())
    }
    let exchange = start(&drawing(alice), NamedGroup::X25519).expect("a key");
    assert_eq!(exchange.pub_key(), hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    let bob = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(exchange.complete(&bob).expect("a good point").secret_bytes(), shared);
}

/// RFC 5903 §8.1.
#[test]
fn p256_vector() {
    fn initiator(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        bytes.copy_from_slice(&hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"));
        Ok(())
    }
    let exchange = start(&drawing(initiator), NamedGroup::secp256r1).expect("a key");
    let public = "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180\
                  5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3";
    assert_eq!(exchange.pub_key(), hex(public));
    let responder = "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63\
                     56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab";
    let shared = hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    assert_eq!(exchange.complete(&hex(responder)).expect("a good point").secret_bytes(), shared);
}

fn refused(group: NamedGroup, peer: &[u8]) {
    let result = start(&provider(), group).expect("a key").complete(peer).map(|_| ());
    let expected = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
    assert_eq!(result, Err(expected), "{group:?} {peer:02x?}");
}

/// Every u coordinate of small order, in each encoding that has 255 bits or 256 (RFC 7748 §6.1, RFC 8446 §7.4.2).
#[test]
fn x25519_points_of_small_order() {
    let low = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in low {
        let mut point = hex(point);
        refused(NamedGroup::X25519, &point);
        point[31] |= 0x80;
        refused(NamedGroup::X25519, &point);
    }
    for len in [0, 31, 33, 65] {
        refused(NamedGroup::X25519, &vec![9; len]);
    }
}

#[test]
fn p256_points_that_are_none() {
    let good = start(&provider(), NamedGroup::secp256r1).expect("a key").pub_key().to_vec();
    assert!(start(&provider(), NamedGroup::secp256r1).expect("a key").complete(&good).is_ok());
    for byte in [1, 32, 33, 64] {
        let mut off_the_curve = good.clone();
        off_the_curve[byte] ^= 1;
        refused(NamedGroup::secp256r1, &off_the_curve);
    }
    let prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    // x = 0 and x = p are the same, and (0, √b) lies on the curve: with x = p it is not in its one allowed form.
    let root = hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
    let zero = [&[4][..], &[0; 32], &root].concat();
    assert!(start(&provider(), NamedGroup::secp256r1).expect("a key").complete(&zero).is_ok());
    refused(NamedGroup::secp256r1, &[&[4][..], &prime, &root].concat());
    refused(NamedGroup::secp256r1, &[&[4][..], &[0xff; 64]].concat());
    refused(NamedGroup::secp256r1, &[&[4][..], &[0; 64]].concat());
    let compressed = [&[2 + good[64] % 2][..], &good[1..33]].concat();
    let hybrid = [&[6 + good[64] % 2][..], &good[1..]].concat();
    for other_form in [&compressed[..], &hybrid, &[0], &[], &good[..64], &good[1..]] {
        refused(NamedGroup::secp256r1, other_form);
    }
}

/// A generator that fails, or was never started, must not make keys; numbers out of range are drawn again.
#[test]
fn random_bytes_that_are_none() {
    fn failing(_: &mut [u8]) -> Result<(), GetRandomFailed> {
        Err(GetRandomFailed)
    }
    fn dead(_: &mut [u8]) -> Result<(), GetRandomFailed> {
        Ok(())
    }
    fn ones(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        bytes.fill(0xff);
        Ok(())
    }
    for group in GROUPS {
        for fill in [failing as Fill, dead] {
            let result = start(&drawing(fill), group).map(|_| ());
            assert_eq!(result, Err(Error::FailedToGetRandomBytes), "{group:?}");
        }
    }
    assert!(drawing(dead).secure_random.fill(&mut [0; 32]).is_err());
    assert!(drawing(dead).secure_random.fill(&mut [0; 4]).is_ok(), "four zeros are no wonder");
    let never_in_range = start(&drawing(ones), NamedGroup::secp256r1).map(|_| ());
    assert_eq!(never_in_range, Err(Error::FailedToGetRandomBytes));

    use std::sync::atomic::{AtomicBool, Ordering};
    static DRAWN: AtomicBool = AtomicBool::new(false);
    fn ones_first(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        if DRAWN.swap(true, Ordering::Relaxed) { random(bytes) } else { ones(bytes) }
    }
    assert!(start(&drawing(ones_first), NamedGroup::secp256r1).is_ok());
}
