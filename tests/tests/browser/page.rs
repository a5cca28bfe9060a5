//! The page's modules, by their own tests; and the page as the program serves it, used as a person would.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use uartbridge_tests::browser::Page;

use crate::Place;

/// The other tests want the same browser. Less than the browser may think about a command.
const LIMIT: Duration = Duration::from_secs(50);

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("page::its_modules_pass_their_own_tests", modules),
        place.trial("page::the_demo_device_is_heard_after_one_click", demo_device),
    ]
}

fn modules(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.modules.url("tests/index.html"))?;
    // Drawing goes by frames, which only the page in front gets.
    page.call("Page.bringToFront", serde_json::json!({}))?;
    // One after the other they take seconds, and minutes beside work that others have for the machine.
    let done = (0..3)
        .find_map(|_| eventually(&mut page, "globalThis.results?.done ? globalThis.results : null").ok());
    let Some(results) = done else {
        let so_far = page.evaluate("globalThis.results ?? 'none has begun'")?;
        return Err(format!("not done: {so_far}; {:?}", page.complaints()).into());
    };
    let count = |list: &str| results[list].as_array().map_or(0, Vec::len);
    match (count("passed"), count("failed")) {
        (0, 0) => Err("there are no tests".into()),
        (_, 0) => Ok(()),
        (_, _) => Err(results["failed"].to_string().into()),
    }
}

/// Nothing is plugged in: the device is the page's own, and the server is nowhere.
fn demo_device(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.serve.page())?;
    start_demo(&mut page)?;
    match page.complaints() {
        [] => Ok(()),
        complaints => Err(format!("{complaints:?}").into()),
    }
}

/// Connects the page's own device, and waits until that is heard.
pub(crate) fn start_demo(page: &mut Page) -> Result<(), Failed> {
    let ports = "document.getElementById('port')";
    let demo = format!("[...{ports}.options].find(option => /demo/i.test(option.text))");
    eventually(page, &format!("Boolean({demo})"))?;
    page.evaluate(&format!(
        "{ports}.value = {demo}.value;
        {ports}.dispatchEvent(new Event('change', {{ bubbles: true }}));
        [...document.querySelectorAll('button')].find(button => button.textContent.trim() === 'Connect').click();"
    ))?;
    let heard =
        "Number(document.getElementById('counters').textContent.match(/from device\\D*([0-9]+)/)?.[1] ?? 0)";
    eventually(page, heard).map(drop)
}

/// What an expression gives once it gives something.
pub(crate) fn eventually(page: &mut Page, expression: &str) -> Result<Value, Failed> {
    let wait = format!(
        "new Promise(resolve => {{
            const look = () => {{ const found = {expression}; found ? resolve(found) : setTimeout(look, 50); }};
            setTimeout(() => resolve(null), {});
            look();
        }})",
        LIMIT.as_millis()
    );
    let found = page.evaluate(&wait)?;
    if found.is_null() {
        Err(format!("for {LIMIT:?}, there was nothing of {expression}").into())
    } else {
        Ok(found)
    }
}
