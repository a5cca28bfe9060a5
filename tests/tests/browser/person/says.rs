//! Saying something to the device: the line, its endings, repetition, the quick buttons and their dialog.

use libtest_mimic::{Failed, Trial};

use super::{innocent, opened, rows, running, shows, text};
use crate::Place;

pub(super) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("person::says_something_with_any_ending", any_ending),
        place.trial("person::says_it_again_and_again", repeats),
        place.trial("person::presses_quick_buttons", quick),
        place.trial("person::edits_quick_buttons", edits),
        place.trial("person::gives_settings_that_cannot_be", bad_settings),
    ]
}

/// Endings in the order of the list, as they look in hex.
const ENDINGS: [&str; 4] = ["41 54 0d 0a", "41 54 0d", "41 54 0a", "41 54"];

fn any_ending(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    page.click("input[name=view][value=hex]")?;
    for (index, bytes) in ENDINGS.iter().enumerate() {
        if index > 0 {
            // The next of the list, by its arrow key: a mouse opens a menu of the system's.
            page.evaluate("document.getElementById('ending').focus()")?;
            page.key("ArrowDown", 0)?;
        }
        page.fill("#text", "AT")?;
        page.key("Enter", 0)?;
        let exact = format!(
            "[...document.querySelectorAll('#terminal .row[data-way=down] .what')].some((row) => row.textContent === '{bytes}')"
        );
        page.eventually(&exact)?;
    }
    // The line can be called back.
    page.key("ArrowUp", 0)?;
    page.eventually("document.getElementById('text').value === 'AT'")?;
    page.fill("#text", "0x")?;
    page.evaluate("document.getElementById('format').focus()")?;
    page.types("H")?;
    page.fill("#text", "4g")?;
    page.key("Enter", 0)?;
    page.eventually("/“g” is no hexadecimal digit/.test(document.getElementById('say-error').textContent)")?;
    innocent(&page)
}

fn repeats(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    page.fill("#every", "30")?;
    page.click("#repeat")?;
    page.fill("#text", "AT+ECHO=again")?;
    page.key("Enter", 0)?;
    page.eventually(&format!("{} >= 4", rows("up", "again")))?;
    page.eventually("document.getElementById('send').textContent === 'Stop'")?;
    page.click("#send")?;
    page.eventually("document.getElementById('send').textContent === 'Send'")?;
    page.click("#repeat")?;
    page.click("#clear")?;
    for sign in ["the end", "really"] {
        page.fill("#text", &format!("AT+ECHO={sign}"))?;
        page.key("Enter", 0)?;
        shows(&mut page, "up", sign)?;
    }
    if page.evaluate(&rows("down", "again"))? != 0 {
        return Err("it goes on repeating".into());
    }
    innocent(&page)
}

fn quick(place: &Place) -> Result<(), Failed> {
    let mut page = running(place)?;
    page.click("#quick button[title='ATI']")?;
    shows(&mut page, "down", "ATI")?;
    shows(&mut page, "up", "uartbridge demo device")?;
    page.click("#quick button[title='AT+FLOOD=100000']")?;
    page.eventually("/98\\.\\d KiB|1\\d\\d KiB/.test(document.getElementById('counters').textContent)")?;
    innocent(&page)
}

fn edits(place: &Place) -> Result<(), Failed> {
    let mut page = opened(place)?;
    page.click("#quick .edit")?;
    page.click("#quick-add")?;
    // The new row's name has the focus.
    page.types("Ping")?;
    page.click("#quick-list li:last-child [name=text]")?;
    page.types("AT+ECHO=pong")?;
    page.click("#quick-form button[type=submit]")?;
    page.eventually("!document.getElementById('quick-dialog').open")?;
    // Given up: by the button, and by Escape.
    for give_up in ["button", "Escape"] {
        page.click("#quick .edit")?;
        page.click("#quick-list li:last-child button[aria-label=Remove]")?;
        if give_up == "button" {
            page.click("#quick-cancel")?
        } else {
            page.key("Escape", 0)?
        }
        page.eventually("!document.getElementById('quick-dialog').open")?;
    }
    page.reload()?;
    page.eventually("document.querySelector('#port')?.selectedOptions[0]?.value === 'demo'")?;
    page.click("#connect")?;
    shows(&mut page, "up", "temp 1 ")?;
    page.click("#quick button[title='AT+ECHO=pong']")?;
    shows(&mut page, "up", "pong")?;
    innocent(&page)
}

fn bad_settings(place: &Place) -> Result<(), Failed> {
    let mut page = opened(place)?;
    page.click("#more summary")?;
    page.fill("#packDelimiter", "12345")?;
    page.click("#connect")?;
    page.eventually(
        "/PackDelimiter must be 1 to 4 bytes/.test(document.getElementById('trouble-text').textContent)",
    )?;
    page.fill("#packDelimiter", "\\r\\n")?;
    page.fill("#baudRate", "0")?;
    page.click("#connect")?;
    page.eventually("document.activeElement.id === 'baudRate'")?;
    if text(&mut page, "#connect")? != "Connect" {
        return Err("it starts with a baud rate of 0".into());
    }
    page.fill("#baudRate", "9600")?;
    page.click("#connect")?;
    shows(&mut page, "up", "temp 1 ")?;
    if !text(&mut page, "#chain-device")?.contains("9600 8N1") {
        return Err("the head does not show the settings in use".into());
    }
    innocent(&page)
}
