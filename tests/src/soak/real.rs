//! A long run of the real program, between a pty and real sockets on loopback, and what it takes meanwhile.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::totals::{pair, spaced};
use crate::rig::{Counters, Lane, Place, Rig, Subject};
use crate::sim::Dice;

/// Bytes a second that each side talks.
const RATE: u64 = 250_000;
/// The bridge's up buffer: small, so that it is soon as full as it ever gets, and growth is growth.
const UP_BUFFER: &str = "64KiB";
/// What the process may take more at the end than after the first tenth, in KiB.
const GROWTH: u64 = 512;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Reset,
    Restart,
    Close,
    ServerStalls,
    DeviceStalls,
    Stopped,
    Unplugged,
}

impl Fault {
    const ALL: [(Self, &'static str, usize); 7] = [
        (Self::Reset, "reset with bytes in flight", 300),
        (Self::Restart, "server killed and started again", 1500),
        (Self::Close, "closed by the server", 300),
        (Self::ServerStalls, "server reads nothing", 2000),
        (Self::DeviceStalls, "device reads nothing", 2000),
        (Self::Stopped, "bridge stopped and continued", 1500),
        (Self::Unplugged, "UART unplugged and back", 800),
    ];
}

/// What the process takes: resident memory in KiB, and descriptors.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    resident: u64,
    descriptors: usize,
}

struct Real {
    rig: Rig,
    dice: Dice,
    faults: [u64; Fault::ALL.len()],
    recoveries: Vec<Duration>,
    taken: Vec<Taken>,
}

/// So long, with these faults by chance; what came of it, as a table.
///
/// # Errors
/// A broken promise, or what the system refuses.
pub fn real(program: &Path, span: Duration, seed: u64) -> Result<String, String> {
    let folder = std::env::temp_dir().join(format!("uartbridge-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let done = Real::new(program, &folder, seed).and_then(|real| real.run(span));
    // Left behind in /tmp it harms nobody.
    let _ = std::fs::remove_dir_all(&folder);
    done
}

impl Real {
    fn new(program: &Path, folder: &Path, seed: u64) -> Result<Self, String> {
        let pid = std::process::id();
        let own = Ipv4Addr::new(127, 128 | (pid >> 16) as u8 & 63, (pid >> 8) as u8, pid as u8);
        let options = vec![format!("--up-buffer={UP_BUFFER}"), "--backoff-max=500ms".into()];
        let place = Place { folder: PathBuf::from(folder), ..Place::default() };
        let subject = Subject::Uartbridge(program.to_owned(), options);
        let lane = Lane::new(subject, &place, SocketAddr::from((own, 4000)), RATE)?;
        Ok(Self {
            rig: Rig { lanes: vec![lane] },
            dice: Dice::new(seed),
            faults: [0; Fault::ALL.len()],
            recoveries: Vec::new(),
            taken: Vec::new(),
        })
    }

    fn lane(&mut self) -> &mut Lane {
        &mut self.rig.lanes[0]
    }

    fn run(mut self, span: Duration) -> Result<String, String> {
        if !self.rig.until(Duration::from_secs(30), |lanes| lanes[0].up.reached() > 0)? {
            return Err(format!("nothing comes up:\n{}", self.lane().said()));
        }
        let started = Instant::now();
        while started.elapsed() < span {
            let talk = self.dice.between(50, 500);
            self.rig.run(Duration::from_millis(talk as u64))?;
            let taken = Taken::of(self.lane())?;
            self.taken.push(taken);
            self.fault()?;
        }
        let took = started.elapsed();
        let counters = self.settle()?;
        self.judge(counters)?;
        Ok(self.table(counters, took))
    }

    fn fault(&mut self) -> Result<(), String> {
        let nth = self.dice.between(0, Fault::ALL.len() - 1);
        let (fault, _, most) = Fault::ALL[nth];
        let span = Duration::from_millis(self.dice.between(10, most) as u64);
        self.faults[nth] += 1;
        let failed = |error: std::io::Error| error.to_string();
        let lane = self.lane();
        match fault {
            Fault::Reset | Fault::Restart => lane.server.holds_off().map_err(failed)?,
            Fault::Close => lane.server.close(),
            Fault::ServerStalls => lane.server.reads = false,
            Fault::DeviceStalls => lane.line.reads = false,
            Fault::Stopped => lane.signal(Signal::STOP)?,
            Fault::Unplugged => lane.line.unplug().map_err(failed)?,
        }
        if fault == Fault::Restart {
            // Enough for some bytes to be under way.
            self.rig.run(Duration::from_millis(20))?;
            self.lane().server.refuse();
            self.lane().reset()?;
        }
        self.rig.run(span)?;
        let lane = self.lane();
        match fault {
            Fault::Reset => lane.reset()?,
            Fault::Restart => lane.server.listen().map_err(failed)?,
            Fault::Close => {}
            Fault::ServerStalls => lane.server.reads = true,
            Fault::DeviceStalls => lane.line.reads = true,
            Fault::Stopped => lane.signal(Signal::CONT)?,
            Fault::Unplugged => lane.line.plug().map_err(failed)?,
        }
        lane.mark();
        if !self.rig.until(Duration::from_secs(60), |lanes| lanes[0].recovery().is_some())? {
            return Err(format!("no recovery from {fault:?}:\n{}", self.lane().said()));
        }
        let recovery = self.lane().recovery();
        self.recoveries.extend(recovery);
        Ok(())
    }

    /// Everything that has been said arrives.
    fn settle(&mut self) -> Result<Counters, String> {
        self.rig.hush();
        for _ in 0..60 {
            self.rig.run(Duration::from_secs(1))?;
            let counters = self.rig.counters()?;
            if self.lane().is_up() && counters.up_held + counters.down_held == 0 {
                self.lane().end();
                return Ok(counters);
            }
        }
        Err(format!("not everything arrives:\n{}", self.lane().said()))
    }

    fn judge(&self, counters: Counters) -> Result<(), String> {
        let lane = &self.rig.lanes[0];
        let (up, down) = (&lane.up, &lane.down);
        let grown = {
            let early = self.taken[self.taken.len() / 10];
            let late = self.taken.last().copied().unwrap_or_default();
            late.resident > early.resident + GROWTH || late.descriptors > early.descriptors + 1
        };
        let arrived = lane.line.source.sent - up.lost(lane.line.source.sent);
        let unplugged = self.faults[Fault::Unplugged as usize];
        let checks = [
            (arrived == counters.uart_rx, "bytes up are lost"),
            (counters.uart_tx == counters.sock_rx, "bytes down are lost"),
            (up.duplicated <= counters.replayed, "more came twice than was sent again"),
            (down.duplicated == 0, "the device got bytes twice"),
            (up.reordered + down.reordered == 0, "bytes are out of order"),
            (up.damaged + down.damaged == 0, "bytes are damaged"),
            (up.breaks <= unplugged, "a connection left something out that was not unplugged"),
            (!grown, "memory or descriptors grow"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, what)) => Err(format!("{what}: {counters:?}, {lane:?}, {:?}", self.taken)),
        }
    }

    fn table(mut self, counters: Counters, took: Duration) -> String {
        let lane = &self.rig.lanes[0];
        let (said, told) = (lane.line.source.sent, lane.server.source.sent);
        let mut table = String::from("| | |\n| --- | ---: |\n");
        let mut row = |name: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {name} | {value} |");
        };
        row("time", format!("{} s", took.as_secs()));
        row("faults", spaced(self.faults.iter().sum()));
        for ((_, name, _), count) in Fault::ALL.iter().zip(self.faults) {
            row(&format!("· {name}"), spaced(count));
        }
        row("connections", spaced(lane.server.connections));
        row("bytes up: said, received", pair([said, lane.server.got]));
        row("bytes down: said, received", pair([told, lane.line.got]));
        row(
            "never came to the bridge: unplugged with their port, left in the server's TCP",
            pair([said - counters.uart_rx + counters.uart_tx - lane.line.got, told - counters.sock_rx]),
        );
        row("replayed", spaced(counters.replayed));
        let arrived = said - lane.up.lost(said);
        let lost = [counters.uart_rx.saturating_sub(arrived), counters.sock_rx - counters.uart_tx];
        row("**lost by the bridge**, up and down", pair(lost));
        row("came twice, up and down", pair([lane.up.duplicated, lane.down.duplicated]));
        row("out of order, up and down", pair([lane.up.reordered, lane.down.reordered]));
        row("damaged, up and down", pair([lane.up.damaged, lane.down.damaged]));
        self.recoveries.sort_unstable();
        let recovery = |nth: usize| self.recoveries.get(nth).map_or(0.0, Duration::as_secs_f64);
        let (half, last) = (self.recoveries.len() / 2, self.recoveries.len().saturating_sub(1));
        row("recovery: median, longest", format!("{:.2} s, {:.2} s", recovery(half), recovery(last)));
        let early = self.taken[self.taken.len() / 10];
        let late = self.taken.last().copied().unwrap_or_default();
        let most = self.taken.iter().map(|taken| taken.resident).max().unwrap_or_default();
        row(
            "VmRSS after a tenth, at most, at the end",
            format!("{}, {}, {} KiB", spaced(early.resident), spaced(most), spaced(late.resident)),
        );
        row("descriptors after a tenth, at the end", format!("{}, {}", early.descriptors, late.descriptors));
        table
    }
}

impl Taken {
    fn of(lane: &Lane) -> Result<Self, String> {
        let folder = PathBuf::from(format!("/proc/{}", lane.pid().as_raw_nonzero()));
        let gone = |error: std::io::Error| format!("{}: {error}", folder.display());
        let status = std::fs::read_to_string(folder.join("status")).map_err(gone)?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let descriptors = std::fs::read_dir(folder.join("fd")).map_err(gone)?.count();
        Ok(Self { resident: resident.unwrap_or_default(), descriptors })
    }
}
