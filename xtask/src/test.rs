//! `cargo xtask test`: everything CI runs.

use std::path::Path;

use anyhow::Result;

use crate::setup::{self, By};
use crate::step::{self, Steps, cargo};
use crate::tidy;

/// The target on which the core is checked to need no operating system, where it is installed: the EC618's core.
const BARE_TARGET: &str = "thumbv7m-none-eabi";

/// Runs every check, the quick ones first.
///
/// # Errors
/// The first step that fails, with the command to repeat it.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.step("setup", || setup::run_for(By::Tests))?;
    steps.command("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    steps.step("tidy", tidy::run)?;
    steps.command(
        "lints",
        &mut cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
    )?;
    steps.command(
        "documentation",
        cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    steps.step("the core without an operating system", bare_core)?;
    steps.command("tests", &mut cargo(&["test", "--workspace"]))?;
    steps.summary();
    Ok(())
}

fn bare_core() -> Result<()> {
    let sysroot = step::output(std::process::Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(BARE_TARGET).join("lib");
    if !library.is_dir() {
        println!("skipped: no {BARE_TARGET} here; `rustup target add {BARE_TARGET}` brings it");
        return Ok(());
    }
    step::run(&mut cargo(&["build", "--package", "uartbridge-core", "--target", BARE_TARGET]))
}
