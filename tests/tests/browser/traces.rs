//! Traces from a page: the program on this host replays them.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use uartbridge_tests::browser::{BrowserWorld, Setup, Through};
use uartbridge_tests::program::build;
use uartbridge_tests::{Library, run};

use crate::Place;
use crate::page::{eventually, start_demo};

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("traces::a_run_with_an_outage_replays_here", outage),
        place.trial("traces::a_run_under_tls_replays_here", under_tls),
        place.trial("traces::the_page_saves_one", saves),
    ]
}

fn outage(place: &Place) -> Result<(), Failed> {
    let told = scenario(place, "s07-reconnect-loses-nothing")?;
    holds(&told, &["connected to tcp://", "not connected: "])
}

fn under_tls(place: &Place) -> Result<(), Failed> {
    let told = scenario(place, "tls-reconnect-loses-nothing")?;
    holds(&told, &["connected to tls://", "not connected: "])
}

/// Nothing is plugged in: the device is the page's own, and the server is nowhere. What would be saved is read instead.
fn saves(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.serve.page())?;
    start_demo(&mut page)?;
    page.evaluate(
        "URL.createObjectURL = blob => { globalThis.saved = blob; return '#'; };
        HTMLAnchorElement.prototype.click = () => {};
        document.getElementById('save-trace').click();",
    )?;
    let bytes = page.evaluate("saved.arrayBuffer().then(buffer => Array.from(new Uint8Array(buffer)))")?;
    let told = replay(&bytes)?;
    holds(&told, &["with the bytes that passed", "connected to nowhere://:0", "UART → net: "])?;
    // It is kept when the bridge has finished.
    page.evaluate("document.getElementById('connect').click()")?;
    eventually(&mut page, "document.getElementById('connect').textContent === 'Connect'")?;
    page.evaluate("document.getElementById('save-trace').click()")?;
    let bytes = page.evaluate("saved.arrayBuffer().then(buffer => Array.from(new Uint8Array(buffer)))")?;
    holds(&replay(&bytes)?, &["stopping: delivering what is held", "finished"])
}

/// Lets a scenario happen to a bridge in a page: what its trace tells.
fn scenario(place: &Place, name: &str) -> Result<String, Failed> {
    let library = Library::load()?;
    let scenario = library.scenarios.iter().find(|scenario| scenario.name == name).ok_or("it has gone")?;
    let mut world = BrowserWorld::new(scenario, &Setup::new(&place.chromium, &place.serve, Through::Serve))?;
    run(scenario, &mut world).map_err(|failure| failure.to_string())?;
    replay(&world.page().evaluate("Array.from(bridge.trace())")?)
}

/// What `uartbridge replay` tells of a trace that it finds to be whole and without difference.
fn replay(bytes: &Value) -> Result<String, Failed> {
    let bytes: Vec<u8> = serde_json::from_value(bytes.clone())?;
    let file = tempfile(&bytes)?;
    let output = Command::new(build()?).arg("replay").arg(&file).output()?;
    std::fs::remove_file(&file)?;
    let told = String::from_utf8(output.stdout)?;
    if output.status.success() && told.contains("every action is the recorded one") {
        return Ok(told);
    }
    Err(format!("{}: {told}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

fn tempfile(bytes: &[u8]) -> std::io::Result<std::path::PathBuf> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let nth = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("uartbridge-page-{}-{nth}.trace", std::process::id()));
    std::fs::write(&file, bytes)?;
    Ok(file)
}

fn holds(told: &str, lines: &[&str]) -> Result<(), Failed> {
    match lines.iter().find(|line| !told.contains(**line)) {
        None => Ok(()),
        Some(line) => Err(format!("no {line:?} in\n{told}").into()),
    }
}
