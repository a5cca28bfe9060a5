//! A relay that only passes bytes on cannot be told to wait: what a server sends faster than the device takes it has a place in
//! the tab. What has none is counted, and ends the connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::{Bench, Page, Websockify};
use uartbridge_tests::scenario::DeviceAct;

use crate::Place;
use crate::embedded::{hears, page, run, server};

/// Of the relay that this file needs.
const RELAY: u16 = 8910;
/// What has a place.
const FITS: usize = 6 << 20;
/// More than has a place.
const FLOOD: usize = 12 << 20;
/// What the server says the next time.
const AGAIN: &[u8] = b"and now the rest";
/// Megabytes take a while on a machine that others use.
const LATE: Duration = Duration::from_secs(120);

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("bare::a_server_that_is_faster_than_the_device_loses_nothing", fast_server),
        place.trial("bare::a_server_that_floods_is_left_and_what_is_lost_is_counted", flood),
    ]
}

fn pattern(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}

/// Sends so much, whoever takes it, and stays.
fn say(client: &mut TcpStream, what: &[u8]) {
    let _ = client.write_all(what);
    // Until the bridge has closed.
    let _ = client.read(&mut [0]);
}

/// A page that counts, in `came`, the bytes that WebSockets have brought it.
fn counting(place: &Place, device: &Bench) -> Result<Page, Failed> {
    let mut page = page(place, device)?;
    page.evaluate(
        "globalThis.came = 0;
        globalThis.WebSocket = class extends WebSocket {
            constructor(...args) {
                super(...args);
                this.addEventListener('message', (event) => (came += event.data.byteLength));
            }
        };",
    )?;
    Ok(page)
}

/// A device that has stalled until so many bytes had come to the page, and the page.
fn jam(place: &Place, relay: &Websockify, came: usize) -> Result<(Bench, Page), Failed> {
    let mut device = Bench::new()?;
    device.act(&DeviceAct::Stalls)?;
    let mut page = counting(place, &device)?;
    run(&mut page, &json!({ "peers": [{ "relay": relay.relay(), "protocol": "binary" }] }))?;
    hears(&mut page, "state open")?;
    page.eventually(&format!("came === {came}"))?;
    device.act(&DeviceAct::ReadsAgain)?;
    Ok((device, page))
}

fn fast_server(place: &Place) -> Result<(), Failed> {
    let relay = Websockify::start(RELAY, server(|mut client| say(&mut client, &pattern(FITS)))?)?;
    let (mut device, mut page) = jam(place, &relay, FITS)?;
    let got = device.receive(FITS, LATE)?;
    if got != pattern(FITS) {
        return Err(format!("{} bytes of {FITS} have come, or others than these", got.len()).into());
    }
    refused(&mut page)
        .and_then(|count| if count == 0 { Ok(()) } else { Err(format!("{count} are lost").into()) })
}

/// All that had a place arrives, then the connection ends, and the next one is as good as the first was.
fn flood(place: &Place) -> Result<(), Failed> {
    static CALLED: AtomicBool = AtomicBool::new(false);
    let address = server(|mut client| match CALLED.swap(true, Relaxed) {
        false => say(&mut client, &pattern(FLOOD)),
        true => say(&mut client, AGAIN),
    })?;
    let relay = Websockify::start(RELAY + 1, address)?;
    let (mut device, mut page) = jam(place, &relay, FLOOD)?;
    let mut got = device.receive(FITS, LATE)?.to_vec();
    let lost = refused(&mut page)?;
    let whole = [&pattern(FLOOD - lost), AGAIN].concat();
    got.extend(device.receive(whole.len() - FITS, LATE)?);
    if lost == 0 || got != whole {
        return Err(format!("{lost} counted, {} have come of {}, or others", got.len(), whole.len()).into());
    }
    hears(&mut page, "the relay sends faster than the device takes it, and cannot be told to wait").map(drop)
}

fn refused(page: &mut Page) -> Result<usize, Failed> {
    let count = page.evaluate("bridge.stats().downRefused")?;
    count.as_u64().map(|count| count as usize).ok_or_else(|| format!("{count} bytes refused").into())
}
