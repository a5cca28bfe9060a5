//! What breaks between a tab and its server while both sides send without a pause: the relay is killed, websockify is killed,
//! the adapter is unplugged. Every byte is accounted for.

mod account;
mod stream;

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::{Relay, Through};
use uartbridge_tests::scenario::{DeviceAct, PeerAct};
use uartbridge_tests::{Act, World};

use crate::Place;
use stream::{MUCH, Stream, arrived};

/// How often each thing breaks.
const TIMES: usize = 5;
/// What a tab has read of the device, and nobody taken, when a jam is one.
const HELD: usize = 256 * 1024;
const UNPLUGGED: &str = "option uart-retry 100ms\n";

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("outages::serve_is_killed", |place| serve_is_killed(place, "")),
        place.trial("outages::serve_is_killed_under_tls", |place| serve_is_killed(place, "tls mutual\n")),
        place.trial("outages::serve_is_killed_while_the_server_stands_still", serve_is_killed_in_a_jam),
        place.trial("outages::serve_hangs_and_is_killed", serve_hangs),
        place.trial("outages::serve_hangs_and_is_given_up", serve_hangs_for_good),
        place.trial("outages::websockify_is_killed", websockify_is_killed),
        place.trial("outages::websockify_hangs_and_is_killed", websockify_hangs),
        place.trial("outages::websockify_hangs_and_goes_on", websockify_pauses),
        place.trial("outages::the_adapter_is_unplugged_in_mid_stream", unplugged_in_mid_stream),
        place.trial("outages::the_adapter_is_unplugged_after_a_message", unplugged_after_a_message),
    ]
}

/// What the device says arrives, perhaps twice. What the server says is lost as far as it was under way to the tab. Every other
/// time, the relay dies once more as soon as it is back.
fn serve_is_killed(place: &Place, header: &str) -> Result<(), Failed> {
    let mut serve = place.own_serve()?;
    let mut stream = Stream::begin(place, &serve, Through::Serve, header)?;
    stream.portion = MUCH;
    for time in 0..TIMES {
        stream.flow()?;
        for _ in 0..=time % 2 {
            serve.kill()?;
            stream.is_missed()?;
            serve.again()?;
        }
    }
    stream.end_through_serve(&format!("serve killed {header:?}"), 2 * TIMES)
}

/// The relay holds what it was given, the server's kernel and its own do, too; the tab has all of it still. Its own kernel throws
/// that away, because there is something unread of the server's (tcp(7), RFC 2525, section 2.17).
fn serve_is_killed_in_a_jam(place: &Place) -> Result<(), Failed> {
    let mut serve = place.own_serve()?;
    let mut stream = Stream::begin(place, &serve, Through::Serve, "")?;
    stream.portion = MUCH;
    for _ in 0..TIMES {
        stream.flow()?;
        stream.act(Act::Peer(0, PeerAct::Stalls))?;
        let arrived = arrived(stream.world.observed());
        stream.until_stat("uart-rx", |read| read >= arrived + HELD)?;
        serve.kill()?;
        stream.act(Act::Peer(0, PeerAct::ReadsAgain))?;
        stream.is_missed()?;
        serve.again()?;
    }
    stream.end_through_serve("serve killed while the server stands still", TIMES)
}

/// What the page says to a relay that hangs is not lost, either.
fn serve_hangs(place: &Place) -> Result<(), Failed> {
    let mut serve = place.own_serve()?;
    let mut stream = Stream::begin(place, &serve, Through::Serve, "")?;
    for _ in 0..TIMES {
        stream.flow()?;
        serve.freeze()?;
        stream.device_says_more()?;
        serve.kill()?;
        stream.is_missed()?;
        serve.again()?;
    }
    stream.end_through_serve("serve hung and killed", TIMES)
}

/// A relay that hangs keeps its connections, and says nothing: the last question about acknowledgements stays without an answer.
fn serve_hangs_for_good(place: &Place) -> Result<(), Failed> {
    let mut serve = place.own_serve()?;
    let limits = "option unacked-limit 10s\noption close-timeout 2s\n";
    let mut stream = Stream::begin(place, &serve, Through::Serve, limits)?;
    stream.flow()?;
    serve.freeze()?;
    stream.is_missed()?;
    let reason = "the peer has stopped acknowledging";
    stream.until("the reason", |o| o.said.contains(reason))?;
    serve.kill()?;
    serve.again()?;
    stream.end_through_serve("serve hung and given up", 1)
}

/// Nobody acknowledges, so nothing is sent again: what was under way is lost, in order all the same.
fn websockify_is_killed(place: &Place) -> Result<(), Failed> {
    let mut stream = Stream::begin(place, &place.serve, Through::Websockify, "")?;
    for _ in 0..TIMES {
        stream.flow()?;
        stream.websockify()?.kill()?;
        stream.is_missed()?;
        stream.websockify()?.again()?;
    }
    let account = stream.end("websockify killed")?;
    account.is_in_order(TIMES)?;
    Ok(stream.world.is_innocent(Relay::WasAway)?)
}

/// All that is said to it meanwhile counts as delivered, and is lost.
fn websockify_hangs(place: &Place) -> Result<(), Failed> {
    let mut stream = Stream::begin(place, &place.serve, Through::Websockify, "")?;
    let mut said = 0;
    for _ in 0..TIMES {
        stream.flow()?;
        stream.websockify()?.freeze()?;
        said += stream.device_says_more()?;
        stream.websockify()?.kill()?;
        stream.is_missed()?;
        stream.websockify()?.again()?;
    }
    let account = stream.end("websockify hung and killed")?;
    account.is_in_order(TIMES)?;
    let lost = account.up.lost();
    if lost < said {
        return Err(format!("of {said} bytes said to a relay that hung, {lost} are lost").into());
    }
    Ok(stream.world.is_innocent(Relay::WasAway)?)
}

/// A relay that takes nothing for a while holds the device back, and nothing is lost.
fn websockify_pauses(place: &Place) -> Result<(), Failed> {
    let mut stream = Stream::begin(place, &place.serve, Through::Websockify, "")?;
    for _ in 0..TIMES {
        stream.flow()?;
        stream.websockify()?.freeze()?;
        stream.until_stat("up-held", |held| held >= HELD)?;
        stream.websockify()?.thaw()?;
    }
    let account = stream.end("websockify hung and went on")?;
    account.up_is_what_was_read(0)?;
    account.down_is_what_was_read(0)?;
    Ok(stream.world.is_innocent(Relay::Stays)?)
}

/// The connection stays. What the bridge has read of the device arrives; what driver and browser had taken, either way, goes
/// with the adapter.
fn unplugged_in_mid_stream(place: &Place) -> Result<(), Failed> {
    let mut stream = Stream::begin(place, &place.serve, Through::Serve, UNPLUGGED)?;
    for time in 1..=TIMES {
        stream.flow()?;
        stream.replug(time)?;
    }
    let account = stream.end("adapter unplugged")?;
    account.up_is_what_was_read(TIMES)?;
    account.down_is_written(TIMES)?;
    Ok(stream.world.is_innocent(Relay::Stays)?)
}

/// The device makes a pause before: nothing of what it said is lost. The server makes none.
fn unplugged_after_a_message(place: &Place) -> Result<(), Failed> {
    let mut stream = Stream::begin(place, &place.serve, Through::Serve, UNPLUGGED)?;
    for time in 1..=TIMES {
        stream.flow()?;
        stream.device_pauses()?;
        stream.replug(time)?;
        stream.act(Act::Device(DeviceAct::Floods))?;
    }
    let account = stream.end("adapter unplugged after a message")?;
    account.up_is_whole()?;
    account.down_is_written(TIMES)?;
    Ok(stream.world.is_innocent(Relay::Stays)?)
}
