//! A relay that only passes bytes on, and a device that stalls: bytes wait, and none is lost.

use std::io::{Read, Write};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::{Bench, Websockify};
use uartbridge_tests::scenario::DeviceAct;

use crate::Place;
use crate::embedded::{hears, page, run, server};

/// Of the relay that this file needs.
const RELAY: u16 = 8910;
/// More than the page keeps for a relay that it cannot hold back.
const DOWN: usize = 6 << 20;
/// Megabytes take a while on a machine that others use.
const LATE: Duration = Duration::from_secs(120);
pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![place.trial("bare::a_server_that_is_faster_than_the_device_loses_nothing", fast_server)]
}

fn pattern(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
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
    run(&mut page, &json!({ "peers": [{ "relay": relay.relay(), "protocol": "binary" }] }))?;
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
