//! The page as the program serves it, used as a person would: with mouse and keyboard, on its demo device.

mod keyboard;
mod looks;
mod saves;
mod says;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::Page;

use crate::Place;

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    let all = [looks::trials(place), says::trials(place), saves::trials(place), keyboard::trials(place)];
    all.into_iter().flatten().collect()
}

/// The page, in which nothing is remembered and the demo device is chosen.
pub(crate) fn opened(place: &Place) -> Result<Page, Failed> {
    let mut page = place.chromium.stranger()?;
    page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }))?;
    page.go(&place.serve.page())?;
    page.eventually("document.querySelector('#port')?.selectedOptions[0]?.value === 'demo'")?;
    Ok(page)
}

/// The page with a session that runs.
fn running(place: &Place) -> Result<Page, Failed> {
    let mut page = opened(place)?;
    page.click("#connect")?;
    shows(&mut page, "up", "temp 1 ")?;
    Ok(page)
}

/// The device says nothing more by itself.
fn quiet(page: &mut Page) -> Result<(), Failed> {
    page.fill("#text", "AT+EVERY=0")?;
    page.key("Enter", 0)?;
    shows(page, "up", "OK")
}

/// Waits until a row of `way` (up, down, note) has `text` in it.
pub(crate) fn shows(page: &mut Page, way: &str, text: &str) -> Result<(), Failed> {
    page.eventually(&rows(way, text))?;
    Ok(())
}

/// How many rows of `way` have `text` in them.
fn rows(way: &str, text: &str) -> String {
    format!(
        "[...document.querySelectorAll('#terminal .row[data-way={way}] .what')].filter((row) => row.textContent.includes({})).length",
        json!(text)
    )
}

/// An element's text.
fn text(page: &mut Page, selector: &str) -> Result<String, Failed> {
    let found = page.evaluate(&format!("document.querySelector({}).textContent", json!(selector)))?;
    Ok(found.as_str().unwrap_or_default().to_owned())
}

/// Nothing has happened that must not.
fn innocent(page: &Page) -> Result<(), Failed> {
    match page.complaints() {
        [] => Ok(()),
        complaints => Err(format!("in the page's console: {complaints:?}").into()),
    }
}
