//! The bridge in a module worker.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use uartbridge_tests::browser::{Bench, Page, Websockify};

use crate::embedded::{echo, hears, server};
use crate::{Place, SOON};

/// Of the relay that this file needs.
const RELAY: u16 = 8900;

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("worker::a_device_is_bridged_while_its_page_is_hidden", device),
        place.trial("worker::the_demo_device_is_heard", demo_device),
    ]
}

/// The worker has ports of Web Serial itself.
fn device(place: &Place) -> Result<(), Failed> {
    let relay = Websockify::start(RELAY, server(echo)?)?;
    let mut device = Bench::new()?;
    let peer = json!({ "relay": relay.relay(), "protocol": "binary" });
    let options = json!({ "line": { "baudRate": 115_200 }, "peers": [peer], "config": { "packGap": 5 } });
    let mut page = working(place, &json!({ "product": device.product(), "options": options }))?;
    hears(&mut page, "state open")?;
    page.hide(true)?;
    let sent: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    device.send(&sent)?;
    let got = device.receive(sent.len(), SOON)?;
    if got != sent {
        return Err(format!("{} bytes came back, or others than these", got.len()).into());
    }
    stops(&mut page)
}

fn demo_device(place: &Place) -> Result<(), Failed> {
    let mut page = working(place, &json!({ "options": { "peers": [] } }))?;
    hears(&mut page, "traffic up")?;
    stops(&mut page)
}

/// A page whose worker runs a bridge as `told`; it reports what that tells.
fn working(place: &Place, told: &Value) -> Result<Page, Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.modules.url("tests/blank.html"))?;
    page.evaluate(&format!(
        "globalThis.worker = new Worker('/tests/worker.js', {{ type: 'module' }});
        worker.onerror = (event) => report(`error ${{event.message}}`);
        worker.onmessage = ({{ data }}) => {{
            if (data.direction !== 'down') report(`${{data.type}} ${{data.name ?? data.direction ?? ''}} ${{data.text ?? ''}}`);
        }};
        worker.postMessage({told});"
    ))?;
    Ok(page)
}

/// It ends in order.
fn stops(page: &mut Page) -> Result<(), Failed> {
    page.evaluate("worker.postMessage({ call: 'stop' })")?;
    let said = hears(page, "ended")?;
    match (said.iter().find(|said| said.starts_with("ended")), page.complaints()) {
        (Some(end), []) if end.trim() == "ended" => Ok(()),
        (_, complaints) => Err(format!("{said:?}; in the console: {complaints:?}").into()),
    }
}
