//! Web Serial itself, without a bridge: the ground that the other tests stand on.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::{Bench, Page};
use uartbridge_tests::scenario::DeviceAct;

use crate::Place;

const SOON: Duration = Duration::from_secs(30);

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("serial::a_page_echoes_what_a_device_sends", echoes),
        place.trial("serial::an_adapter_comes_back_as_another_port", comes_back),
    ]
}

fn echoes(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    let mut page = blank(place, &device)?;
    page.evaluate("port.open({ baudRate: 115200 }).then(() => { port.readable.pipeTo(port.writable); })")?;
    let sent: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    device.send(&sent)?;
    let got = device.receive(sent.len(), SOON)?;
    if got != sent {
        return Err(format!("{} bytes came back, or others than these", got.len()).into());
    }
    Ok(())
}

fn comes_back(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    let mut page = blank(place, &device)?;
    page.evaluate(
        "port.addEventListener('disconnect', () => report('gone'));
        navigator.serial.addEventListener('connect', event => {
            // Adapters of other tests come and go, too.
            if (event.target.getInfo().usbProductId !== port.getInfo().usbProductId) return;
            globalThis.other = event.target;
            report(event.target === port ? 'the same' : 'another');
        });
        port.open({ baudRate: 115200 })",
    )?;
    device.act(&DeviceAct::Unplugged)?;
    hears(&mut page, "gone")?;
    let ended = page.evaluate("port.readable.getReader().read().then(() => 'data', error => error.name)")?;
    if ended != "NetworkError" {
        return Err(format!("a reader of a port that has gone gets {ended}").into());
    }
    device.act(&DeviceAct::Plugged)?;
    hears(&mut page, "another")?;
    if page.evaluate("port.open({ baudRate: 115200 }).then(() => true, () => false)")? != false {
        return Err("the old port opens again".into());
    }
    page.evaluate("other.open({ baudRate: 115200 }).then(() => { other.readable.pipeTo(other.writable); })")?;
    device.send(b"back")?;
    let got = device.receive(4, SOON)?;
    if got == b"back" { Ok(()) } else { Err(format!("the new port echoes {got:?}").into()) }
}

/// A page with nothing in it but `port`, the device's.
fn blank(place: &Place, device: &Bench) -> Result<Page, Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.files.url("tests/browser/web/blank.html"))?;
    let port = device.port();
    page.evaluate(&format!("{port}.then(port => {{ globalThis.port = port; }})"))?;
    Ok(page)
}

fn hears(page: &mut Page, what: &str) -> Result<(), Failed> {
    page.until(SOON, Page::has_reported)?;
    let reports = page.reports();
    if reports == [what] {
        Ok(())
    } else {
        Err(format!("the page said {reports:?} instead of {what}").into())
    }
}
