//! Bytes that are given to the bridge by hand: delivered, or said not to be.

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use uartbridge_tests::browser::{Bench, Page};
use uartbridge_tests::scenario::DeviceAct;

use crate::embedded::{hears, page, run};
use crate::{Place, SOON};

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("sending::what_is_given_before_the_end_arrives", arrives),
        place.trial("sending::what_a_device_does_not_take_is_told_at_the_end", told_at_the_end),
        place.trial("sending::what_is_lost_with_the_port_is_told", lost_with_the_port),
    ]
}

/// Gives as much as is taken, until nothing is for a while; how much that was.
const FILL: &str = "(async () => {
    let taken = 0;
    for (let idle = 0; idle < 10; idle++) {
        const more = bridge.sendDown(new Uint8Array(50_000));
        if (more) idle = 0;
        taken += more;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return taken;
})()";

fn open(place: &Place, device: &Bench) -> Result<Page, Failed> {
    let mut page = page(place, device)?;
    run(&mut page, &json!({ "line": { "baudRate": 115_200 }, "peers": [] }))?;
    hears(&mut page, "uart open")?;
    Ok(page)
}

fn arrives(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    let mut page = open(place, &device)?;
    let count = 20_000;
    // The end does not wait for long: the device reads before the browser has answered that it was told.
    let got = std::thread::scope(|scope| -> Result<Vec<u8>, Failed> {
        let reading = scope.spawn(|| device.receive(count, SOON).map(<[u8]>::to_vec));
        page.evaluate(&format!("bridge.sendDown(new Uint8Array({count}).fill(7)); bridge.stop();"))?;
        Ok(reading.join().map_err(|_| "the device has failed")??)
    })?;
    if got != vec![7; count] {
        return Err(format!("{} bytes of {count} have come", got.len()).into());
    }
    let said = hears(&mut page, "ended")?;
    if said.iter().any(|said| said.contains("not delivered")) || dropped(&mut page)? != 0 {
        return Err(format!("{said:?}").into());
    }
    Ok(())
}

fn told_at_the_end(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    device.act(&DeviceAct::Stalls)?;
    let mut page = open(place, &device)?;
    page.evaluate(FILL)?;
    page.evaluate("bridge.stop()")?;
    let said = hears(&mut page, "ended")?;
    let dropped = dropped(&mut page)?;
    let end = said.last().map(String::as_str).unwrap_or_default();
    if dropped > 0 && end == format!("ended: not delivered: {dropped} bytes given by hand for the device") {
        Ok(())
    } else {
        Err(format!("it said {end:?}, and counted {dropped} bytes").into())
    }
}

fn lost_with_the_port(place: &Place) -> Result<(), Failed> {
    let mut device = Bench::new()?;
    device.act(&DeviceAct::Stalls)?;
    let mut page = open(place, &device)?;
    page.evaluate(FILL)?;
    device.act(&DeviceAct::Unplugged)?;
    let said = hears(&mut page, "uart absent")?.join("\n");
    let dropped = dropped(&mut page)?;
    if dropped > 0 && said.contains(&format!("{dropped} bytes given by hand for it are lost")) {
        Ok(())
    } else {
        Err(format!("it said {said:?}, and counted {dropped} bytes").into())
    }
}

fn dropped(page: &mut Page) -> Result<u64, Failed> {
    page.evaluate("bridge.stats().sendDropped")?.as_u64().ok_or_else(|| "there is no such counter".into())
}
