//! Long runs in virtual time: one bridge, and fault upon fault, with both sides talking all the while. Every byte is
//! compared as it comes with the one that is owed in its place: the simulation knows what the bridge has read, and how much of
//! it each connection's acknowledgements covered. A seed decides everything, and repeats it.

mod fault;
mod owed;
mod real;
mod totals;

use std::time::Duration;

use crate::follow::{Follow, Place};
use crate::scenario::{DeviceAct, NetworkAct, Payload, PeerAct, Scenario};
use crate::sim::{Dice, Profile, SimWorld, Subject};
use crate::trail::Trail;
use crate::tutorial::TutorialBridge;
use crate::world::{Act, World};
use crate::{CoreBridge, parse, settings};
pub use fault::Fault;
use owed::Owed;
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
            Soak::new(who, &scenario, profile, seed, dice, make).run(faults)
        }
        Who::Tutorial => {
            let make = || Ok(TutorialBridge::new(Vec::new()));
            Soak::new(who, &scenario, profile, seed, dice, make).run(faults)
        }
    }
}

/// A world, and what has been seen of it.
struct Soak<S> {
    world: SimWorld<S>,
    dice: Dice,
    /// What the device says, and the server.
    says: [Trail; 2],
    up: Owed,
    down: Owed,
    /// How much each connection has brought.
    brought: Vec<u64>,
    /// Nobody knows where a bridge goes on that does not send again what was not acknowledged: what it brings is found by its
    /// bytes, on each connection.
    follow: Option<(Follow, Vec<Place>)>,
    totals: Totals,
}

impl<S: Subject> Soak<S> {
    fn new(
        who: Who,
        scenario: &Scenario,
        profile: Profile,
        seed: u64,
        dice: Dice,
        make: impl Fn() -> Result<S, String> + 'static,
    ) -> Self {
        Self {
            world: SimWorld::new(scenario, profile, seed, None, make),
            dice,
            says: [Trail::up(), Trail::down()],
            up: Owed::default(),
            down: Owed::default(),
            brought: Vec::new(),
            follow: (who == Who::Tutorial).then(|| (Follow::new(Trail::up()), Vec::new())),
            totals: Totals::default(),
        }
    }

    fn run(mut self, faults: u64) -> Result<Totals, String> {
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
        self.settle()?;
        self.account();
        if self.follow.is_none() { self.judge() } else { Ok(self.totals) }
    }

    fn both_talk(&mut self) -> Result<(), String> {
        let (up, down) = (self.dice.between(0, BURST), self.dice.between(0, BURST));
        let [device, server] = &mut self.says;
        self.world.act(&Act::Device(DeviceAct::Sends(Payload::Bytes(device.take(up)))))?;
        self.world.act(&Act::Peer(0, PeerAct::Sends(Payload::Bytes(server.take(down)))))
    }

    fn pass(&mut self, millis: usize) -> Result<(), String> {
        self.world.wait(Duration::from_millis(millis as u64), &mut |_| false)?;
        self.look();
        Ok(())
    }

    /// Everything is well again, and all that is on its way arrives.
    fn settle(&mut self) -> Result<(), String> {
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
                return if self.follow.is_none() {
                    Err(format!("nothing moves any more{}", self.world.history()))
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Compares what has come, and lets go of it.
    fn look(&mut self) {
        let (seen, passed) = self.world.seen();
        self.totals.device_sent += core::mem::take(&mut seen.device_sent).len() as u64;
        self.totals.peer_sent += core::mem::take(&mut seen.peer_sent).len() as u64;
        let got = core::mem::take(&mut seen.device_got);
        self.down.arrive(self.totals.device_got, &got, &passed.down);
        self.totals.device_got += got.len() as u64;
        self.brought.resize(seen.connections.len(), 0);
        for (nth, connection) in seen.connections.iter_mut().enumerate() {
            let got = core::mem::take(&mut connection.got);
            if let Some((follow, places)) = &mut self.follow {
                places.resize(self.brought.len(), Place::default());
                follow.feed(&mut places[nth], &got);
                if connection.end.is_some() {
                    follow.settle(&mut places[nth]);
                }
            } else if let Some(begins) = passed.begins.get(nth) {
                self.up.arrive(begins + self.brought[nth], &got, &passed.up);
            }
            self.brought[nth] += got.len() as u64;
            self.totals.peer_got += got.len() as u64;
        }
    }

    fn account(&mut self) {
        let (ledger, replayed) = (self.world.ledger(), self.world.stat("replayed").unwrap_or_default());
        let micros = self.world.observed().now.as_micros() as u64;
        let (_, passed) = self.world.seen();
        let totals = &mut self.totals;
        totals.runs = 1;
        totals.connections = self.brought.len() as u64;
        totals.replayed = replayed;
        totals.packets_lost = ledger.packets_lost;
        totals.micros = micros;
        // What never got to the bridge it has not lost: the driver's at the moment of unplugging, and what a peer's
        // TCP held when its connection broke.
        totals.unplugged = ledger.unplugged.iter().sum();
        totals.not_taken = (totals.peer_sent - ledger.sock_read) + ledger.overrun;
        totals.lost = [self.up.lost(&passed.up), self.down.lost(&passed.down)];
        totals.duplicated = [self.up.duplicated, self.down.duplicated];
        totals.wrong = [self.up.wrong, self.down.wrong];
        if let Some((follow, places)) = &mut self.follow {
            places.iter_mut().for_each(|place| follow.settle(place));
            totals.lost[0] = follow.lost(totals.device_sent).saturating_sub(ledger.unplugged[0]);
            totals.duplicated[0] = follow.duplicated;
            totals.wrong[0] = follow.reordered + follow.damaged;
        }
    }

    /// The promises, of the whole run.
    fn judge(mut self) -> Result<Totals, String> {
        let Totals { lost, duplicated, wrong, replayed, device_sent, .. } = self.totals;
        let (ledger, again) = (self.world.ledger(), self.world.seen().1.again);
        let checks = [
            (wrong == [0; 2], "bytes came that do not belong there"),
            (lost == [0; 2], "bytes are lost"),
            (device_sent == ledger.uart_read + ledger.unplugged[0], "bytes were left in the UART's driver"),
            (duplicated[1] == 0, "the device got bytes twice"),
            (replayed == again, "what is sent again is miscounted"),
            (ledger.overrun == 0, "the device was not held back"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            None => Ok(self.totals),
            Some((_, what)) => Err(format!(
                "{what}: {:?}, {ledger:?}, to be sent again {}, up {:?}, down {:?}{}",
                self.totals,
                again,
                self.up,
                self.down,
                self.world.history()
            )),
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
