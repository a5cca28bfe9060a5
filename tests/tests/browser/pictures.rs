//! `cargo xtask web pictures`: the page as the documentation shows it, idle, at work and in trouble, in light, in dark and on a phone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use uartbridge_tests::browser::Page;

use crate::Place;
use crate::person::{opened, shows};

/// The name of a picture's kind, its colours, its width and height in pixels, and whether it is a phone's.
const KINDS: [(&str, &str, u16, u16, bool); 3] = [
    ("light", "light", 1280, 800, false),
    ("dark", "dark", 1280, 800, false),
    ("phone", "light", 360, 740, true),
];
/// A relay that is not there: the port of a service that nobody offers any more (RFC 863).
const NO_RELAY: &str = "ws://127.0.0.1:9/";

/// Writes the pictures into `folder`.
///
/// # Errors
/// The page does not come into one of its states, or the folder cannot be written to.
pub(crate) fn run(place: &Place, folder: &Path) -> Result<(), String> {
    for kind in KINDS {
        one(place, folder, kind).map_err(|failed| failed.message().unwrap_or("it failed").to_owned())?;
    }
    Ok(())
}

fn one(
    place: &Place,
    folder: &Path,
    (name, colours, width, height, phone): (&str, &str, u16, u16, bool),
) -> Result<(), libtest_mimic::Failed> {
    let mut page = opened(place)?;
    let feature = json!({ "name": "prefers-color-scheme", "value": colours });
    page.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }))?;
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
    page.call("Emulation.setDeviceMetricsOverride", size)?;
    page.eventually(&format!("document.documentElement.clientWidth === {width}"))?;
    take(&mut page, folder, &format!("page-{name}-idle.png"))?;

    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = server.local_addr()?.to_string();
    page.click("input[name=server][value=tcp]")?;
    page.fill("#target", &address)?;
    page.click("#connect")?;
    let (mut peer, _) = server.accept()?;
    heard(&mut peer, "temp 2 ")?;
    peer.write_all(b"AT+TEMP?\r\n")?;
    heard(&mut peer, "OK\r\n")?;
    peer.write_all(b"ATI\r\n")?;
    heard(&mut peer, "temp 5 ")?;
    shows(&mut page, "up", "temp 5 ")?;
    take(&mut page, folder, &format!("page-{name}-run.png"))?;
    page.click("#connect")?;
    page.eventually("document.getElementById('connect').textContent === 'Connect'")?;

    page.click("#clear")?;
    if phone {
        page.click("#toggle-setup")?;
    }
    page.evaluate("document.getElementById('relay').focus()")?;
    page.key("ArrowDown", 0)?;
    page.fill("#relayUrl", NO_RELAY)?;
    page.click("#connect")?;
    page.eventually("/\\(4 failures in a row\\)/.test(document.querySelector('main').textContent)")?;
    take(&mut page, folder, &format!("page-{name}-trouble.png"))?;
    Ok(())
}

/// Reads until the device has said `text`.
fn heard(peer: &mut TcpStream, text: &str) -> Result<(), String> {
    let mut all = String::new();
    let mut room = [0; 256];
    while !all.contains(text) {
        match peer.read(&mut room) {
            Ok(0) => return Err(format!("the page has ended the connection after {all:?}")),
            Ok(n) => all.extend(room[..n].iter().copied().map(char::from)),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

fn take(page: &mut Page, folder: &Path, name: &str) -> Result<(), String> {
    // No cursor that is just there or not.
    page.evaluate("document.activeElement?.blur()")?;
    let picture = page.call("Page.captureScreenshot", json!({ "format": "png" }))?;
    let picture = picture["data"].as_str().unwrap_or_default();
    let picture = BASE64_STANDARD.decode(picture).map_err(|error| format!("{name}: {error}"))?;
    let path = folder.join(name);
    std::fs::write(&path, &picture).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}: {} bytes", path.display(), picture.len());
    Ok(())
}
