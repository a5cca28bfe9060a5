//! The handshake of RFC 8448 §3, step by step: key exchange, transcript, key schedule, records.

use crate::exchange::X25519;
use crate::hash::{HmacSha256, Sha256};
use crate::random::Random;
use crate::record::Protection;
use aes_gcm::{Aes128Gcm, KeyInit};
use alloc::string::String;
use alloc::vec::Vec;
use rustls::crypto::cipher::{
    InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::crypto::hash::Hash;
use rustls::crypto::hmac::Hmac;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, HkdfUsingHmac, OkmBlock};
use rustls::crypto::{GetRandomFailed, SupportedKxGroup};
use rustls::{ContentType, Error, ProtocolVersion};

const CLIENT_HELLO: &str = "
    010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b
    0009000006736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099
    381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e0403050306030203080408
    05080604010501060102010402050206020202002d00020101001c00024001";
const SERVER_HELLO: &str = "
    020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020c98288
    76112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";
/// The hash of all messages to the server's `Finished`.
const SERVER_FINISHED_HASH: &str = "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13";

const CLIENT_PRIVATE: &str = "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005";
const CLIENT_PUBLIC: &str = "99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c";
const SERVER_PRIVATE: &str = "b1580eeadf6dd589b8ef4f2d5652578cc810e9980191ec8d058308cea216a21e";
const SERVER_PUBLIC: &str = "c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f";
const SHARED: &str = "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d";

const CLIENT_HANDSHAKE: &str = "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21";
const SERVER_HANDSHAKE: &str = "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38";
const CLIENT_APPLICATION: &str = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
const SERVER_APPLICATION: &str = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";

const CLIENT_FINISHED: &str = "14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61";
const CLIENT_FINISHED_RECORD: &str = "
    170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d726
    c40546";
/// Both sides send the bytes 0 to 49; the server after a session ticket, hence as its second record.
const CLIENT_DATA_RECORD: &str = "
    1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292
    a2977014bd1e3deae63aeebb21694915e4";
const SERVER_DATA_RECORD: &str = "
    17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0
    a21c0047c2abf332540dd032e167c2955d";
const CLIENT_ALERT_RECORD: &str = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";

const HKDF: HkdfUsingHmac<'static> = HkdfUsingHmac(&HmacSha256);

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |pair| u8::from_str_radix(&digits[pair..pair + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn client_private(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    bytes.copy_from_slice(&hex(CLIENT_PRIVATE));
    Ok(())
}

fn server_private(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    bytes.copy_from_slice(&hex(SERVER_PRIVATE));
    Ok(())
}

/// HKDF-Expand-Label (RFC 8446 §7.1).
fn expand<const N: usize>(secret: &dyn HkdfExpander, label: &str, context: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let (len, context_len) = ((N as u16).to_be_bytes(), [context.len() as u8]);
    let label_len = [6 + label.len() as u8];
    let info = [&len[..], &label_len, b"tls13 ", label.as_bytes(), &context_len, context];
    secret.expand_slice(&info, &mut out).expect("a length that HKDF can give");
    out
}

/// The AES-128-GCM keys of a traffic secret (RFC 8446 §7.3).
fn protection(secret: &str) -> Protection<Aes128Gcm> {
    let expander = HKDF.expander_for_okm(&OkmBlock::new(&hex(secret)));
    let key: [u8; 16] = expand(&*expander, "key", b"");
    Protection {
        aead: Aes128Gcm::new_from_slice(&key).expect("16 bytes"),
        iv: Iv::new(expand(&*expander, "iv", b"")),
    }
}

fn seal(protection: &mut Protection<Aes128Gcm>, seq: u64, typ: ContentType, plain: &[u8]) -> Vec<u8> {
    let payload = OutboundChunks::Single(plain);
    let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
    protection.encrypt(message, seq).expect("encrypted").encode()
}

fn open(
    protection: &mut Protection<Aes128Gcm>,
    seq: u64,
    record: &[u8],
) -> Result<(ContentType, Vec<u8>), Error> {
    let mut payload = record[5..].to_vec();
    let message =
        InboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, &mut payload);
    protection.decrypt(message, seq).map(|plain| (plain.typ, plain.payload.to_vec()))
}

fn data() -> Vec<u8> {
    (0..50).collect()
}

#[test]
fn the_key_exchange() {
    for (fill, public, peer) in [
        (client_private as crate::Fill, CLIENT_PUBLIC, SERVER_PUBLIC),
        (server_private, SERVER_PUBLIC, CLIENT_PUBLIC),
    ] {
        let exchange = X25519(Random(fill)).start().expect("a key");
        assert_eq!(exchange.pub_key(), hex(public));
        assert_eq!(exchange.complete(&hex(peer)).expect("a point").secret_bytes(), hex(SHARED));
    }
}

#[test]
fn the_key_schedule() {
    let mut transcript = Sha256.start();
    transcript.update(&hex(CLIENT_HELLO));
    transcript.update(&hex(SERVER_HELLO));
    let (hellos, empty) = (transcript.fork_finish(), Sha256.hash(b""));
    assert_eq!(transcript.fork().finish().as_ref(), hellos.as_ref());

    let early = HKDF.extract_from_zero_ikm(None);
    let salt: [u8; 32] = expand(&*early, "derived", empty.as_ref());
    let handshake = HKDF.extract_from_secret(Some(&salt), &hex(SHARED));
    let client: [u8; 32] = expand(&*handshake, "c hs traffic", hellos.as_ref());
    assert_eq!(client[..], hex(CLIENT_HANDSHAKE));
    assert_eq!(expand::<32>(&*handshake, "s hs traffic", hellos.as_ref())[..], hex(SERVER_HANDSHAKE));

    let salt: [u8; 32] = expand(&*handshake, "derived", empty.as_ref());
    let master = HKDF.extract_from_zero_ikm(Some(&salt));
    let finished = hex(SERVER_FINISHED_HASH);
    assert_eq!(expand::<32>(&*master, "c ap traffic", &finished)[..], hex(CLIENT_APPLICATION));
    assert_eq!(expand::<32>(&*master, "s ap traffic", &finished)[..], hex(SERVER_APPLICATION));

    let client = HKDF.expander_for_okm(&OkmBlock::new(&client));
    let key: [u8; 32] = expand(&*client, "finished", b"");
    let tag = HmacSha256.with_key(&key).sign(&[&finished]);
    assert_eq!(tag.as_ref(), &hex(CLIENT_FINISHED)[4..]);
}

#[test]
fn the_records() {
    let mut handshake = protection(CLIENT_HANDSHAKE);
    let record = seal(&mut handshake, 0, ContentType::Handshake, &hex(CLIENT_FINISHED));
    assert_eq!(record, hex(CLIENT_FINISHED_RECORD));

    let mut client = protection(CLIENT_APPLICATION);
    assert_eq!(seal(&mut client, 0, ContentType::ApplicationData, &data()), hex(CLIENT_DATA_RECORD));
    assert_eq!(seal(&mut client, 1, ContentType::Alert, &[1, 0]), hex(CLIENT_ALERT_RECORD));

    let mut server = protection(SERVER_APPLICATION);
    let opened = open(&mut server, 1, &hex(SERVER_DATA_RECORD));
    assert_eq!(opened, Ok((ContentType::ApplicationData, data())));
}

#[test]
fn a_record_that_was_changed_moved_or_cut_does_not_open() {
    let mut server = protection(SERVER_APPLICATION);
    let record = hex(SERVER_DATA_RECORD);
    for byte in 5..record.len() {
        let mut changed = record.clone();
        changed[byte] ^= 1 << (byte % 8);
        assert_eq!(open(&mut server, 1, &changed), Err(Error::DecryptError), "byte {byte}");
    }
    for seq in [0, 2, u64::MAX] {
        assert_eq!(open(&mut server, seq, &record), Err(Error::DecryptError), "as record {seq}");
    }
    for len in 5..record.len() {
        assert_eq!(open(&mut server, 1, &record[..len]), Err(Error::DecryptError), "{len} bytes");
    }
    assert_eq!(
        open(&mut protection(CLIENT_APPLICATION), 1, &record),
        Err(Error::DecryptError),
        "another key"
    );
}
