//! No mouse: everything is reached by Tab, and the focus is seen.

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::{Page, SHIFT};

use super::{innocent, opened, shows};
use crate::Place;

pub(super) fn trials(place: &Place) -> Vec<Trial> {
    vec![place.trial("person::has_a_keyboard_only", keyboard)]
}

/// More stops than the page has.
const STOPS: usize = 80;

fn keyboard(place: &Place) -> Result<(), Failed> {
    let mut page = opened(place)?;
    tab(&mut page, "connect", 0)?;
    page.key("Enter", 0)?;
    shows(&mut page, "up", "temp 1 ")?;
    tab(&mut page, "text", 0)?;
    page.types("AT+ECHO=hello")?;
    page.key("Enter", 0)?;
    shows(&mut page, "up", "hello")?;
    tab(&mut page, "pause", SHIFT)?;
    page.key(" ", 0)?;
    page.eventually("document.getElementById('pause').ariaPressed === 'true'")?;
    page.key(" ", 0)?;
    tab(&mut page, "find", SHIFT)?;
    page.types("hello")?;
    page.key("Enter", 0)?;
    page.eventually("/^1\\//.test(document.getElementById('found').textContent)")?;
    // Radio buttons are one stop, and its arrows choose.
    tab_to(&mut page, "[name=view]", SHIFT)?;
    page.key("ArrowRight", 0)?;
    shows(&mut page, "up", "68 65 6c 6c 6f")?;
    tab(&mut page, "connect", SHIFT)?;
    page.key(" ", 0)?;
    page.eventually("document.getElementById('connect').textContent === 'Connect'")?;
    innocent(&page)
}

fn tab(page: &mut Page, id: &str, modifiers: u8) -> Result<(), Failed> {
    tab_to(page, &format!("#{id}"), modifiers)
}

/// Presses Tab until the focus is there; everywhere on the way it can be seen.
fn tab_to(page: &mut Page, selector: &str, modifiers: u8) -> Result<(), Failed> {
    for _ in 0..STOPS {
        page.key("Tab", modifiers)?;
        let focus = page.evaluate(&format!(
            "(() => {{
                const at = document.activeElement;
                if (at === document.body) return 'nowhere';
                // A radio button of a row of choices is seen by what stands behind it.
                const seen = [at, at.nextElementSibling].some((part) => part && getComputedStyle(part).outlineStyle !== 'none');
                return at.matches('{selector}') ? 'there' : seen ? 'on the way' : at.outerHTML.slice(0, 100);
            }})()"
        ))?;
        match focus.as_str() {
            Some("there") => return Ok(()),
            Some("on the way" | "nowhere") => {}
            Some(_) | None => return Err(format!("the focus is not seen at {focus}").into()),
        }
    }
    Err(format!("Tab does not lead to {selector}").into())
}
