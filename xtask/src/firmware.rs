//! `cargo xtask firmware`: builds the images; what is then done with them, `firmware/host` does. It is a program of its
//! own, so that no other task waits for a decoder of log messages to be compiled.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::setup::{self, By};
use crate::step::{self, cargo};
use crate::target::{self, Way};

/// Where the board's workspace lies.
const BOARD: &str = "firmware/mps2-an385";
/// Examples for a board that QEMU does not play: compiled, and no more.
const EXAMPLES: &str = "firmware/stm32f107";

/// What can be done with the firmware.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build the images
    Build,
    /// Run an image in QEMU, with a pty or this terminal as its UART, and print its log; `run --help` has more
    #[command(disable_help_flag = true)]
    Run(Words),
    /// What the images cost, against firmware/budget.txt
    #[command(disable_help_flag = true)]
    Size(Words),
    /// Run the images against real peers in QEMU
    #[command(disable_help_flag = true)]
    Test(Words),
}

/// Words for `firmware/host`.
#[derive(Debug, Args)]
pub(crate) struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Does it.
///
/// # Errors
/// What could not be built, or the verb's own.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    setup::run_for(By::Tests)?;
    build()?;
    match verb {
        Verb::Build => Ok(()),
        Verb::Run(words) => host("run", &words.words),
        Verb::Size(words) => host("size", &words.words),
        Verb::Test(words) => host("test", &words.words),
    }
}

/// Builds every image.
///
/// # Errors
/// No compiler for the board, or what it says.
pub(crate) fn build() -> Result<()> {
    let folder = target_dir()?;
    let folder = folder.to_str().context("the target directory's name is not UTF-8")?;
    let flags = flags()?;
    let image = |arguments: &[&str]| {
        let common = ["--release", "--locked", "--quiet", "--target-dir", folder, "--config", &flags];
        let arguments = [&common, arguments].concat();
        step::run(&mut target::image_cargo(&step::root().join(BOARD), &arguments)?)
    };
    image(&["--bin", "plain", "--bin", "core", "--bin", "empty"])?;
    image(&["--bin", "udp", "--features", "udp"])?;
    image(&["--bin", "traced", "--features", "trace"])?;
    image(&["--bin", "tls", "--features", "tls"])
}

/// Keeps the places of panics in the images; they cost `plain` 6 KB of flash.
const LOCATIONS: &str = "UARTBRIDGE_PANIC_LOCATIONS";

/// Flags that make images small: no places of panics, and instructions that repeat are called. Where places are wanted, their
/// paths start at a crate, wherever cargo keeps it, so that an image is the same from every machine.
fn flags() -> Result<String> {
    let mut flags = vec!["-Cllvm-args=-enable-machine-outliner=always".to_owned()];
    if std::env::var_os(LOCATIONS).is_none() {
        flags.push("-Zlocation-detail=none".to_owned());
        return Ok(config(&flags));
    }
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.context("neither CARGO_HOME nor HOME is set")?.join("registry/src");
    flags.push(format!("--remap-path-prefix={}=", step::root().display()));
    // One folder a registry; none before the first download.
    for registry in std::fs::read_dir(&sources).into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}=", registry?.path().display()));
    }
    Ok(config(&flags))
}

fn config(flags: &[String]) -> String {
    format!("target.{}.rustflags={flags:?}", target::CORTEX_M3)
}

/// The board's own formatting and lints: it is a workspace of its own.
///
/// # Errors
/// What they say.
pub(crate) fn lint() -> Result<()> {
    let board = step::root().join(BOARD);
    step::run(cargo(&["fmt", "--check"]).current_dir(&board))?;
    let way = target::prepare(target::CORTEX_M3)?;
    if way == Way::Source {
        println!("skipped: clippy needs `rustup target add {}`", target::CORTEX_M3);
        return Ok(());
    }
    let folder = target_dir()?;
    let folder = folder.to_str().context("the target directory's name is not UTF-8")?;
    let arguments = [
        "--release",
        "--locked",
        "--quiet",
        "--all-features",
        "--target-dir",
        folder,
        "--",
        "-D",
        "warnings",
    ];
    step::run(&mut target::cargo(way, &board, "clippy", &arguments))
}

/// Formatting and types of the examples for real boards.
///
/// # Errors
/// What they say.
pub(crate) fn examples() -> Result<()> {
    let examples = step::root().join(EXAMPLES);
    step::run(cargo(&["fmt", "--check"]).current_dir(&examples))?;
    let folder = target_dir()?;
    let folder = folder.to_str().context("the target directory's name is not UTF-8")?;
    let arguments = ["--release", "--locked", "--quiet", "--target-dir", folder];
    step::run(&mut target::cargo(target::prepare(target::CORTEX_M3)?, &examples, "check", &arguments))
}

/// Calls `firmware/host`.
///
/// # Errors
/// The verb's own.
pub(crate) fn host(verb: &str, words: &[OsString]) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--package", "uartbridge-firmware-host", "--", verb]);
    step::run(command.args(words))
}

/// The folder of the images.
///
/// # Errors
/// The target directory is unknown.
pub(crate) fn images() -> Result<PathBuf> {
    Ok(target_dir()?.join(target::CORTEX_M3).join("release"))
}

/// Where the images come to lie; `firmware/host` looks there.
fn target_dir() -> Result<PathBuf> {
    Ok(step::target_dir()?.join("firmware"))
}
