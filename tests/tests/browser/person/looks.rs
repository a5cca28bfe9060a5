//! Looking: search, pause, views, and the width of a phone.

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::{Page, SHIFT};

use super::{innocent, opened, quiet, running, shows, text};
use crate::Place;

pub(super) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("person::searches", searches),
        place.trial("person::pauses", pauses),
        place.trial("person::changes_the_view", changes_the_view),
        place.trial("person::has_a_narrow_window", narrow),
    ]
}

fn searches(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    shows(&mut page, "up", "temp 3 ")?;
    quiet(&mut page)?;
    page.fill("#find", "TEMP ")?;
    let found = page.eventually("Number(document.getElementById('found').textContent)")?;
    page.key("Enter", 0)?;
    page.eventually(&format!("document.getElementById('found').textContent === '1/{found}'"))?;
    page.eventually("document.querySelector('#terminal mark.now')?.textContent === 'temp '")?;
    page.key("Enter", SHIFT)?;
    page.eventually(&format!("document.getElementById('found').textContent === '{found}/{found}'"))?;
    page.click("#find-previous")?;
    page.eventually(&format!("document.getElementById('found').textContent === `${{{found} - 1}}/{found}`"))?;
    page.fill("#find", "0x0d0a")?;
    page.eventually("Number(document.getElementById('found').textContent) >= 4")?;
    page.fill("#find", "no such thing")?;
    page.eventually("document.getElementById('found').textContent === '0' && document.getElementById('find-next').disabled")?;
    page.key("Escape", 0)?;
    page.eventually("!document.getElementById('find').value && !document.querySelector('#terminal mark')")?;
    innocent(&page)
}

fn pauses(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    page.click("#pause")?;
    let held = text(&mut page, "#terminal")?;
    page.eventually("/^Paused: [1-9][0-9]* B more/.test(document.getElementById('held').textContent)")?;
    let seen = text(&mut page, "#terminal")?;
    if seen != held {
        return Err(format!("the view has moved from {held:?} to {seen:?}").into());
    }
    page.click("#pause")?;
    page.eventually(&format!(
        "document.getElementById('terminal').textContent !== {} && !document.getElementById('held').textContent",
        json!(held)
    ))?;
    innocent(&page)
}

fn changes_the_view(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    page.click("input[name=view][value=hex]")?;
    shows(&mut page, "up", "74 65 6d 70 20")?;
    page.click("input[name=view][value=mixed]")?;
    shows(&mut page, "up", "74 65 6d 70 20")?;
    page.eventually("/temp 1/.test([...document.querySelectorAll('#terminal .ascii')].map((row) => row.textContent).join(''))")?;
    page.click("input[name=view][value=text]")?;
    page.click("#ends")?;
    shows(&mut page, "up", "␍␊")?;
    page.click("#clear")?;
    page.eventually("!/temp 1 /.test(document.getElementById('terminal').textContent)")?;
    // What was chosen is still chosen the next time.
    page.reload()?;
    page.eventually("document.getElementById('ends').checked")?;
    innocent(&page)
}

fn narrow(place: &Place) -> Result<(), Failed> {
    let mut page = opened(place)?;
    for width in [320, 375] {
        page.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 700, "deviceScaleFactor": 2, "mobile": true }),
        )?;
        page.eventually(&format!("document.documentElement.clientWidth === {width}"))?;
        fits(&mut page, "idle")?;
        page.click("#more summary")?;
        fits(&mut page, "with all settings")?;
        page.click("#more summary")?;
        page.click("#connect")?;
        // The device has gone on counting since the last session.
        shows(&mut page, "up", "temp ")?;
        fits(&mut page, "at work")?;
        page.click("#quick .edit")?;
        fits(&mut page, "with the dialog")?;
        page.click("#quick-cancel")?;
        page.click("#connect")?;
        page.eventually("document.getElementById('connect').textContent === 'Connect'")?;
        page.click("#clear")?;
        page.click("#toggle-setup")?;
    }
    innocent(&page)
}

/// Nothing sticks out to the right: there is nothing to scroll to, and no control that cannot be seen whole.
fn fits(page: &mut Page, when: &str) -> Result<(), Failed> {
    let wide = page.evaluate(
        "(() => {
            const { clientWidth, scrollWidth } = document.documentElement;
            const out = [...document.querySelectorAll('button, input, select, summary, dd, p')]
                .filter((element) => element.checkVisibility() && !element.closest('.unseen, #terminal'))
                .filter((element) => element.getBoundingClientRect().right > clientWidth + 0.5)
                .map((element) => element.outerHTML.slice(0, 80));
            return scrollWidth > clientWidth ? [`${scrollWidth} pixels`, ...out] : out;
        })()",
    )?;
    if wide.as_array().is_some_and(Vec::is_empty) {
        Ok(())
    } else {
        Err(format!("too wide {when}: {wide}").into())
    }
}
