//! `cargo xtask test`: everything CI runs.

use anyhow::Result;

use crate::setup::{self, By};
use crate::step::{self, Steps, cargo};
use crate::{firmware, soak, supply, target, tidy, web};

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
    // Without the program there is the library alone: what only the program needs must not be missed, or left over.
    steps.command(
        "lints of the library without the program",
        &mut cargo(&[
            "clippy",
            "--package",
            "uartbridge",
            "--no-default-features",
            "--lib",
            "--tests",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    steps.command(
        "documentation",
        cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    )?;
    steps.step("what comes in and goes out", supply::run)?;
    steps.step("the core without an operating system", target::build_core)?;
    steps.step("the core, in every order of events", || model(false))?;
    steps.step("firmware: lints", firmware::lint)?;
    steps.step("firmware: images", firmware::build)?;
    steps.step("firmware: examples for real boards", firmware::examples)?;
    // With their folder named, scenarios without images are an error.
    steps.command("tests", cargo(&["test", "--workspace"]).env("UARTBRIDGE_IMAGES", firmware::images()?))?;
    steps.step("firmware: what it costs", || firmware::host("size", &[]))?;
    steps.step("firmware in QEMU", || firmware::host("test", &[]))?;
    steps.step("web: the bridge, and tests in Chromium", || web::test(None))?;
    // With how long they may take, missing rights are an error.
    steps.step("faults of a real network", || soak::faults(true))?;
    steps.step("a short soak", || soak::run(&soak::Options::SHORT))?;
    steps.summary();
    Ok(())
}

/// Visits every state of tiny bridges, or of somewhat larger ones.
///
/// # Errors
/// A promise is broken: with the shortest way there.
pub(crate) fn model(deep: bool) -> Result<()> {
    let mut run = cargo(&["run", "--quiet", "--profile", "model", "--package", "uartbridge-model", "--"]);
    step::run(run.args(deep.then_some("--deep")))
}
