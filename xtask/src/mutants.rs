//! `cargo xtask mutants`: the test of the tests. Each change of `tests/mutations.toml` breaks a promise of the core, and
//! the check that is named beside it must fail.

mod list;
mod scratch;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use list::{Check, Mutation};
use scratch::Scratch;

use crate::step;

/// How long a check may take, in seconds: a hundred times what each needs.
const LIMIT: &str = "600";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Mutations by their names; without any, all of them
    names: Vec<String>,
}

/// Makes the changes that `options` name; before, each check must hold for the core as it is.
///
/// # Errors
/// A mutation survives, does not compile, or its text is not in the core exactly once.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mutations = list::chosen(&options.names)?;
    let scratch = Scratch::new()?;
    println!("{:48}{:>9}  caught by", "mutation", "seconds");
    let (to_check, built) = mpsc::sync_channel::<Built>(1);
    let outcomes = std::thread::scope(|scope| {
        // While one is being checked, the next is being built.
        let checking = scope.spawn(move || built.into_iter().map(Built::check).collect::<Result<Vec<_>>>());
        let building = build(&scratch, &mutations, &to_check);
        drop(to_check);
        let outcomes = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What the checks say is the reason why nobody takes what is built.
        outcomes.and_then(|outcomes| building.map(|()| outcomes))
    })?;
    let survivors: Vec<_> = outcomes.into_iter().flatten().collect();
    if !survivors.is_empty() {
        bail!("not caught: {}", survivors.join("; "));
    }
    println!("{} mutations, each caught", mutations.len());
    Ok(())
}

fn build(scratch: &Scratch, mutations: &[Mutation], to_check: &mpsc::SyncSender<Built>) -> Result<()> {
    let mut checks: Vec<_> = mutations.iter().map(|mutation| &mutation.caught_by).collect();
    checks.sort();
    checks.dedup();
    let plain = checks.into_iter().map(|check| (None, check));
    let mutated = mutations.iter().map(|mutation| (Some(mutation), &mutation.caught_by));
    for (number, (mutation, check)) in plain.chain(mutated).enumerate() {
        let start = Instant::now();
        let program = scratch.build(number, mutation, check)?;
        let name = mutation.map(|mutation| mutation.name.clone());
        let built = Built { name, check: check.clone(), program, took: start.elapsed() };
        to_check.send(built).context("checking has ended")?;
    }
    Ok(())
}

/// A check, built with a mutation.
struct Built {
    /// The mutation's name; the core as it is has none.
    name: Option<String>,
    check: Check,
    program: PathBuf,
    took: Duration,
}

impl Built {
    /// Runs the check. Returns what is to be told if it does not do what it should.
    fn check(self) -> Result<Option<String>> {
        let start = Instant::now();
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(&self.program).args(self.check.arguments());
        // There, what a failing test leaves behind is swept away.
        command.current_dir(self.program.parent().unwrap_or(step::root()));
        let output = command.stdin(Stdio::null()).output().context("running timeout (coreutils)")?;
        std::fs::remove_file(&self.program)?;
        let name = self.name.as_deref().unwrap_or("(none)");
        let failed = match output.status.code() {
            Some(0) => false,
            Some(code) if code == self.check.failure() => true,
            Some(_) | None => bail!(
                "{name}: `{}` has not decided: {}\n{}",
                self.check,
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            ),
        };
        let seconds = (self.took + start.elapsed()).as_secs_f64();
        let verdict = match (&self.name, failed) {
            (Some(_), true) => self.check.to_string(),
            (None, false) => format!("{} holds", self.check),
            (Some(_), false) => format!("SURVIVES {}", self.check),
            (None, true) => format!("{} FAILS", self.check),
        };
        println!("{name:48}{seconds:>9.1}  {verdict}");
        let right = failed == self.name.is_some();
        Ok((!right).then(|| format!("{name} ({})", self.check)))
    }
}
