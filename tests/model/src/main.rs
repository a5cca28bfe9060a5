//! Checks the cases and prints what was visited.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use uartbridge_model::{Report, all, check};

/// Checks the core exhaustively on tiny bridges
#[derive(Parser)]
struct Options {
    /// More bytes and more faults: minutes instead of seconds, and gigabytes of memory
    #[arg(long)]
    deep: bool,
    /// Stop at the first case that fails, and say nothing of those that hold
    #[arg(long)]
    quiet: bool,
    /// Cases to check; without any, all of them
    cases: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let known = all(options.deep);
    if let Some(name) = options.cases.iter().find(|name| known.iter().all(|case| case.name != **name)) {
        let names: Vec<_> = known.iter().map(|case| case.name).collect();
        eprintln!("there is no case \"{name}\"; there are: {}", names.join(" "));
        return ExitCode::from(2);
    }
    // Panics of the core are told as what broke a promise.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted: Vec<_> = known
        .into_iter()
        .filter(|case| options.cases.is_empty() || options.cases.iter().any(|name| name == case.name))
        .collect();
    if !options.quiet {
        println!("{:22}{:>10}{:>12}{:>7}{:>9}", "case", "states", "steps", "events", "seconds");
    }
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(if options.deep { 2 } else { 4 });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = check(case.clone());
                    let failed = !report.faults.is_empty();
                    if failed || !options.quiet {
                        show(&report);
                    }
                    if failed && options.quiet {
                        next.store(wanted.len(), Ordering::Relaxed);
                    }
                    reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (states, steps): (usize, usize) =
        reports.iter().fold((0, 0), |sum, report| (sum.0 + report.states, sum.1 + report.steps));
    if !options.quiet {
        println!("{:22}{states:>10}{steps:>12}", "all");
    }
    if reports.iter().all(|report| report.faults.is_empty()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(report: &Report) {
    let (name, took) = (report.name, report.took.as_secs_f64());
    let end = if report.whole { "all" } else { "limit" };
    println!("{name:22}{:>10}{:>12}{:>7}{took:>9.1}  {end}", report.states, report.steps, report.depth);
    for fault in &report.faults {
        println!("  {fault}");
    }
}
