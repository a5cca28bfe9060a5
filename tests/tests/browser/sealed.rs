//! What whoever listens behind the relay learns: all of it without TLS, nothing with TLS. The server is OpenSSL's.

use std::collections::HashSet;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use uartbridge_tests::browser::{BrowserWorld, Capture, Relay, Servers, Setup, Through};
use uartbridge_tests::scenario::{DeviceAct, Payload, PeerAct, Scenario};
use uartbridge_tests::{Act, Library, World, parse, run};

use crate::Place;

/// How much each side says, in records.
const SAID: usize = 64 * 1024;
const LIMIT: Duration = Duration::from_secs(60);
/// The page says why it is refused, and what the device says goes nowhere.
const REFUSED: &str = "tls-client-certificate-missing";
/// What is looked for is cut into pieces of so many bytes, half a record: a stream may be cut anywhere, and random bytes are
/// the same as some piece once in 2^40 captures.
const PIECE: usize = 8;

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("sealed::serve_sees_no_plaintext", |place| sealed(place, Through::Serve)),
        place.trial("sealed::websockify_sees_no_plaintext", |place| sealed(place, Through::Websockify)),
        place.trial("sealed::without_tls_the_same_search_finds_all", |place| open(place, Through::Serve)),
        place.trial("sealed::openssl_refuses_a_page_without_certificate", |place| {
            refused(place, Through::Serve)
        }),
        place.trial("sealed::openssl_refuses_a_page_without_certificate_by_websockify", |place| {
            refused(place, Through::Websockify)
        }),
        place.trial("sealed::openssl_without_tls_1_3_is_told_as_that", too_old),
    ]
}

fn sealed(place: &Place, through: Through) -> Result<(), Failed> {
    let tls = scenario("tls mutual")?;
    let setup = Setup {
        servers: Servers::Openssl,
        tapped: true,
        ..Setup::new(&place.chromium, &place.serve, through)
    };
    let mut world = BrowserWorld::new(&tls, &setup)?;
    let private = private(&world)?;
    converse(&mut world, &private)?;
    let capture = only(&world)?;
    // The handshake of RFC 8446 begins each stream, and there is more of it than of what was said.
    for stream in [&capture.up, &capture.down] {
        if !stream.starts_with(&[22, 3]) || stream.len() < SAID {
            return Err(format!("this is no TLS: {} bytes, {:02x?}", stream.len(), &stream[..8]).into());
        }
    }
    let (_, found) = search(&capture, &world, &private);
    world.is_innocent(Relay::Stays)?;
    match found.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(format!("{} pieces, \"{}\" first", found.len(), first.escape_ascii()).into()),
    }
}

/// The counter-test: the device says the key aloud, too.
fn open(place: &Place, through: Through) -> Result<(), Failed> {
    let setup = Setup { tapped: true, ..Setup::new(&place.chromium, &place.serve, through) };
    // There is a certificate with a key to speak of, in the scenario beside this one.
    let private = private(&BrowserWorld::new(&scenario("tls mutual")?, &setup)?)?;
    let mut world = BrowserWorld::new(&scenario("line baud 921600")?, &setup)?;
    converse(&mut world, &private)?;
    let (all, found) = search(&only(&world)?, &world, &private);
    if found.len() == all { Ok(()) } else { Err(format!("{} of {all} pieces", found.len()).into()) }
}

fn refused(place: &Place, through: Through) -> Result<(), Failed> {
    let library = Library::load()?;
    let scenario = library.scenarios.iter().find(|scenario| scenario.name == REFUSED).ok_or("it has gone")?;
    let setup = Setup { servers: Servers::Openssl, ..Setup::new(&place.chromium, &place.serve, through) };
    let mut world = BrowserWorld::new(scenario, &setup)?;
    run(scenario, &mut world).map_err(|failure| failure.to_string())?;
    Ok(world.is_innocent(Relay::Stays)?)
}

/// The page speaks TLS 1.3 alone.
fn too_old(place: &Place) -> Result<(), Failed> {
    let text = "title A server of TLS 1.2\nproves S5\ntls one-way\ntls version 1.2\n
        device sends \"secret\"
        expect bridge says \"does not speak TLS 1.3\"
        expect peer nothing for 1 s\n";
    let scenario = parse("sealed", text).map_err(|error| error.to_string())?;
    let setup =
        Setup { servers: Servers::Openssl, ..Setup::new(&place.chromium, &place.serve, Through::Serve) };
    let mut world = BrowserWorld::new(&scenario, &setup)?;
    run(&scenario, &mut world).map_err(|failure| failure.to_string())?;
    Ok(world.is_innocent(Relay::Stays)?)
}

fn scenario(header: &str) -> Result<Scenario, Failed> {
    let text = format!("title Both sides talk\nproves S6\n{header}\n\nexpect connected\n");
    Ok(parse("sealed", &text).map_err(|error| error.to_string())?)
}

/// Both sides say records; the device says what is private, as well.
fn converse(world: &mut BrowserWorld, private: &[Vec<u8>]) -> Result<(), Failed> {
    world.start()?;
    for bytes in private {
        world.act(&Act::Device(DeviceAct::Sends(Payload::Bytes(bytes.clone()))))?;
    }
    world.act(&Act::Device(DeviceAct::Sends(Payload::Records(SAID))))?;
    world.act(&Act::Peer(0, PeerAct::Sends(Payload::Records(SAID))))?;
    let arrived = world.wait(LIMIT, &mut |o| {
        o.streams(None).concat().len() >= o.device_sent.len() && o.device_got.len() >= o.peer_sent.len()
    })?;
    let observed = world.observed();
    if arrived
        && observed.streams(None).concat() == observed.device_sent
        && observed.device_got == observed.peer_sent
    {
        Ok(())
    } else {
        Err(format!("something else has arrived, or too little{}", world.history()).into())
    }
}

/// What must not leave the tab, or not unencrypted: the key, as it is in the file and in memory, and the certificate.
fn private(world: &BrowserWorld) -> Result<Vec<Vec<u8>>, Failed> {
    let [certificate, key] = world.identity().ok_or("the page has no certificate")?;
    let wrong = |error| format!("the page's identity: {error}");
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(wrong)?;
    let shown = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(wrong)?;
    // Where the 32 bytes of an Ed25519 key are in PKCS #8 (RFC 8410, section 7).
    let bare = der.secret_der().get(16..48).ok_or("this is no Ed25519 key")?.to_vec();
    let lines = key.lines().filter(|line| !line.starts_with("-----")).map(|line| line.as_bytes().to_vec());
    Ok(lines.chain([shown.to_vec(), bare]).collect())
}

fn only(world: &BrowserWorld) -> Result<Capture, Failed> {
    let [capture] = world.captures().try_into().map_err(|_| "one server, one capture")?;
    Ok(capture)
}

/// How many pieces there are of all that was said and of what is private, and which of them are in the capture.
fn search(capture: &Capture, world: &BrowserWorld, private: &[Vec<u8>]) -> (usize, Vec<Vec<u8>>) {
    let streams = [&capture.up, &capture.down];
    let there: HashSet<&[u8]> = streams.iter().flat_map(|stream| stream.windows(PIECE)).collect();
    let observed = world.observed();
    let said = [&observed.device_sent, &observed.peer_sent].into_iter().chain(private);
    let pieces: Vec<_> = said.flat_map(|bytes| bytes.chunks_exact(PIECE)).collect();
    let found = pieces.iter().filter(|piece| there.contains(*piece)).map(|piece| piece.to_vec());
    (pieces.len(), found.collect())
}
