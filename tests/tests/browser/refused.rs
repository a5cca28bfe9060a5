//! Ports that cannot be had: whether it is tried again, what is said, and what a person can do.

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::{Bench, Page, space};

use crate::embedded::{hears, page, run};
use crate::{MODULES, Place};

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("refused::a_permission_waits_for_a_person", permission),
        place.trial("refused::settings_that_no_port_has_wait_for_a_person", settings),
        place.trial("refused::a_port_that_does_not_open_is_tried_again", tried_again),
        place.trial("refused::the_page_says_it_and_tries_again_at_a_click", page_says),
        place.trial("refused::without_web_serial_the_page_says_so", no_web_serial),
        place.trial("refused::in_an_insecure_context_the_page_says_so", insecure),
        place.trial("refused::where_a_policy_forbids_ports_the_page_says_so", forbidden),
    ]
}

/// As often as this, in ms, a port is tried again that may come by itself.
const RETRY: u32 = 10;

/// What a page has whose user says no: Chromium's policy has said yes to all ports here, so that the refusal is the test's own.
const DENIED: &str = "globalThis.opens = 0;
    globalThis.port = {
        open() { opens += 1; return Promise.reject(new DOMException('No.', 'NotAllowedError')); },
        close() {},
    };";

fn permission(place: &Place) -> Result<(), Failed> {
    let device = Bench::new()?;
    let mut page = page(place, &device)?;
    page.evaluate("globalThis.real = port")?;
    page.evaluate(DENIED)?;
    run(&mut page, &json!({ "peers": [], "config": { "uartRetry": RETRY } }))?;
    hears(&mut page, "uart refused: the browser does not let this page use the port: No; allow it again")?;
    opens(&mut page, 1)?;
    page.evaluate("bridge.retryPort()")?;
    hears(&mut page, "uart refused")?;
    opens(&mut page, 2)?;
    page.evaluate("bridge.retryPort(real)")?;
    hears(&mut page, "uart open")?;
    Ok(())
}

/// It was opened so often, and is not opened once more while it could have been many times.
fn opens(page: &mut Page, count: u32) -> Result<(), Failed> {
    page.evaluate(&format!("new Promise((resolve) => setTimeout(resolve, {}))", 20 * RETRY))?;
    let opens = page.evaluate("opens")?;
    if opens == count {
        Ok(())
    } else {
        Err(format!("it was opened {opens} times instead of {count}").into())
    }
}

fn settings(place: &Place) -> Result<(), Failed> {
    let device = Bench::new()?;
    let mut page = page(place, &device)?;
    run(&mut page, &json!({ "line": { "baudRate": 0 }, "peers": [] }))?;
    hears(&mut page, "uart refused: the port does not take these settings")?;
    page.evaluate("bridge.stop()")?;
    hears(&mut page, "ended")?;
    Ok(())
}

fn tried_again(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    let mut page = page(place, &device)?;
    let again = json!({ "peers": [], "config": { "uartRetry": RETRY } });
    // Open already, in this page.
    page.evaluate("port.open({ baudRate: 9600 })")?;
    run(&mut page, &again)?;
    hears(&mut page, "uart absent: the port is open already in this page")?;
    page.evaluate("port.close()")?;
    hears(&mut page, "uart open")?;
    page.evaluate("bridge.stop()")?;
    hears(&mut page, "ended")?;
    // There, but it cannot be opened.
    let node = space::node(device.product() - space::PRODUCT);
    let behind = std::fs::read_link(&node)?;
    std::fs::remove_file(&node)?;
    run(&mut page, &again)?;
    hears(&mut page, "another program or tab has it, or this user may not open it")?;
    std::os::unix::fs::symlink(behind, &node)?;
    hears(&mut page, "uart open")?;
    device.send(b"hello")?;
    page.eventually("bridge.stats().uartRx === 5")?;
    Ok(())
}

fn page_says(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.stranger()?;
    page.go(&place.serve.page())?;
    // The first time it is opened, the demo device is refused.
    page.evaluate(
        "import('/demo.js').then(({ DemoPort }) => {
            const { open } = DemoPort.prototype;
            DemoPort.prototype.open = async function () {
                DemoPort.prototype.open = open;
                throw new DOMException('No.', 'NotAllowedError');
            };
        })",
    )?;
    page.eventually("document.querySelector('#port')?.selectedOptions[0]?.value === 'demo'")?;
    page.click("#connect")?;
    page.eventually(
        "/does not let this page use the port/.test(document.getElementById('trouble-text').textContent)",
    )?;
    page.click("#trouble-act")?;
    page.eventually("/temp 1 /.test(document.getElementById('terminal').textContent)")?;
    page.eventually("document.getElementById('trouble').hidden")?;
    Ok(())
}

fn no_web_serial(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.stranger()?;
    page.prepare("delete Navigator.prototype.serial")?;
    page.go(&place.serve.page())?;
    says_no_ports(&mut page, "This browser has no Web Serial")?;
    page.click("#connect")?;
    page.eventually("/temp 1 /.test(document.getElementById('terminal').textContent)")?;
    Ok(())
}

fn insecure(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.stranger()?;
    page.go(&format!("http://insecure.test:{MODULES}/web/index.html"))?;
    if page.evaluate("isSecureContext")? != false {
        return Err("this is a secure context".into());
    }
    says_no_ports(&mut page, "Serial ports need https or localhost")
}

fn forbidden(place: &Place) -> Result<(), Failed> {
    let mut page = place.chromium.stranger()?;
    page.go(&place.modules.url("tests/blank.html"))?;
    page.evaluate(
        "const frame = document.createElement('iframe');
        frame.allow = \"serial 'none'\";
        frame.src = '/web/index.html';
        document.body.append(frame);",
    )?;
    page.eventually(
        "/a policy of the browser or of the site forbids it/.test(document.querySelector('iframe').contentDocument.getElementById('no-serial')?.textContent)",
    )?;
    Ok(())
}

fn says_no_ports(page: &mut Page, why: &str) -> Result<(), Failed> {
    page.eventually(&format!(
        "document.getElementById('no-serial').textContent.startsWith('{why}') && document.getElementById('add-port').hidden"
    ))?;
    page.eventually("document.querySelector('#port')?.selectedOptions[0]?.value === 'demo'")?;
    Ok(())
}
