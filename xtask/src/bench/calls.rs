//! System calls, counted by the kernel itself (`perf stat`), which slows the program far less than strace.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};

use super::Entrants;
use super::figures::{Figures, with_ratio};
use super::latency::{Way, message};
use super::report::{Section, Table};
use super::rig::{Entrant, Rig, wait_readable};
use super::throughput::{BLOCKS, Load, flow, size};
use crate::setup;

/// Bytes of a message.
const MESSAGE: usize = 64;
/// A program may do so much after a message before the next one comes.
const PAUSE: Duration = Duration::from_millis(1);
/// perf answers within this time.
const ANSWER: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Clone, Copy)]
enum Counted {
    /// Single messages, each awaited.
    Messages(Way),
    /// As much as goes through.
    Flow(Load, usize),
}

/// Counts for single messages and for full load, program after program within each round.
///
/// # Errors
/// None: a program that fails is noted, and so is a perf that may not count.
pub(super) fn run(entrants: &mut Entrants, quick: bool) -> Result<Vec<Section>> {
    // Single messages cost the same every time; full load does not.
    let (rounds, messages, flows, window) = if quick { (1, 100, 1, 100) } else { (3, 200, 11, 100) };
    let window = Duration::from_millis(window);
    let header = || std::iter::once("load".to_owned()).chain(entrants.names().into_iter().map(str::to_owned));
    let (mut single, mut full) = (Table::new(header()), Table::new(header()));
    // A program may go on differently once its ports have been full: fresh ones first, and again at the end.
    entrants.list.iter_mut().for_each(Entrant::end);
    let mut messages_each_way = |entrants: &mut Entrants, when: &str| {
        for way in [Way::Up, Way::Down] {
            let load = Counted::Messages(way);
            let figures = compare(entrants, load, rounds, messages, window);
            single.row(row(format!("{} {when}", load.name()), &figures, entrants.list.len()));
        }
    };
    messages_each_way(entrants, "after the start");
    for load in [Load::Up, Load::Down, Load::Both] {
        for block in BLOCKS {
            let load = Counted::Flow(load, block);
            let figures = compare(entrants, load, flows, messages, window);
            full.row(row(load.name(), &figures, entrants.list.len()));
        }
    }
    messages_each_way(entrants, "after full load");
    Ok(vec![
        Section::new(
            "System calls a message",
            format!(
                "System calls of the program (and the ratio to the limit) for one message of {MESSAGE} bytes that has arrived \
                 before the next one is sent: median of {rounds} rounds of {messages} messages."
            ),
            single,
        ),
        Section::new(
            "System calls a MiB",
            format!(
                "At full load (and the ratio to the limit): median of {flows} rounds of {} ms.",
                window.as_millis()
            ),
            full,
        ),
    ])
}

impl Counted {
    fn name(self) -> String {
        match self {
            Self::Messages(Way::Up) => "up".into(),
            Self::Messages(Way::Down) => "down".into(),
            Self::Flow(load, block) => format!("{} {}", load.name(), size(block)),
        }
    }
}

fn row(name: String, figures: &Figures, programs: usize) -> Vec<String> {
    std::iter::once(name).chain((0..programs).map(|n| with_ratio(figures, n))).collect()
}

fn compare(
    entrants: &mut Entrants,
    load: Counted,
    rounds: usize,
    messages: usize,
    window: Duration,
) -> Figures {
    let mut figures = Figures::new(entrants.list.len());
    let what = format!("system calls {}", load.name());
    for round in 0..rounds {
        for number in entrants.turns(round) {
            let entrant = &mut entrants.list[number];
            let figure = entrant.measure(&what, |rig| match load {
                Counted::Messages(way) => {
                    let (calls, ()) = count(rig, |rig| {
                        for _ in 0..messages {
                            message(&mut rig.lines[0], way, MESSAGE)?;
                            std::thread::sleep(PAUSE);
                        }
                        Ok(())
                    })?;
                    Ok(calls as f64 / messages as f64)
                }
                Counted::Flow(load, block) => {
                    let (calls, flow) = count(rig, |rig| flow(&mut rig.lines[0], load, block, window))?;
                    Ok(calls as f64 * f64::from(1 << 20) / flow.bytes as f64)
                }
            });
            figures.push(number, figure);
        }
    }
    figures
}

/// The system calls that a program makes while `work` runs.
fn count<T>(rig: &mut Rig, work: impl FnOnce(&mut Rig) -> Result<T>) -> Result<(u64, T)> {
    let mut counter = Counter::attach(&rig.pids())?;
    counter.order("enable")?;
    let result = work(rig)?;
    counter.order("disable")?;
    Ok((counter.finish()?, result))
}

/// A `perf stat` that is attached to a program and told when to count (perf-stat(1), `--control`).
struct Counter {
    perf: Child,
    orders: File,
    answers: File,
    dir: PathBuf,
}

impl Counter {
    fn attach(pids: &[u32]) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("uartbridge-bench-{}-perf", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let (orders, answers) = (fifo(&dir.join("orders"))?, fifo(&dir.join("answers"))?);
        let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
        let control = format!("fifo:{},{}", dir.join("orders").display(), dir.join("answers").display());
        let perf = Command::new(setup::find("perf").context("no perf: cargo xtask setup")?)
            .args(["stat", "--field-separator", ",", "--event", "raw_syscalls:sys_enter", "--delay", "-1"])
            .args(["--pid", &pids.join(","), "--control", &control, "--output"])
            .arg(dir.join("counts"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("stderr"))?)
            .spawn()
            .context("cannot start perf")?;
        Ok(Self { perf, orders, answers, dir })
    }

    /// Gives an order, and waits until perf has obeyed.
    fn order(&mut self, order: &str) -> Result<()> {
        self.orders.write_all(format!("{order}\n").as_bytes())?;
        if !wait_readable(self.answers.as_fd(), ANSWER)? {
            let said = std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default();
            bail!(
                "perf cannot count system calls (it needs root, or kernel.perf_event_paranoid = -1): {}",
                said.trim()
            );
        }
        rustix::io::read(&self.answers, &mut [0; 64])?;
        Ok(())
    }

    fn finish(mut self) -> Result<u64> {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.perf.id())?) {
            kill_process(pid, Signal::INT)?;
        }
        self.perf.wait()?;
        parse(&std::fs::read_to_string(self.dir.join("counts"))?)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Errors here mean that perf has ended as it should.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn fifo(path: &Path) -> Result<File> {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    Ok(File::options().read(true).write(true).open(path)?)
}

fn parse(counts: &str) -> Result<u64> {
    let line = counts.lines().find(|line| line.contains("raw_syscalls:sys_enter"));
    let count = line.and_then(|line| line.split(',').next());
    count.and_then(|count| count.parse().ok()).with_context(|| format!("perf counted nothing: {counts}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_perf_writes() {
        let counts = "# started on Mon\n\n681912,,raw_syscalls:sys_enter,201414894,100.00,,\n";
        assert_eq!(parse(counts).expect("a count"), 681_912);
        assert!(parse("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n").is_err());
    }
}
