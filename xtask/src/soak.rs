//! `cargo xtask soak` and `cargo xtask faults`: the tests that take long, and whose figures stand in `docs/proof.md`.

use anyhow::Result;

use crate::setup::{self, By};
use crate::step::{self, Steps, cargo};

/// How long, and what of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// So many minutes of real sockets
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Seconds of both, as in CI
    #[arg(long)]
    short: bool,
    /// In virtual time, the run of this seed again and nothing else
    #[arg(long)]
    seed: Option<u64>,
}

impl Options {
    /// As in CI.
    pub(crate) const SHORT: Self = Self { minutes: 0, short: true, seed: None };
}

/// Virtual time first, then real sockets.
///
/// # Errors
/// A broken promise, with the seed that repeats it.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(seed) = options.seed {
        return step::run(soak(options.short).args(["virtual", "--seed", &seed.to_string()]));
    }
    let seconds = if options.short { 8 } else { 60 * options.minutes };
    let mut steps = Steps::default();
    let mut in_virtual_time = soak(options.short);
    in_virtual_time.arg("virtual").args(options.short.then_some("--short"));
    steps.command("in virtual time", &mut in_virtual_time)?;
    steps.command("with real sockets", soak(options.short).args(["real", &seconds.to_string()]))?;
    steps.summary();
    Ok(())
}

/// A short one takes what the tests have built.
fn soak(short: bool) -> std::process::Command {
    let mut run = cargo(&["run", "--quiet"]);
    run.args((!short).then_some("--release")).args(["--package", "uartbridge-tests", "--bin", "soak", "--"]);
    run
}

/// Every fault of a real network, in full length, with the rivals beside.
///
/// # Errors
/// A broken promise of the program's.
pub(crate) fn faults(short: bool) -> Result<()> {
    if !short {
        setup::run_for(By::Bench)?;
    }
    let mut test = cargo(&["test", "--package", "uartbridge-tests", "--test", "faults"]);
    step::run(test.env("UARTBRIDGE_FAULTS", if short { "short" } else { "full" }))
}
