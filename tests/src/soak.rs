//! Long runs in virtual time: one bridge, and fault upon fault, with both sides talking all the while. Every byte is
//! compared as it comes; a seed decides everything, and repeats it.

mod fault;
mod real;
mod totals;

use std::time::Duration;

use crate::follow::{Follow, Place};
use crate::records::Records;
use crate::scenario::{DeviceAct, NetworkAct, Payload, PeerAct, Scenario};
use crate::sim::{Dice, Profile, SimWorld, Subject};
use crate::tutorial::TutorialBridge;
use crate::world::{Act, World};
use crate::{CoreBridge, parse, settings};
pub use fault::Fault;
pub use real::real;
pub use totals::{Totals, table};

/// Faults of one run.
pub const FAULTS: u64 = 500;
/// The most that each side says at a time, in bytes, and how long there is nothing but talk.
const BURST: usize = 7 * 1024;
const TALK: usize = 300;
/// After the last fault, something must arrive at least so often until everything has.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who is put through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The core.
    Core,
    /// The bridge that it replaces, which loses bytes; what it must not do is not held against it.
    Tutorial,
}

/// One run.
///
/// # Errors
/// A broken promise.
pub fn run(who: Who, seed: u64, faults: u64) -> Result<Totals, String> {
    let mut dice = Dice::new(seed);
    let mut pick = |list: &[usize]| list[dice.between(0, list.len() - 1)];
    let profile = Profile {
        segment: pick(&[536, 1460, 1460, 97]),
        loss: pick(&[0, 0, 1, 3]) as u32,
        chunk: pick(&[64, 1024, 65_536]),
    };
    let text = format!(
        "title a soak\nproves S7\nline baud 921600\nline fifo 4096\nnetwork delay {} ms\nnetwork window {}\n\
         option up-buffer {}\noption down-buffer {}\noption unacked-limit 2s\noption backoff-max 1s\n\nexpect connected\n",
        pick(&[1, 5, 20]),
        pick(&[4096, 8192, 65_536]),
        pick(&[4096, 65_536, 1024 * 1024]),
        pick(&[1024, 4096, 65_536]),
    );
    let scenario = parse("soak", &text).map_err(|error| error.to_string())?;
    match who {
        Who::Core => {
            let settings = settings(&scenario)?;
            let make = move || CoreBridge::new(settings, seed as u32, profile.chunk, None);
            Soak::new(&scenario, profile, seed, dice, make).run(faults, true)
        }
        Who::Tutorial => {
            let make = || Ok(TutorialBridge::new(Vec::new()));
            Soak::new(&scenario, profile, seed, dice, make).run(faults, false)
        }
    }
}

/// A world, and what has been seen of it.
struct Soak<S> {
    world: SimWorld<S>,
    dice: Dice,
    up: Follow,
    down: Follow,
    device: Place,
    /// Of each connection.
    places: Vec<Place>,
    /// Connections before this one have ended.
    ended: usize,
    totals: Totals,
}

impl<S: Subject> Soak<S> {
    fn new(
        scenario: &Scenario,
        profile: Profile,
        seed: u64,
        dice: Dice,
        make: impl Fn() -> Result<S, String> + 'static,
    ) -> Self {
        Self {
            world: SimWorld::new(scenario, profile, seed, None, make),
            dice,
            up: Follow::new(Records::up()),
            down: Follow::new(Records::down()),
            device: Place::anywhere(),
            places: Vec::new(),
            ended: 0,
            totals: Totals::default(),
        }
    }

    fn run(mut self, faults: u64, strict: bool) -> Result<Totals, String> {
        self.world.start()?;
        for _ in 0..faults {
            self.both_talk()?;
            let talk = self.dice.between(0, TALK);
            self.pass(talk)?;
            let fault = Fault::any(&mut self.dice);
            for act in fault.begins() {
                self.world.act(act)?;
            }
            self.both_talk()?;
            let (least, most) = fault.lasts();
            let span = self.dice.between(least, most);
            self.pass(span)?;
            for act in fault.ends() {
                self.world.act(act)?;
            }
            self.totals.faults[fault as usize] += 1;
            self.look();
        }
        self.settle(strict)?;
        self.account();
        if strict { self.judge() } else { Ok(self.totals) }
    }

    fn both_talk(&mut self) -> Result<(), String> {
        let (up, down) = (self.dice.between(0, BURST), self.dice.between(0, BURST));
        self.world.act(&Act::Device(DeviceAct::Sends(Payload::Records(up))))?;
        self.world.act(&Act::Peer(0, PeerAct::Sends(Payload::Records(down))))
    }

    fn pass(&mut self, millis: usize) -> Result<(), String> {
        self.world.wait(Duration::from_millis(millis as u64), &mut |_| false)?;
        self.look();
        Ok(())
    }

    /// Everything is well again, and all that is on its way arrives.
    fn settle(&mut self, strict: bool) -> Result<(), String> {
        self.world.act(&Act::Network(NetworkAct::Heals))?;
        let (mut arrived, mut since) = (0, Duration::ZERO);
        loop {
            self.pass(250)?;
            let seen = self.world.observed();
            let (now, waits) = (seen.now, seen.device_queue.pending > 0 || seen.peer_queues[0].pending > 0);
            let held = self.world.stat("up-held")? + self.world.stat("down-held")?;
            if arrived != self.totals.carried() {
                (arrived, since) = (self.totals.carried(), now);
            }
            if !waits && held == 0 {
                // What is on its way to the device.
                return self.pass(2000);
            }
            if now - since > PATIENCE {
                return if strict {
                    Err(format!("nothing moves any more{}", self.world.history()))
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Compares what has come, and lets go of it.
    fn look(&mut self) {
        let seen = self.world.seen();
        self.totals.device_sent += core::mem::take(&mut seen.device_sent).len() as u64;
        self.totals.peer_sent += core::mem::take(&mut seen.peer_sent).len() as u64;
        let got = core::mem::take(&mut seen.device_got);
        self.totals.device_got += got.len() as u64;
        self.down.feed(&mut self.device, &got);
        self.places.resize(seen.connections.len(), Place::anywhere());
        for nth in self.ended..seen.connections.len() {
            let (earlier, rest) = self.places.split_at_mut(nth);
            let (connection, place) = (&mut seen.connections[nth], &mut rest[0]);
            let got = core::mem::take(&mut connection.got);
            if !got.is_empty() {
                earlier[self.ended..].iter_mut().for_each(|place| self.up.settle(place));
            }
            self.totals.peer_got += got.len() as u64;
            self.up.feed(place, &got);
            if connection.end.is_some() {
                self.up.settle(place);
            }
        }
        let ended = |nth: &usize| seen.connections[*nth].end.is_some();
        self.ended += (self.ended..seen.connections.len()).take_while(ended).count();
    }

    fn account(&mut self) {
        for place in &mut self.places {
            self.up.settle(place);
        }
        self.down.settle(&mut self.device);
        let ledger = self.world.ledger();
        let totals = &mut self.totals;
        totals.runs = 1;
        totals.connections = self.places.len() as u64;
        totals.replayed = self.world.stat("replayed").unwrap_or_default();
        totals.packets_lost = ledger.packets_lost;
        totals.unplugged = ledger.unplugged.iter().sum();
        totals.micros = self.world.observed().now.as_micros() as u64;
        // What never got to the bridge it has not lost: the driver's at the moment of unplugging, and what a peer's
        // TCP held when its connection broke.
        totals.lost[0] =
            self.up.lost(totals.device_sent).saturating_sub(ledger.unplugged[0] + self.up.guessed);
        totals.lost[1] = (ledger.sock_read - ledger.unplugged[1]).saturating_sub(totals.device_got);
        totals.guessed = self.up.guessed;
        totals.not_taken = (totals.peer_sent - ledger.sock_read) + ledger.overrun;
        for (nth, way) in [&self.up, &self.down].into_iter().enumerate() {
            totals.duplicated[nth] = way.duplicated;
            totals.reordered[nth] = way.reordered;
            totals.damaged[nth] = way.damaged;
        }
    }

    /// The promises, of the whole run.
    fn judge(mut self) -> Result<Totals, String> {
        let Totals { lost, duplicated, reordered, damaged, replayed, .. } = self.totals;
        let ledger = self.world.ledger();
        let exact = self.up.lost(self.totals.device_sent).abs_diff(ledger.unplugged[0]) <= self.up.guessed
            && ledger.sock_read == self.totals.device_got + ledger.unplugged[1];
        let checks = [
            (exact && lost == [0; 2], "bytes are lost, or came from nowhere"),
            (duplicated[0] <= replayed, "more came twice than was sent again"),
            (duplicated[1] == 0, "the device got bytes twice"),
            (reordered[0] <= self.up.guessed && reordered[1] == 0, "bytes are out of order"),
            (damaged == [0; 2], "bytes are damaged"),
            (ledger.overrun == 0, "the device was not held back"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            None => Ok(self.totals),
            Some((_, what)) => Err(format!("{what}: {:?}, {ledger:?}{}", self.totals, self.world.history())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_repeats_and_the_tutorials_bridge_loses_bytes() {
        let first = run(Who::Core, 1, 60).expect("nothing is lost");
        assert_eq!(first, run(Who::Core, 1, 60).expect("nothing is lost"));
        assert_eq!(first.faults.iter().sum::<u64>(), 60);
        assert!(first.replayed > 0 && first.duplicated[0] > 0, "{first:?}");
        let tutorial = run(Who::Tutorial, 1, 60).expect("it is not judged");
        assert!(tutorial.lost[0] > 0, "{tutorial:?}");
    }
}
