//! One fault, from a start in which all is well to the last byte.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use uartbridge_tests::rig::{Counters, Lane, Place, Rig, Subject};

use crate::net::{Net, PEER, THROUGH};
use crate::rows::Row;
use crate::{Done, Suite};

pub(crate) const HEADER: &str = "\
| fault | program | up: said | lost | twice | swapped, damaged | down: said | not arrived | twice, swapped, damaged \
| connections | recovery, s |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// What both sides say, in bytes a second: 115200 baud.
const RATE: u64 = 11_520;
/// How long the program under test may take for anything; how long others are waited for, in a short run and a full one.
const PATIENCE: Duration = Duration::from_secs(90);
const COURTESY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

pub(crate) struct Run<'a> {
    pub(crate) net: &'a Net,
    pub(crate) rig: Rig,
    pub(crate) full: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(net: &'a Net, suite: &Suite, row: &Row) -> Result<Self, String> {
        // It tries again after a second, as the others do. The full run keeps all other limits.
        let mut options: Vec<String> = vec!["--backoff-max=1s".into()];
        options.extend((!suite.full).then(|| "--unacked-limit=2s".into()));
        let mut place = Place { prefix: net.prefix(), folder: net.folder.clone(), ..Place::default() };
        let mut plain = place.clone();
        (row.prepares)(net, &mut place, &mut options)?;
        plain.prefix.clone_from(&place.prefix);
        let ours = Subject::Uartbridge(suite.program.clone(), options);
        let mut subjects = vec![ours, Subject::Tutorial(suite.relay.clone())];
        if suite.full {
            subjects.extend([Subject::Socat, Subject::Ser2net]);
        }
        let host = if row.through { THROUGH } else { PEER };
        let lanes = subjects.into_iter().zip(4000..).map(|(subject, port)| {
            let at: SocketAddr = format!("{host}:{port}").parse().map_err(|_| "an address")?;
            let place = if matches!(subject, Subject::Uartbridge(..)) { &place } else { &plain };
            Lane::new(subject, place, at, RATE)
        });
        let rig = Rig { lanes: lanes.collect::<Result<_, String>>()? };
        let mut run = Self { net, rig, full: suite.full };
        if !run.rig.until(PATIENCE, |lanes| lanes[0].up.reached() > 0)? {
            return Err(format!("nothing comes up:\n{}", run.ours().said()));
        }
        run.rig.until(run.courtesy(), |lanes| lanes.iter().all(|lane| lane.up.reached() > 0))?;
        Ok(run)
    }

    const fn courtesy(&self) -> Duration {
        COURTESY[self.full as usize]
    }

    pub(crate) fn ours(&self) -> &Lane {
        &self.rig.lanes[0]
    }

    pub(crate) const fn times(&self, short: u64, full: u64) -> u64 {
        if self.full { full } else { short }
    }

    /// So many seconds pass.
    pub(crate) fn secs(&mut self, short: u64, full: u64) -> Done {
        let span = self.times(short, full);
        self.rig.run(Duration::from_secs(span))
    }

    pub(crate) fn millis(&mut self, span: u64) -> Done {
        self.rig.run(Duration::from_millis(span))
    }

    pub(crate) fn each(&mut self, act: impl FnMut(&mut Lane) -> Done) -> Done {
        self.rig.lanes.iter_mut().try_for_each(act)
    }

    /// Bytes are under way, and then every server resets its connections.
    pub(crate) fn reset_in_flight(&mut self) -> Done {
        self.each(|lane| lane.server.holds_off().map_err(|error| error.to_string()))?;
        self.millis(100)?;
        self.each(Lane::reset)
    }

    /// The fault is over: until something new has come up.
    pub(crate) fn recover(&mut self, courtesy: Duration) -> Done {
        self.rig.lanes.iter_mut().for_each(Lane::mark);
        if !self.rig.until(PATIENCE, |lanes| lanes[0].recovery().is_some())? {
            return Err(format!("no recovery:\n{}", self.ours().said()));
        }
        self.rig.until(courtesy, |lanes| lanes.iter().all(|lane| lane.recovery().is_some())).map(drop)
    }

    pub(crate) fn fault(&mut self, row: &Row) -> Done {
        self.millis(self.times(300, 1000))?;
        (row.fault)(self)?;
        self.recover(self.courtesy())?;
        self.millis(self.times(300, 1000))?;
        let counters = self.settle()?;
        for lane in &mut self.rig.lanes {
            lane.end();
        }
        for lane in &self.rig.lanes {
            print_row(row.name, lane);
        }
        let _ = std::io::stdout().flush();
        (row.proves)(self)?;
        judge(self.ours(), counters, row.unplugs)
    }

    /// Nobody talks any more, and everything that has been said arrives.
    fn settle(&mut self) -> Result<Counters, String> {
        self.rig.hush();
        self.rig.until(PATIENCE, |lanes| lanes[0].is_up())?;
        self.rig.until(self.courtesy(), |lanes| lanes.iter().all(Lane::is_up))?;
        for _ in 0..4 * PATIENCE.as_secs() {
            self.millis(250)?;
            let counters = self.rig.counters()?;
            if counters.up_held + counters.down_held == 0 {
                return Ok(counters);
            }
        }
        Err(format!("not everything arrives:\n{}", self.ours().said()))
    }

    /// The log of the program under test.
    pub(crate) fn log(&self) -> PathBuf {
        self.net.folder.join("uartbridge.log")
    }
}

fn print_row(name: &str, lane: &Lane) {
    let (said, told) = (lane.line.source.sent, lane.server.source.sent);
    let (up, down) = (&lane.up, &lane.down);
    println!(
        "| {name} | {} | {said} | {} | {} | {}, {} | {told} | {} | {}, {}, {} | {} | {} |",
        lane.subject.name(),
        up.lost(said),
        up.duplicated,
        up.reordered,
        up.damaged,
        down.lost(told),
        down.duplicated,
        down.reordered,
        down.damaged,
        lane.server.connections,
        lane.worst().map_or_else(|| "none".into(), |time| format!("{:.2}", time.as_secs_f64())),
    );
}

/// What is promised. A UART that is unplugged takes with it what its driver held, in both directions.
fn judge(lane: &Lane, counters: Counters, unplugs: bool) -> Done {
    let (said, up, down) = (lane.line.source.sent, &lane.up, &lane.down);
    let checks = [
        (unplugs || up.lost(said) == 0, "bytes up are lost"),
        (said - up.lost(said) == counters.uart_rx, "what was read from the UART has not all arrived"),
        (up.duplicated <= counters.replayed, "more came twice than was sent again"),
        (counters.sock_rx == counters.uart_tx, "bytes down are lost"),
        (unplugs || lane.line.got == counters.uart_tx, "what was written to the UART has not all arrived"),
        (down.duplicated == 0, "the device got bytes twice"),
        (up.reordered + down.reordered == 0, "bytes are out of order"),
        (up.damaged + down.damaged == 0, "bytes are damaged"),
    ];
    match checks.into_iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, what)) => Err(format!("{what}: {counters:?}, up {up:?}, down {down:?}")),
    }
}
