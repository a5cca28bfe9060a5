//! Relays that only pass bytes on, and an end that stalls: bytes wait, and none is lost.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use uartbridge_tests::browser::{Bench, Page, Websockify};
use uartbridge_tests::scenario::DeviceAct;

use crate::Place;
use crate::embedded::{hears, page, run, server};

/// Of the relay that this file needs.
const RELAY: u16 = 8910;
/// More than the page keeps for a relay that it cannot hold back.
const DOWN: usize = 6 << 20;
/// More than all buffers on the way hold: those of sockets are 4 MiB on Linux.
const UP: usize = 6 << 20;
/// The up ring, in bytes.
const RING: u64 = 1 << 20;
/// Megabytes take a while on a machine that others use.
const LATE: Duration = Duration::from_secs(120);
/// How long the device goes on between two looks at the page.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("bare::a_server_that_is_faster_than_the_device_loses_nothing", fast_server),
        place.trial("bare::a_relay_that_does_not_read_holds_the_device_back", |place| stalls(place, "")),
        place.trial("bare::it_does_so_without_websocketstream_too", |place| {
            stalls(place, "delete globalThis.WebSocketStream;")
        }),
    ]
}

fn pattern(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}

fn options(relay: &str) -> Value {
    json!({ "peers": [{ "relay": relay, "protocol": "binary" }], "config": { "upBuffer": RING } })
}

/// websockify takes all that a server sends, at once, and keeps what the page does not take.
fn fast_server(place: &Place) -> Result<(), Failed> {
    let address = server(|mut client| {
        let _ = client.write_all(&pattern(DOWN));
        // Until the bridge has closed.
        let _ = client.read(&mut [0]);
    })?;
    let relay = Websockify::start(RELAY, address)?;
    let mut device = Bench::new()?;
    device.act(&DeviceAct::Stalls)?;
    let mut page = page(place, &device)?;
    run(&mut page, &options(&relay.relay()))?;
    hears(&mut page, "state open")?;
    page.eventually("bridge.stats().downHeld === 65536")?;
    // Without back-pressure the rest would come now: as long as it takes to take a few megabytes.
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 2000))")?;
    device.act(&DeviceAct::ReadsAgain)?;
    let got = device.receive(DOWN, LATE)?;
    if got != pattern(DOWN) {
        return Err(format!("{} bytes of {DOWN} have come, or others than these", got.len()).into());
    }
    match page.evaluate("bridge.stats().downRefused")?.as_u64() {
        Some(0) => Ok(()),
        other => Err(format!("{other:?} bytes had no place").into()),
    }
}

fn stalls(place: &Place, prepare: &str) -> Result<(), Failed> {
    let (relay, go, read) = stalled_relay()?;
    let mut device = Bench::new()?;
    let mut page = page(place, &device)?;
    page.evaluate(prepare)?;
    run(&mut page, &options(&relay))?;
    hears(&mut page, "state open")?;
    device.send(&pattern(UP))?;
    let taken = until_it_stalls(&mut page, &mut device)?;
    println!("a relay that does not read has taken {taken} bytes {prepare}");
    if taken + RING >= UP as u64 {
        return Err(format!("{taken} bytes have left the bridge, and nobody has read any").into());
    }
    // What has left, and what is in the ring.
    let wanted = usize::try_from(taken + RING)?;
    go.send(wanted)?;
    let until = Instant::now() + LATE;
    loop {
        device.receive(1, LOOK)?;
        match read.try_recv() {
            Ok(got) if got.len() >= wanted && got == pattern(got.len()) => return Ok(()),
            Ok(got) => return Err(format!("{} bytes have come, or others than these", got.len()).into()),
            Err(_) if Instant::now() > until => return Err("the relay has not got it".into()),
            Err(_) => {}
        }
    }
}

/// Lets the device send until the ring is full and nothing leaves it; how many bytes have left it.
fn until_it_stalls(page: &mut Page, device: &mut Bench) -> Result<u64, Failed> {
    let until = Instant::now() + LATE;
    let mut before = u64::MAX;
    while Instant::now() < until {
        for _ in 0..20 {
            device.receive(1, LOOK)?;
        }
        let taken = page.evaluate("bridge.stats().upHeld === bridge.stats().uartRx - bridge.stats().txAcked && bridge.stats().txAcked")?;
        let taken = taken.as_u64().ok_or("the counters do not fit")?;
        let full = page.evaluate("bridge.stats().upHeld")?.as_u64() == Some(RING);
        if full && taken == before {
            return Ok(taken);
        }
        before = taken;
    }
    Err("the device was never held back".into())
}

/// A relay that accepts a page and reads nothing until it is told how much; then it gives what it got.
fn stalled_relay() -> Result<(String, Sender<usize>, Receiver<Vec<u8>>), Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket2::SockRef::from(&listener).set_recv_buffer_size(64 << 10)?;
    let url = format!("ws://{}/", listener.local_addr()?);
    let ((go, told), (give, got)) = (mpsc::channel(), mpsc::channel());
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let agree = |_: &Request, mut response: Response| {
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("binary"));
            Ok(response)
        };
        let Ok(mut socket) = tungstenite::accept_hdr(stream, agree) else { return };
        // The test is over if nobody tells.
        let Ok(wanted) = told.recv() else { return };
        let mut all = Vec::new();
        while all.len() < wanted {
            match socket.read() {
                Ok(Message::Binary(bytes)) => all.extend_from_slice(&bytes),
                Ok(
                    Message::Text(_)
                    | Message::Ping(_)
                    | Message::Pong(_)
                    | Message::Close(_)
                    | Message::Frame(_),
                ) => {}
                Err(_) => break,
            }
        }
        let _ = give.send(all);
    });
    Ok((url, go, got))
}
