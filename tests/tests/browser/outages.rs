//! What breaks between a tab and its server while both sides send without a pause: the relay is killed, websockify is killed,
//! the adapter is unplugged. Every byte is accounted for.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::align::{Own, Tally, align};
use uartbridge_tests::browser::{BrowserWorld, Relay, Serve, Setup, Through, Websockify};
use uartbridge_tests::records::RECORD;
use uartbridge_tests::scenario::{DeviceAct, Payload, PeerAct};
use uartbridge_tests::{Act, Observed, World, parse};

use crate::Place;

/// How often each thing breaks.
const TIMES: usize = 5;
/// What arrives each way between two breaks, at least.
const BETWEEN: usize = 64 * 1024;
const LIMIT: Duration = Duration::from_secs(120);
/// The most that is handed to a port at a time: how much of it a port that has gone had taken, nobody says.
const CHUNK: usize = 4096;
/// What a tab has read of the device, and the server not taken, when a jam is one.
const HELD: usize = 256 * 1024;
/// What a server says at a time that says more than a tab takes in.
const MUCH: usize = 1 << 20;
/// What the device says to a relay that hangs: it fits into the sockets between.
const MORE: usize = 64 * 1024;
const UNPLUGGED: &str = "option uart-retry 100ms\n";

pub(crate) fn trials(place: &Place) -> Vec<Trial> {
    vec![
        place.trial("outages::serve_is_killed", |place| serve_is_killed(place, "")),
        place.trial("outages::serve_is_killed_under_tls", |place| serve_is_killed(place, "tls mutual\n")),
        place.trial("outages::serve_is_killed_while_the_server_stands_still", serve_is_killed_in_a_jam),
        place.trial("outages::serve_hangs_and_is_killed", serve_hangs),
        place.trial("outages::websockify_is_killed", websockify_is_killed),
        place.trial("outages::websockify_hangs_and_is_killed", websockify_hangs),
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
    stream.end_through_serve(&format!("serve killed {header:?}"))
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
    stream.end_through_serve("serve killed while the server stands still")
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
    stream.end_through_serve("serve hung and killed")
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

/// Both sides send records: the device as fast as they are taken, the server so many at a time, so that what sockets hold of
/// them stays little.
struct Stream {
    world: BrowserWorld,
    through: Through,
    /// What the server says at a time, more than `BETWEEN`.
    portion: usize,
}

/// What has become of all bytes.
#[derive(Debug)]
struct Account {
    up: Tally,
    down: Tally,
    /// What the bridge has counted.
    replayed: usize,
    read_from_uart: usize,
    read_from_server: usize,
    written_to_uart: usize,
    connections: usize,
    /// By the two ends.
    device_sent: usize,
    device_got: usize,
}

impl Stream {
    fn begin(place: &Place, serve: &Serve, through: Through, header: &str) -> Result<Self, Failed> {
        let text = format!(
            "title Streams\nproves S7\noption backoff-first 100ms\noption backoff-max 200ms\n{header}\nexpect connected\n"
        );
        let scenario = parse("outages", &text).map_err(|error| error.to_string())?;
        let mut world = BrowserWorld::new(&scenario, &Setup::new(&place.chromium, serve, through))?;
        world.start()?;
        world.act(&Act::Device(DeviceAct::Floods))?;
        Ok(Self { world, through, portion: 2 * BETWEEN })
    }

    fn act(&mut self, act: Act) -> Result<(), Failed> {
        Ok(self.world.act(&act)?)
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Observed) -> bool) -> Result<(), Failed> {
        if self.world.wait(LIMIT, &mut done)? {
            Ok(())
        } else {
            Err(format!("{what}: not in {LIMIT:?}{}", self.world.history()).into())
        }
    }

    /// So much more arrives at both ends, and as much of the server's is still on its way.
    fn flow(&mut self) -> Result<(), Failed> {
        // A server that has not noticed yet would say it to a connection that has gone.
        self.until("connected", |o| o.connected.is_some())?;
        self.act(Act::Peer(0, PeerAct::Sends(Payload::Records(self.portion))))?;
        let (up, down) = (arrived(self.world.observed()), self.world.observed().device_got.len());
        self.until("both sides receive", |o| {
            arrived(o) >= up + BETWEEN && o.device_got.len() >= down + BETWEEN
        })
    }

    fn is_missed(&mut self) -> Result<(), Failed> {
        self.until("the relay is missed", |o| o.connected.is_none())
    }

    /// Waits for a counter of the bridge. Nobody tells when it moves, so it is asked whenever something happens, and then some.
    fn until_stat(&mut self, name: &str, done: impl Fn(usize) -> bool) -> Result<(), Failed> {
        let limit = Instant::now() + LIMIT;
        while !done(self.world.stat(name)? as usize) {
            if Instant::now() > limit {
                let found = self.world.stat(name)?;
                return Err(format!("{name} is {found} after {LIMIT:?}{}", self.world.history()).into());
            }
            self.world.wait(Duration::from_millis(10), &mut |_| false)?;
        }
        Ok(())
    }

    /// All that the device has said has reached the bridge.
    fn device_pauses(&mut self) -> Result<(), Failed> {
        self.act(Act::Device(DeviceAct::StopsSending))?;
        let sent = self.world.observed().device_sent.len();
        self.until_stat("uart-rx", |read| read == sent)
    }

    /// The device says so many bytes, and no more before all of them are with the relay, or what is before it.
    fn device_says_more(&mut self) -> Result<usize, Failed> {
        self.device_pauses()?;
        self.act(Act::Device(DeviceAct::Sends(Payload::Records(MORE))))?;
        let sent = self.world.observed().device_sent.len();
        self.until_stat("uart-rx", |read| read == sent)?;
        if self.through == Through::Websockify {
            self.until_stat("tx-acked", |delivered| delivered == sent)?;
        }
        self.act(Act::Device(DeviceAct::Floods))?;
        Ok(MORE)
    }

    /// For the `time`th time.
    fn replug(&mut self, time: usize) -> Result<(), Failed> {
        self.act(Act::Device(DeviceAct::Unplugged))?;
        self.until("the port is missed", |o| o.said.matches("the port is gone").count() == time)?;
        self.act(Act::Device(DeviceAct::Plugged))?;
        self.until("the port is open again", |o| o.said.matches("the port is open").count() == time + 1)
    }

    fn websockify(&mut self) -> Result<&mut Websockify, Failed> {
        self.world.websockify().first_mut().ok_or_else(|| "there is no websockify".into())
    }

    fn end_through_serve(&mut self, what: &str) -> Result<(), Failed> {
        let account = self.end(what)?;
        account.up_is_whole()?;
        account.down_is_what_was_read(TIMES)?;
        Ok(self.world.is_innocent(Relay::WasAway)?)
    }

    /// Everybody finishes the record, and the last one of each side arrives.
    fn end(&mut self, what: &str) -> Result<Account, Failed> {
        self.flow()?;
        self.act(Act::Device(DeviceAct::StopsSending))?;
        let observed = self.world.observed();
        let last = |sent: &[u8]| sent[sent.len() - RECORD..].to_vec();
        let (up, down) = (last(&observed.device_sent), last(&observed.peer_sent));
        self.until("the last records arrive", |o| {
            o.connections.last().is_some_and(|c| c.got.ends_with(&up)) && o.device_got.ends_with(&down)
        })?;
        let mut stat = |name| self.world.stat(name).map(|count| count as usize);
        let [replayed, read_from_uart, read_from_server, written_to_uart] =
            [stat("replayed")?, stat("uart-rx")?, stat("sock-rx")?, stat("uart-tx")?];
        let observed = self.world.observed();
        let own = Own::default();
        let account = Account {
            up: align(&observed.device_sent, &observed.streams(None), &own),
            down: align(&observed.peer_sent, &[&observed.device_got], &own),
            replayed,
            read_from_uart,
            read_from_server,
            written_to_uart,
            connections: observed.connections.len(),
            device_sent: observed.device_sent.len(),
            device_got: observed.device_got.len(),
        };
        account.print(what, observed);
        Ok(account)
    }
}

impl Account {
    fn print(&self, what: &str, observed: &Observed) {
        for (direction, sent, tally) in
            [("up", observed.device_sent.len(), &self.up), ("down", observed.peer_sent.len(), &self.down)]
        {
            println!(
                "{what}: {direction}: {sent} bytes sent, {} lost in {} places, {} twice, {} out of order, {} damaged",
                tally.lost(),
                tally.missing.len(),
                tally.duplicated,
                tally.reordered,
                tally.corrupt
            );
        }
        println!(
            "{what}: {} connections; the bridge has read {} bytes of the device and {} of the server, sent {} again, and written {} of {} to the device",
            self.connections,
            self.read_from_uart,
            self.read_from_server,
            self.replayed,
            self.written_to_uart,
            self.device_got
        );
    }

    /// Every byte of the device is there, in order, and no more of them twice than the bridge knows of.
    fn up_is_whole(&self) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        match (self.up.lost(), reordered, corrupt) {
            (0, 0, 0) if duplicated <= self.replayed => Ok(()),
            _ => Err(format!("up: {:?}", self.up).into()),
        }
    }

    /// Whatever the bridge has read of the server is there, in order and once; what it has not, is missing in so many places
    /// at most.
    fn down_is_what_was_read(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.down;
        let all = self.device_got == self.read_from_server && self.device_got == self.written_to_uart;
        if all && (reordered, corrupt, duplicated) == (0, 0, 0) && self.down.missing.len() <= breaks {
            Ok(())
        } else {
            Err(format!("down: {:?}", self.down).into())
        }
    }

    /// Whatever the bridge has read of the device has arrived, in order and once, on one connection.
    fn up_is_what_was_read(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        let unread = self.device_sent - self.read_from_uart;
        let whole = self.up.lost() == unread && self.up.missing.len() <= breaks;
        if whole && (reordered, corrupt, duplicated) == (0, 0, 0) && self.connections == 1 {
            Ok(())
        } else {
            Err(format!("up, of which {unread} were not read: {:?}", self.up).into())
        }
    }

    /// Every byte of the server has been written to the port, in order. At most a chunk a time has gone with the port, or was
    /// written again to the next though the device had it.
    fn down_is_written(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered: twice, corrupt, .. } = self.down;
        let lost = self.down.lost();
        let most = breaks * CHUNK;
        let adds_up = self.device_got == self.written_to_uart - lost + twice;
        if adds_up && corrupt == 0 && lost <= most && twice <= most && self.connections == 1 {
            Ok(())
        } else {
            Err(format!("down: {:?}", self.down).into())
        }
    }

    /// Nothing is damaged, repeated or out of order, and what is missing is missing where something broke.
    fn is_in_order(&self, breaks: usize) -> Result<(), Failed> {
        self.down_is_what_was_read(breaks)?;
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        if (reordered, corrupt, duplicated) == (0, 0, 0) && self.up.missing.len() <= breaks {
            Ok(())
        } else {
            Err(format!("up: {:?}", self.up).into())
        }
    }
}

/// How many bytes the server has received, on whichever connections.
fn arrived(observed: &Observed) -> usize {
    observed.connections.iter().map(|connection| connection.got.len()).sum()
}
