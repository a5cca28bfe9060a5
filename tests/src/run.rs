//! Runs a scenario in a world: one step after the other, and every expectation checked byte for byte.

use std::time::Duration;

use crate::align::{Own, Tally, align};
use crate::records::RECORD;
use crate::scenario::{Allowed, End, Expect, Line, Lost, Scenario, Step, What};
use crate::words::unescape;
use crate::world::{Act, Ending, Observed, World};

/// Nobody feeding it for this long makes the tutorial's watchdog bite.
const WATCHDOG: Duration = Duration::from_secs(9);

/// A step that did not go as the scenario says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line in the file.
    pub line: usize,
    /// As written.
    pub step: String,
    /// What happened instead.
    pub message: String,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {}: `{}`: {}", self.line, self.step, self.message)
    }
}

impl core::error::Error for Failure {}

/// Runs `scenario` in `world`.
///
/// # Errors
/// The first step that did not go as written.
pub fn run(scenario: &Scenario, world: &mut dyn World) -> Result<(), Failure> {
    let own = Own { greeting: own_bytes(scenario, "greeting"), heartbeat: own_bytes(scenario, "heartbeat") };
    let mut run = Run { own, device: 0, peers: vec![0; scenario.peers], datagrams: vec![0; scenario.peers] };
    let starts = scenario.steps.iter().any(|line| matches!(line.step, Step::Start | Step::StartFails(_)));
    if !starts {
        let failed = |message| Failure { line: 1, step: "start".into(), message };
        world.start().map_err(failed)?;
    }
    for Line { number, text, step } in &scenario.steps {
        run.step(step, world).map_err(|message| Failure {
            line: *number,
            step: text.clone(),
            message: format!("{message}{}", world.history()),
        })?;
    }
    Ok(())
}

/// The bytes that the option `name` makes the bridge say by itself.
pub fn own_bytes(scenario: &Scenario, name: &str) -> Vec<u8> {
    let preset = scenario.options.iter().any(|(name, value)| name == "preset" && value == "tutorial");
    let said = scenario.options.iter().rev().find(|(option, _)| option == name);
    match said {
        Some((_, text)) => unescape(text).unwrap_or_default(),
        None if preset && name == "greeting" => b"TCP  CONNECT".to_vec(),
        None => Vec::new(),
    }
}

/// How far each end has been read by `expect … "…"`.
struct Run {
    own: Own,
    device: usize,
    peers: Vec<usize>,
    datagrams: Vec<usize>,
}

impl Run {
    fn step(&mut self, step: &Step, world: &mut dyn World) -> Result<(), String> {
        match step {
            Step::Start => world.start(),
            Step::StartFails(with) => match world.start() {
                Err(message) if message.contains(with) => Ok(()),
                Err(message) => Err(format!("it fails otherwise: {message}")),
                Ok(()) => Err("it has started".into()),
            },
            Step::Stop => world.act(&Act::Stop),
            Step::Hang => world.act(&Act::Hang),
            Step::ClockBack(span) => world.act(&Act::ClockBack(*span)),
            Step::Device(act) => world.act(&Act::Device(act.clone())),
            Step::Peer(peer, act) => world.act(&Act::Peer(*peer, act.clone())),
            Step::Network(act) => world.act(&Act::Network(*act)),
            Step::Wait(span) => world.wait(*span, &mut |_| false).map(|_| ()),
            Step::Expect(expect) => self.expect(expect, world),
        }
    }

    fn expect(&mut self, expect: &Expect, world: &mut dyn World) -> Result<(), String> {
        let limit = world.patience(expect.within);
        match &expect.what {
            What::Bytes(end, bytes) => self.bytes(*end, bytes, limit, world),
            What::Nothing(end, span) => self.nothing(*end, *span, world),
            What::Datagram(peer, bytes) => self.datagram(*peer, bytes, limit, world),
            What::Complete(end, allowed) => self.complete(*end, *allowed, limit, world),
            What::Stat(name, ordering, wanted) => {
                let found = world.stat(name)?;
                let held = ordering.holds(found, *wanted);
                if held { Ok(()) } else { Err(format!("it is {found}")) }
            }
            What::Connections(ordering, wanted) => {
                let found = world.observed().connections.len() as u64;
                let held = ordering.holds(found, *wanted);
                if held { Ok(()) } else { Err(format!("there were {found}")) }
            }
            What::Finished => {
                await_that(world, limit, &|o| o.finished.is_some(), "it is still running")?;
                world.observed().finished.clone().unwrap_or(Ok(()))
            }
            What::GivesUp => {
                let gave_up = |o: &Observed| matches!(o.finished, Some(Err(_)));
                await_that(world, limit, &gave_up, "it has not")
            }
            What::HeldBack(End::Device) => {
                let held = |o: &Observed| o.device_queue.held_back(o.now);
                await_that(world, limit, &held, "it can still send")
            }
            What::HeldBack(End::Peer(peer)) => {
                let held = |o: &Observed| o.peer_queues[*peer].held_back(o.now);
                await_that(world, limit, &held, "it can still send")
            }
            What::Alert(peer, name) => alert(*peer, name, limit, world),
            What::Says(text) => {
                await_that(world, limit, &|o| o.said.contains(text.as_str()), "it has not said so")
            }
            What::EndOfStream(peer) => end_of_stream(*peer, limit, world),
            What::Connected(None) => {
                await_that(world, limit, &|o| o.connected.is_some(), "there is no connection")
            }
            What::Connected(Some(peer)) => {
                await_that(world, limit, &|o| o.connected == Some(*peer), "not connected to it")
            }
            What::Disconnected => {
                await_that(world, limit, &|o| o.connected.is_none(), "the connection is still there")
            }
            What::RadioResets(n) => {
                await_that(world, limit, &|o| o.radio_resets == *n, "there were not that many")
            }
            What::Restarts(n) => await_that(world, limit, &|o| o.restarts == *n, "there were not that many"),
            What::Sleeps(depth) => {
                await_that(world, limit, &|o| o.depth == Some(*depth), "it does not sleep so")
            }
            What::WatchdogFed => {
                let now = world.observed().now;
                let fed = move |o: &Observed| o.watchdog_fed.is_some_and(|at| at > now);
                await_that(world, limit.max(WATCHDOG), &fed, "nobody feeds it")
            }
            What::WatchdogBites => {
                let bites =
                    |o: &Observed| o.now.saturating_sub(o.watchdog_fed.unwrap_or_default()) >= WATCHDOG;
                await_that(world, limit.max(WATCHDOG), &bites, "somebody still feeds it")
            }
        }
    }

    fn bytes(
        &mut self,
        end: End,
        bytes: &[u8],
        limit: Duration,
        world: &mut dyn World,
    ) -> Result<(), String> {
        let from = self.cursor(end);
        let there = world.wait(limit, &mut |o| count(o, end) >= from + bytes.len())?;
        let got = arrived(world.observed(), end);
        let fresh = &got[from.min(got.len())..];
        if fresh.starts_with(bytes) {
            *self.cursor_mut(end) += bytes.len();
            return Ok(());
        }
        let shown = fresh[..fresh.len().min(bytes.len() + 16)].escape_ascii();
        if there {
            Err(format!("other bytes arrived: \"{shown}\""))
        } else {
            Err(format!("after {limit:?} only \"{shown}\" has arrived"))
        }
    }

    fn nothing(&mut self, end: End, span: Duration, world: &mut dyn World) -> Result<(), String> {
        let (from, datagrams) = (self.cursor(end), world.observed().datagrams.len());
        let came = world.wait(span, &mut |o| count(o, end) > from || o.datagrams.len() > datagrams)?;
        if !came {
            return Ok(());
        }
        let observed = world.observed();
        let got = arrived(observed, end);
        let fresh = match observed.datagrams.get(datagrams) {
            Some((_, datagram)) => datagram,
            None => &got[from..],
        };
        Err(format!("this arrived: \"{}\"", fresh[..fresh.len().min(64)].escape_ascii()))
    }

    fn datagram(
        &mut self,
        peer: usize,
        bytes: &[u8],
        limit: Duration,
        world: &mut dyn World,
    ) -> Result<(), String> {
        let nth = self.datagrams[peer];
        let find = |o: &Observed| o.datagrams.iter().filter(|(to, _)| *to == peer).nth(nth).cloned();
        world.wait(limit, &mut |o| find(o).is_some())?;
        match find(world.observed()) {
            Some((_, datagram)) if datagram == bytes => {
                self.datagrams[peer] += 1;
                Ok(())
            }
            Some((_, other)) => Err(format!("another datagram arrived: \"{}\"", other.escape_ascii())),
            None => Err(format!("none has arrived after {limit:?}")),
        }
    }

    /// Waits for the last byte sent, then judges all of them.
    fn complete(
        &mut self,
        end: End,
        allowed: Allowed,
        limit: Duration,
        world: &mut dyn World,
    ) -> Result<(), String> {
        world.wait(limit, &mut |o| last_byte_is_there(o, end))?;
        let counted = if allowed.lost == Lost::Nothing { 0 } else { dropped(world)? };
        let observed = world.observed();
        let (sent, tally) = match end {
            End::Device => {
                (&observed.peer_sent, align(&observed.peer_sent, &[&observed.device_got], &Own::default()))
            }
            End::Peer(_) => {
                let datagrams: Vec<u8> = observed.datagrams.iter().flat_map(|(_, d)| d.clone()).collect();
                let mut streams = observed.streams(None);
                streams.push(&datagrams);
                (&observed.device_sent, align(&observed.device_sent, &streams, &self.own))
            }
        };
        *self.cursor_mut(end) = count(observed, end);
        judge(&tally, sent.len(), allowed, counted).map_err(|message| format!("{message}; in all {tally:?}"))
    }

    fn cursor(&self, end: End) -> usize {
        match end {
            End::Device => self.device,
            End::Peer(peer) => self.peers[peer],
        }
    }

    fn cursor_mut(&mut self, end: End) -> &mut usize {
        match end {
            End::Device => &mut self.device,
            End::Peer(peer) => &mut self.peers[peer],
        }
    }
}

fn await_that(
    world: &mut dyn World,
    limit: Duration,
    that: &dyn Fn(&Observed) -> bool,
    otherwise: &str,
) -> Result<(), String> {
    if world.wait(limit, &mut |o| that(o))? { Ok(()) } else { Err(format!("after {limit:?} {otherwise}")) }
}

fn end_of_stream(peer: usize, limit: Duration, world: &mut dyn World) -> Result<(), String> {
    let ending = |o: &Observed| o.connections.iter().rev().filter(|c| c.peer == peer).find_map(|c| c.end);
    world.wait(limit, &mut |o| ending(o).is_some())?;
    match ending(world.observed()) {
        Some(Ending::Fin) => Ok(()),
        Some(Ending::Truncated) => Err("the bridge did not say close_notify".into()),
        Some(Ending::Reset) => Err("the bridge reset the connection".into()),
        Some(Ending::Own) => Err("the peer itself ended the connection".into()),
        None => Err(format!("after {limit:?} the connection is still open")),
    }
}

/// Alerts are compared as RFC 8446 writes them, whatever case and underscores they come with.
fn alert(peer: usize, name: &str, limit: Duration, world: &mut dyn World) -> Result<(), String> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let latest =
        |o: &Observed| o.connections.iter().rev().filter(|c| c.peer == peer).find_map(|c| c.alert.clone());
    world.wait(limit, &mut |o| latest(o).is_some())?;
    match latest(world.observed()) {
        Some(alert) if plain(&alert) == plain(name) => Ok(()),
        Some(alert) => Err(format!("another alert came: {alert}")),
        None => Err(format!("after {limit:?} none has come")),
    }
}

fn dropped(world: &mut dyn World) -> Result<usize, String> {
    let bytes = world.stat("up-dropped")?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Whether `tally` of `sent` bytes is within what is `allowed`, where the bridge has `counted` dropped bytes.
fn judge(tally: &Tally, sent: usize, allowed: Allowed, counted: usize) -> Result<(), String> {
    let whole = tally.missing.iter().all(|(from, to)| from % RECORD == 0 && to % RECORD == 0);
    let checks = [
        (tally.reached < sent, format!("bytes from {} on have not arrived, of {sent}", tally.reached)),
        (tally.corrupt > 0, format!("{} bytes are corrupt", tally.corrupt)),
        (tally.reordered > 0, format!("{} bytes are out of order", tally.reordered)),
        (tally.ungreeted > 0, format!("{} connections lack the greeting", tally.ungreeted)),
        (tally.lost() != counted, format!("{} bytes are lost, {counted} counted as dropped", tally.lost())),
        (tally.duplicated > allowed.duplicated, format!("{} bytes came twice", tally.duplicated)),
        (allowed.lost != Lost::Nothing && counted == 0, "nothing was dropped".to_owned()),
        (allowed.lost == Lost::WholeRecords && !whole, "records were cut".to_owned()),
    ];
    match checks.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, message)) => Err(message),
        None => Ok(()),
    }
}

/// What has arrived at `end`, over all connections.
fn arrived(observed: &Observed, end: End) -> Vec<u8> {
    match end {
        End::Device => observed.device_got.clone(),
        End::Peer(peer) => observed.streams(Some(peer)).concat(),
    }
}

fn count(observed: &Observed, end: End) -> usize {
    match end {
        End::Device => observed.device_got.len(),
        End::Peer(peer) => observed.streams(Some(peer)).iter().map(|stream| stream.len()).sum(),
    }
}

/// A cheap sign that everything may be there: a stream ends as what was sent ends.
fn last_byte_is_there(observed: &Observed, end: End) -> bool {
    let ends_alike = |sent: &[u8], got: &[u8]| {
        let tail = &sent[sent.len().saturating_sub(RECORD)..];
        got.windows(tail.len().max(1)).rev().take(64).any(|window| window == tail) || sent.is_empty()
    };
    match end {
        End::Device => ends_alike(&observed.peer_sent, &observed.device_got),
        End::Peer(_) if !observed.datagrams.is_empty() => {
            let newest: Vec<u8> =
                observed.datagrams.iter().rev().take(8).rev().flat_map(|(_, d)| d.clone()).collect();
            ends_alike(&observed.device_sent, &newest)
        }
        End::Peer(_) => observed.connections.iter().rev().any(|c| ends_alike(&observed.device_sent, &c.got)),
    }
}
