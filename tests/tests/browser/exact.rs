//! A MiB each way at once, of every value that a byte can have, and the same at the other end by SHA-256.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::{BrowserWorld, Relay, Servers, Setup, Through};
use uartbridge_tests::scenario::{DeviceAct, Payload, PeerAct};
use uartbridge_tests::tls::sha256;
use uartbridge_tests::{Act, World, parse};

use crate::Place;

const MIB: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("exact::a_mib_each_way_by_serve", |place| exact(place, Through::Serve, Servers::Own)),
        place.trial("exact::a_mib_each_way_by_websockify", |place| {
            exact(place, Through::Websockify, Servers::Own)
        }),
        place.trial("exact::a_mib_each_way_by_serve_and_mutual_tls", |place| {
            exact(place, Through::Serve, Servers::Openssl)
        }),
        place.trial("exact::a_mib_each_way_by_websockify_and_mutual_tls", |place| {
            exact(place, Through::Websockify, Servers::Openssl)
        }),
    ]
}

fn exact(place: &Place, through: Through, servers: Servers) -> Result<(), Failed> {
    let tls = if servers == Servers::Openssl { "tls mutual\n" } else { "" };
    let text = format!("title A MiB each way\nproves S3\n{tls}\nexpect connected\n");
    let scenario = parse("exact", &text).map_err(|error| error.to_string())?;
    let setup = Setup { servers, ..Setup::new(&place.chromium, &place.serve, through) };
    let mut world = BrowserWorld::new(&scenario, &setup)?;
    world.start()?;
    world.wait(LIMIT, &mut |o| o.connected.is_some())?;
    let start = Instant::now();
    let (up, down) = (noise(1), noise(2));
    world.act(&Act::Device(DeviceAct::Sends(Payload::Bytes(up.clone()))))?;
    world.act(&Act::Peer(0, PeerAct::Sends(Payload::Bytes(down.clone()))))?;
    let server_got =
        |o: &uartbridge_tests::Observed| o.connections.iter().map(|c| c.got.len()).sum::<usize>();
    world.wait(LIMIT, &mut |o| server_got(o) >= MIB && o.device_got.len() >= MIB)?;
    let took = start.elapsed();
    // What does not belong there would come after it.
    world.wait(Duration::from_millis(200), &mut |o| server_got(o) > MIB || o.device_got.len() > MIB)?;
    let observed = world.observed();
    for (direction, sent, got) in
        [("up", &up, observed.streams(None).concat()), ("down", &down, observed.device_got.clone())]
    {
        let digests = [sent.as_slice(), &got].map(sha256).map(hex);
        println!("{through:?}, {servers:?}, {direction}: {} bytes, sha256 {}", got.len(), digests[1]);
        if digests[0] != digests[1] {
            let why = format!("{} bytes of another digest than {}", got.len(), digests[0]);
            return Err(format!("{direction}: {why}{}", world.history()).into());
        }
    }
    println!("{through:?}, {servers:?}: in {took:?}");
    let (connections, replayed) = (world.stat("connections")?, world.stat("replayed")?);
    if (connections, replayed) != (1, 0) {
        return Err(format!("{connections} connections, {replayed} bytes sent again").into());
    }
    Ok(world.is_innocent(Relay::Stays)?)
}

/// A MiB of xorshift (Marsaglia, 2003).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(MIB);
    while bytes.len() < MIB {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The lowest byte of the first numbers says little.
        bytes.push((state >> 24) as u8);
    }
    bytes
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
