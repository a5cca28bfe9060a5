//! Records both ways between a device and a server, through a page that may lose its relay or its port.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use uartbridge_tests::browser::{BrowserWorld, Relay, Serve, Setup, Through, Websockify};
use uartbridge_tests::records::RECORD;
use uartbridge_tests::scenario::{DeviceAct, Payload, PeerAct};
use uartbridge_tests::{Act, Observed, World, parse};

use super::account::Account;
use crate::Place;

/// What arrives each way between two breaks, at least.
const BETWEEN: usize = 64 * 1024;
/// What a server says at a time that says more than a tab takes in.
pub(super) const MUCH: usize = 1 << 20;
/// What the device says to a relay that hangs: it fits into the sockets between.
const MORE: usize = 64 * 1024;
const LIMIT: Duration = Duration::from_secs(120);

/// Both sides send records: the device as fast as they are taken, the server so many at a time, so that what sockets hold of
/// them stays little.
pub(super) struct Stream {
    pub(super) world: BrowserWorld,
    through: Through,
    /// What the server says at a time, more than `BETWEEN`.
    pub(super) portion: usize,
}

impl Stream {
    pub(super) fn begin(
        place: &Place,
        serve: &Serve,
        through: Through,
        header: &str,
    ) -> Result<Self, Failed> {
        let text = format!(
            "title Streams\nproves S7\noption backoff-first 100ms\noption backoff-max 200ms\n{header}\nexpect connected\n"
        );
        let scenario = parse("outages", &text).map_err(|error| error.to_string())?;
        let mut world = BrowserWorld::new(&scenario, &Setup::new(&place.chromium, serve, through))?;
        world.start()?;
        world.act(&Act::Device(DeviceAct::Floods))?;
        Ok(Self { world, through, portion: 2 * BETWEEN })
    }

    pub(super) fn act(&mut self, act: Act) -> Result<(), Failed> {
        Ok(self.world.act(&act)?)
    }

    pub(super) fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Observed) -> bool,
    ) -> Result<(), Failed> {
        if self.world.wait(LIMIT, &mut done)? {
            Ok(())
        } else {
            Err(format!("{what}: not in {LIMIT:?}{}", self.world.history()).into())
        }
    }

    /// So much more arrives at both ends, and as much of the server's is still on its way.
    pub(super) fn flow(&mut self) -> Result<(), Failed> {
        // A server that has not noticed yet would say it to a connection that has gone.
        self.until("connected", |o| o.connected.is_some())?;
        self.act(Act::Peer(0, PeerAct::Sends(Payload::Records(self.portion))))?;
        let (up, down) = (arrived(self.world.observed()), self.world.observed().device_got.len());
        self.until("both sides receive", |o| {
            arrived(o) >= up + BETWEEN && o.device_got.len() >= down + BETWEEN
        })
    }

    pub(super) fn is_missed(&mut self) -> Result<(), Failed> {
        self.until("the relay is missed", |o| o.connected.is_none())
    }

    /// Waits for a counter of the bridge. Nobody tells when it moves, so it is asked whenever something happens, and then some.
    pub(super) fn until_stat(&mut self, name: &str, done: impl Fn(usize) -> bool) -> Result<(), Failed> {
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
    pub(super) fn device_pauses(&mut self) -> Result<(), Failed> {
        self.act(Act::Device(DeviceAct::StopsSending))?;
        let sent = self.world.observed().device_sent.len();
        self.until_stat("uart-rx", |read| read == sent)
    }

    /// The device says so many bytes, and no more before all of them are with the relay, or what is before it.
    pub(super) fn device_says_more(&mut self) -> Result<usize, Failed> {
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
    pub(super) fn replug(&mut self, time: usize) -> Result<(), Failed> {
        self.act(Act::Device(DeviceAct::Unplugged))?;
        self.until("the port is missed", |o| o.said.matches("the port is gone").count() == time)?;
        self.act(Act::Device(DeviceAct::Plugged))?;
        self.until("the port is open again", |o| o.said.matches("the port is open").count() == time + 1)
    }

    pub(super) fn websockify(&mut self) -> Result<&mut Websockify, Failed> {
        self.world.websockify().first_mut().ok_or_else(|| "there is no websockify".into())
    }

    pub(super) fn end_through_serve(&mut self, what: &str, breaks: usize) -> Result<(), Failed> {
        let account = self.end(what)?;
        account.up_is_whole()?;
        account.down_is_what_was_read(breaks)?;
        Ok(self.world.is_innocent(Relay::WasAway)?)
    }

    /// Everybody finishes the record, and the last one of each side arrives.
    pub(super) fn end(&mut self, what: &str) -> Result<Account, Failed> {
        self.flow()?;
        self.act(Act::Device(DeviceAct::StopsSending))?;
        let observed = self.world.observed();
        let last = |sent: &[u8]| sent[sent.len() - RECORD..].to_vec();
        let (up, down) = (last(&observed.device_sent), last(&observed.peer_sent));
        self.until("the last records arrive", |o| {
            o.connections.last().is_some_and(|c| c.got.ends_with(&up)) && o.device_got.ends_with(&down)
        })?;
        let account = Account::new(&mut self.world)?;
        account.print(what);
        Ok(account)
    }
}

/// How many bytes the server has received, on whichever connections.
pub(super) fn arrived(observed: &Observed) -> usize {
    observed.connections.iter().map(|connection| connection.got.len()).sum()
}
