//! Signatures both ways with openssl, and those that must not count.

#![cfg(all(feature = "ed25519", feature = "rsa"))]

mod common;

use common::{Openssl, provider};
use rustls::SignatureScheme as Scheme;
use rustls::pki_types::{PrivateKeyDer, SignatureVerificationAlgorithm};
use rustls::sign::SigningKey;
use std::sync::Arc;

const MESSAGE: &[u8] = b"what is signed, longer than a block of SHA-512 and not a multiple of anything: \
    0123456789 0123456789 0123456789 0123456789";

fn verifier(scheme: Scheme) -> &'static dyn SignatureVerificationAlgorithm {
    let mapping = provider().signature_verification_algorithms.mapping;
    let (_, algorithms) = mapping.iter().find(|(mapped, _)| *mapped == scheme).expect("such a scheme");
    let [algorithm] = algorithms else { panic!("one algorithm in TLS 1.3") };
    *algorithm
}

/// The public key's bits, which webpki hands to the verifier, of `key.pem`.
fn public(openssl: &Openssl) -> Vec<u8> {
    openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
    let spki = openssl.read("public.der");
    let spki = webpki_bits(&spki);
    spki.to_vec()
}

/// The content of the bit string of a SubjectPublicKeyInfo: its last element, after the algorithm.
fn webpki_bits(spki: &[u8]) -> &[u8] {
    let skip = |der: &[u8]| match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        len => (2, usize::from(len)),
    };
    let inner = &spki[skip(spki).0..];
    let (head, len) = skip(inner);
    let bits = &inner[head + len..];
    &bits[skip(bits).0 + 1..]
}

/// A good signature counts; one that was changed anywhere, or is for something else, does not.
fn check(scheme: Scheme, key: &[u8], signature: &[u8]) {
    let verify = |key: &[u8], message: &[u8], signature: &[u8]| {
        verifier(scheme).verify_signature(key, message, signature).is_ok()
    };
    assert!(verify(key, MESSAGE, signature), "{scheme:?}");
    assert!(!verify(key, &MESSAGE[1..], signature), "{scheme:?}");
    assert!(!verify(key, b"", signature), "{scheme:?}");
    for byte in (0..signature.len()).step_by(1 + signature.len() / 70) {
        let mut changed = signature.to_vec();
        changed[byte] ^= 0x10;
        assert!(!verify(key, MESSAGE, &changed), "{scheme:?}, byte {byte}");
    }
    for len in [0, 1, signature.len() - 1] {
        assert!(!verify(key, MESSAGE, &signature[..len]), "{scheme:?}, {len} bytes");
    }
    assert!(!verify(key, MESSAGE, &[signature, &[0]].concat()), "{scheme:?}, something behind it");
    for byte in (0..key.len()).step_by(1 + key.len() / 20) {
        let mut changed = key.to_vec();
        changed[byte] ^= 0x10;
        assert!(!verify(&changed, MESSAGE, signature), "{scheme:?}, byte {byte} of the key");
    }
    assert!(!verify(&key[1..], MESSAGE, signature), "{scheme:?}");
    assert!(!verify(&[], MESSAGE, signature), "{scheme:?}");
}

#[test]
fn ecdsa_by_openssl() {
    let openssl = Openssl::new();
    openssl.write("message", MESSAGE);
    for _ in 0..5 {
        openssl.run("ecparam -genkey -name prime256v1 -out key.pem");
        openssl.run("dgst -sha256 -sign key.pem -out signature message");
        check(Scheme::ECDSA_NISTP256_SHA256, &public(&openssl), &openssl.read("signature"));
    }
}

#[test]
fn ed25519_by_openssl() {
    let openssl = Openssl::new();
    openssl.write("message", MESSAGE);
    openssl.run("genpkey -algorithm ed25519 -out key.pem");
    openssl.run("pkeyutl -sign -rawin -inkey key.pem -in message -out signature");
    check(Scheme::ED25519, &public(&openssl), &openssl.read("signature"));
}

#[test]
fn rsa_by_openssl() {
    let openssl = Openssl::new();
    openssl.write("message", MESSAGE);
    for bits in [2048, 3072, 4096] {
        openssl.run(&format!("genrsa -out key.pem {bits}"));
        let key = public(&openssl);
        for (hash, pkcs1, pss) in [
            ("sha256", Scheme::RSA_PKCS1_SHA256, Scheme::RSA_PSS_SHA256),
            ("sha384", Scheme::RSA_PKCS1_SHA384, Scheme::RSA_PSS_SHA384),
            ("sha512", Scheme::RSA_PKCS1_SHA512, Scheme::RSA_PSS_SHA512),
        ] {
            openssl.run(&format!("dgst -{hash} -sign key.pem -out pkcs1 message"));
            let padding = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen";
            openssl.run(&format!("dgst -{hash} -sign key.pem {padding}:digest -out pss message"));
            openssl.run(&format!("dgst -{hash} -sign key.pem {padding}:20 -out short message"));
            if bits == 2048 || hash == "sha256" {
                check(pkcs1, &key, &openssl.read("pkcs1"));
                check(pss, &key, &openssl.read("pss"));
            }
            let verify =
                |scheme, name: &str| verifier(scheme).verify_signature(&key, MESSAGE, &openssl.read(name));
            assert!(verify(pkcs1, "pkcs1").is_ok() && verify(pss, "pss").is_ok(), "{bits} {hash}");
            assert!(verify(pss, "pkcs1").is_err() && verify(pkcs1, "pss").is_err(), "the other padding");
            assert!(verify(pss, "short").is_err(), "RFC 8446 §4.2.3: the salt is as long as the hash");
        }
    }
}

#[test]
fn rsa_keys_too_short_or_too_long() {
    let openssl = Openssl::new();
    openssl.write("message", MESSAGE);
    for bits in [1024, 2047, 4104] {
        openssl.run(&format!("genrsa -out key.pem {bits}"));
        openssl.run("dgst -sha256 -sign key.pem -out signature message");
        let verify = |scheme| {
            verifier(scheme).verify_signature(&public(&openssl), MESSAGE, &openssl.read("signature")).is_ok()
        };
        assert!(!verify(Scheme::RSA_PKCS1_SHA256), "{bits} bits");
    }
}

/// What a public key that allows everything would have to look like (SEC 1 §4.1.4, RFC 8032 §5.1.7).
#[test]
fn degenerate_signatures() {
    let openssl = Openssl::new();
    openssl.run("ecparam -genkey -name prime256v1 -out key.pem");
    let key = public(&openssl);
    let order = common::hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let integer = |bytes: &[u8]| {
        let padding: &[u8] = if bytes[0] > 0x7f { &[0] } else { &[] };
        [&[2, (padding.len() + bytes.len()) as u8][..], padding, bytes].concat()
    };
    let numbers = [&[0][..], &[1], &order, &[0xff; 32], &[0x7f; 33]];
    for r in numbers {
        for s in numbers {
            let content = [integer(r), integer(s)].concat();
            let signature = [&[0x30, content.len() as u8][..], &content].concat();
            let ecdsa = verifier(Scheme::ECDSA_NISTP256_SHA256);
            assert!(ecdsa.verify_signature(&key, MESSAGE, &signature).is_err(), "{r:02x?} {s:02x?}");
        }
    }
    let small_order = ["00", "01", "ec"].map(|first| {
        let last = if first == "ec" { "7f" } else { "00" };
        let middle = if first == "ec" { "ff" } else { "00" };
        common::hex(&format!("{first}{}{last}", middle.repeat(30)))
    });
    for key in &small_order {
        for r in &small_order {
            let signature = [&r[..], &[0; 32]].concat();
            assert!(verifier(Scheme::ED25519).verify_signature(key, MESSAGE, &signature).is_err());
        }
    }
}

fn load(der: Vec<u8>) -> Option<Arc<dyn SigningKey>> {
    let der = PrivateKeyDer::try_from(der).expect("a private key in DER");
    provider().key_provider.load_private_key(der).ok()
}

#[test]
fn openssl_verifies_what_is_signed_here() {
    let openssl = Openssl::new();
    openssl.write("message", MESSAGE);
    let kinds = [
        (
            "ecparam -genkey -name prime256v1 -noout -out key.pem",
            Scheme::ECDSA_NISTP256_SHA256,
            "dgst -sha256 -verify public.pem -signature signature message",
        ),
        (
            "genpkey -algorithm ed25519 -out key.pem",
            Scheme::ED25519,
            "pkeyutl -verify -rawin -pubin -inkey public.pem -in message -sigfile signature",
        ),
    ];
    for (make, scheme, verify) in kinds {
        openssl.run(make);
        openssl.run("pkey -in key.pem -pubout -out public.pem");
        openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
        openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out pkcs8.der");
        let mut forms = vec!["pkcs8.der"];
        if scheme == Scheme::ECDSA_NISTP256_SHA256 {
            openssl.run("ec -in key.pem -outform DER -out sec1.der");
            openssl.run("ec -in key.pem -no_public -outform DER -out bare.der");
            forms.extend(["sec1.der", "bare.der"]);
        }
        for form in forms {
            let key = load(openssl.read(form)).expect(form);
            let spki = key.public_key().expect("the public key");
            assert_eq!(spki.as_ref(), openssl.read("public.der"), "{form}");
            assert!(key.choose_scheme(&[Scheme::RSA_PSS_SHA256]).is_none());
            let signer = key.choose_scheme(&[Scheme::RSA_PSS_SHA256, scheme]).expect("its own scheme");
            assert_eq!(signer.scheme(), scheme);
            let signature = signer.sign(MESSAGE).expect("a signature");
            openssl.write("signature", &signature);
            assert!(openssl.agrees(verify), "{form}");
            openssl.write("signature", &[&signature[..8], &[signature[8] ^ 1], &signature[9..]].concat());
            assert!(!openssl.agrees(verify), "openssl looks at the signature");
            let secret = format!("{:?}", openssl.read(form));
            assert!(!secret.contains(&format!("{key:?}")) && format!("{key:?}").len() < 60, "{key:?}");
        }
    }
}

#[test]
fn keys_that_cannot_be_used() {
    let openssl = Openssl::new();
    openssl.run("ecparam -genkey -name secp384r1 -noout -out key.pem");
    openssl.run("ec -in key.pem -outform DER -out sec1.der");
    openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out p384.der");
    openssl.run("ecparam -genkey -name secp256k1 -noout -out key.pem");
    openssl.run("ec -in key.pem -outform DER -out k256.der");
    openssl.run("genpkey -algorithm x25519 -outform DER -out x25519.der");
    openssl.run("genrsa -out key.pem 2048");
    openssl.run("rsa -in key.pem -traditional -outform DER -out pkcs1.der");
    openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out rsa.der");
    for name in ["sec1.der", "p384.der", "k256.der", "x25519.der", "pkcs1.der", "rsa.der"] {
        assert!(load(openssl.read(name)).is_none(), "{name}");
    }
    openssl.run("ecparam -genkey -name prime256v1 -noout -out key.pem");
    openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out good.der");
    openssl.run("ec -in key.pem -outform DER -out good.sec1.der");
    for name in ["good.der", "good.sec1.der"] {
        let good = openssl.read(name);
        assert!(load(good.clone()).is_some());
        for len in 0..good.len() {
            let cut = PrivateKeyDer::try_from(good[..len].to_vec());
            let loaded = cut.ok().and_then(|der| provider().key_provider.load_private_key(der).ok());
            assert!(loaded.is_none(), "{name}: {len} bytes of {}", good.len());
        }
    }
}
