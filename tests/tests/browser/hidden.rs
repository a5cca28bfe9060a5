//! A tab that nobody sees: its browser holds back its timers, and its bytes must go on all the same.

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::Bench;

use crate::embedded::{self, echo, hears, server};
use crate::{Place, SOON};

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("hidden::bytes_do_not_wait_for_the_timers_of_a_hidden_window", bytes_go_on),
        place.trial("hidden::the_page_says_what_happens_to_it", says),
    ]
}

/// Each packet ends by a timer, of which a hidden window has one a second. Its own timers, which it is held to, tell how many
/// seconds that took.
fn bytes_go_on(place: &Place) -> Result<(), Failed> {
    const PACKETS: usize = 30;
    let mut device = Bench::new()?;
    let mut page = embedded::page(place, &device)?;
    embedded::run(&mut page, &embedded::options(place, server(echo)?, &json!({ "packGap": 10 })))?;
    hears(&mut page, "state open")?;
    page.hide(true)?;
    page.evaluate("globalThis.ticks = 0; (function tick() { ticks += 1; setTimeout(tick, 10); })()")?;
    for packet in 0..PACKETS {
        let sent = [packet as u8; 10];
        device.send(&sent)?;
        let got = device.receive(sent.len(), SOON)?;
        if got != sent {
            return Err(format!("packet {packet} comes back as {got:?}").into());
        }
    }
    let ticks = page.evaluate("ticks")?.as_u64().ok_or("no ticks")?;
    if page.evaluate("document.hidden")? != true {
        return Err("the page was seen".into());
    }
    // At once, the first few ticks are not held back.
    if ticks as usize <= PACKETS / 2 {
        Ok(())
    } else {
        Err(format!("{PACKETS} packets took as long as {ticks} timers of a hidden window").into())
    }
}

fn says(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.page()?;
    page.go(&place.serve.page())?;
    page.eventually("document.querySelector('#port option[value=demo]')?.value")?;
    page.click("#connect")?;
    page.eventually("/temp 1 /.test(document.getElementById('terminal').textContent)")?;
    page.hide(true)?;
    page.eventually("/^No server.* · uartbridge$/.test(document.title)")?;
    let heard =
        "Number(document.getElementById('counters').textContent.match(/from device\\D*([0-9]+)/)?.[1] ?? 0)";
    let before = page.evaluate(heard)?;
    page.eventually(&format!("{heard} > {before} + 30"))?;
    page.call("Page.setWebLifecycleState", json!({ "state": "frozen" }))?;
    page.call("Page.setWebLifecycleState", json!({ "state": "active" }))?;
    page.hide(false)?;
    for said in
        ["this tab is hidden: bytes go on as before", "had suspended this tab", "in view again, after"]
    {
        page.eventually(&format!("document.getElementById('terminal').textContent.includes('{said}')"))?;
    }
    Ok(())
}
