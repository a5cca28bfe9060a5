//! Long runs: `cargo xtask soak`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uartbridge_tests::program::build;
use uartbridge_tests::soak::{FAULTS, Totals, Who, real, run, table};

const USAGE: &str = "usage: soak virtual [--short | --seed N], or soak real SECONDS [--seed N]";
/// What a whole soak carries and suffers at least, and a short one.
const WHOLE: Goal = Goal { bytes: 1_000_000_000, faults: 100_000 };
const SHORT: Goal = Goal { bytes: 500_000, faults: 80 };

#[derive(Clone, Copy)]
struct Goal {
    bytes: u64,
    faults: u64,
}

impl Goal {
    /// Faults of one run.
    fn each(self) -> u64 {
        FAULTS.min(self.faults / 2)
    }

    /// Runs of the tutorial's bridge, to compare with.
    fn tutorials(self) -> u64 {
        self.faults.div_ceil(10 * self.each())
    }
}

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let short = words.iter().any(|word| word == "--short");
    let seed = words.iter().position(|word| word == "--seed").map(|at| {
        let number = words.get(at + 1).and_then(|word| word.parse().ok());
        number.ok_or_else(|| format!("--seed wants a number; {USAGE}"))
    });
    match (words.first().map(String::as_str), seed.transpose()?) {
        (Some("virtual"), Some(seed)) => one(seed),
        (Some("virtual"), None) => many(if short { SHORT } else { WHOLE }),
        (Some("real"), seed) => {
            let seconds = words.get(1).and_then(|word| word.parse().ok()).ok_or(USAGE)?;
            let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
            println!("seed {seed}\n");
            println!("{}", real(&build()?, Duration::from_secs(seconds), seed)?);
            Ok(())
        }
        (Some(_) | None, _) => Err(USAGE.into()),
    }
}

/// The run of one seed again.
fn one(seed: u64) -> Result<(), String> {
    println!("{}", table(&[("uartbridge", run(Who::Core, seed, FAULTS)?)]));
    Ok(())
}

/// One seed after another, on every processor, until all is carried and suffered.
fn many(goal: Goal) -> Result<(), String> {
    let started = Instant::now();
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Ok(Totals::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) && !reached(&sum, goal) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let run = run(Who::Core, seed, goal.each());
                    let mut sum = sum.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    match (&mut *sum, run) {
                        (Ok(sum), Ok(totals)) => sum.add(&totals),
                        (Ok(_), Err(error)) => {
                            failed.store(true, Ordering::Relaxed);
                            *sum = Err(format!(
                                "seed {seed}: {error}\nto repeat it: cargo xtask soak --seed {seed}"
                            ));
                        }
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())?;
    let took = started.elapsed();
    let mut tutorial = Totals::default();
    for seed in 0..goal.tutorials() {
        tutorial.add(&run(Who::Tutorial, seed, goal.each())?);
    }
    println!("seeds 0 to {}, {:.0} s on {threads} threads\n", next.into_inner() - 1, took.as_secs_f64());
    println!("{}", table(&[("uartbridge", sum), ("the tutorial's bridge", tutorial)]));
    Ok(())
}

fn reached(sum: &Mutex<Result<Totals, String>>, goal: Goal) -> bool {
    let sum = sum.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    sum.as_ref().is_ok_and(|sum| sum.carried() >= goal.bytes && sum.fault_count() >= goal.faults)
}
