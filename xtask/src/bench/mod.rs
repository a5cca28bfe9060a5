//! `cargo xtask bench`: uartbridge, its rivals, and the least that any relay can do, side by side.
//!
//! The bench is the device (it holds the master of each pty pair) and the peer (the other end of each TCP connection);
//! a program under test opens the slave as its serial port. Every byte is compared with what was sent. The programs take
//! turns within each round, because figures of different times do not compare on a machine that does other things too.

mod calls;
mod core;
mod figures;
mod latency;
mod ports;
mod process;
mod program;
mod report;
mod rig;
mod stream;
mod throughput;
mod tls;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::setup::{self, By};
use program::Program;
use report::{Report, Section};
use rig::Entrant;

/// What to measure and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure; everything if nothing is named
    parts: Vec<Part>,
    /// Fewer and shorter rounds: under 90 s, for a first look
    #[arg(long)]
    quick: bool,
    /// Write the report to this file too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Compare these only; the limit is always among them
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    programs: Vec<Program>,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Throughput up, down and both ways, with what it costs in CPU time and memory
    Throughput,
    /// System calls a MiB and a message
    Calls,
    /// Round trip of one byte
    Latency,
    /// 1 to 1024 ports at 11 520 bytes/s each
    Ports,
    /// TLS clients: throughput, CPU time, memory a connection, handshakes
    Tls,
    /// Instructions of the core alone
    Core,
}

/// Runs the parts and prints the report.
///
/// # Errors
/// What keeps the bench itself from running; a program that fails is part of the report.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run_for(By::Tests)?;
    setup::run_for(By::Bench)?;
    rig::raise_file_limit()?;
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let relays =
        [Part::Throughput, Part::Calls, Part::Latency, Part::Ports, Part::Tls].into_iter().any(wanted);
    let programs = if relays { program::prepare(&options.programs)? } else { Vec::new() };
    let mut entrants = Entrants { list: programs.into_iter().map(Entrant::new).collect() };

    let mut report = Report::new(&entrants.list)?;
    let mut broken = Vec::new();
    let mut part = |part, run: &mut dyn FnMut() -> Result<Vec<Section>>| {
        if !wanted(part) {
            return;
        }
        let start = Instant::now();
        eprintln!("bench: {part:?}");
        match run() {
            Ok(sections) => sections.into_iter().for_each(|section| report.add(section)),
            Err(error) => broken.push(format!("{part:?}: {error:#}")),
        }
        eprintln!("bench: {part:?} took {:.0} s", start.elapsed().as_secs_f64());
    };
    // Memory first: later parts would raise the peak.
    part(Part::Throughput, &mut || throughput::run(&mut entrants, options.quick));
    part(Part::Calls, &mut || calls::run(&mut entrants, options.quick));
    part(Part::Latency, &mut || latency::run(&mut entrants, options.quick));
    part(Part::Ports, &mut || ports::run(&mut entrants, options.quick));
    let mut failures = Vec::new();
    part(Part::Tls, &mut || tls::run(options.quick, &mut failures));
    part(Part::Core, &mut || core::run(options.quick));
    failures.extend(entrants.failures());
    report.failures(failures);

    let text = report.markdown();
    println!("{text}");
    if let Some(file) = &options.markdown {
        std::fs::write(file, &text).with_context(|| format!("writing {}", file.display()))?;
    }
    // A part that cannot run must not cost what the others have measured.
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(())
}

/// The programs that are compared. The limit is the first of them.
struct Entrants {
    list: Vec<Entrant>,
}

impl Entrants {
    fn names(&self) -> Vec<&'static str> {
        self.list.iter().map(|entrant| entrant.program.name()).collect()
    }

    /// The order of turns in a round: every other round runs backwards, so that nobody always comes after the same one.
    fn turns(&self, round: usize) -> Vec<usize> {
        let forwards = 0..self.list.len();
        if round.is_multiple_of(2) { forwards.collect() } else { forwards.rev().collect() }
    }

    fn failures(&self) -> Vec<String> {
        self.list.iter().flat_map(Entrant::failures).collect()
    }
}
