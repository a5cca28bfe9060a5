//! `cargo xtask web`: the bridge in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::setup::{self, By};
use crate::step::{self, cargo};
use crate::target;

/// What can be done with it.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the bridge for browsers, which the page loads and the program then carries
    Build,
    /// Run the tests in Chromium, with real Web Serial on ptys
    Test(Filter),
    /// Take the pictures of the page that its documentation shows (docs/images)
    Pictures,
    /// Measure the bridge in Chromium beside plain JavaScript with websockify
    Bench {
        /// How often each takes its turn
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
        rounds: u16,
    },
}

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Those whose name has this in it [default: all]
    name: Option<String>,
}

/// Does it.
///
/// # Errors
/// The verb's own.
pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Build => {
            setup::run_for(By::Tests)?;
            build()
        }
        Verb::Test(filter) => {
            setup::run_for(By::Tests)?;
            test(filter.name.as_deref())
        }
        Verb::Pictures => {
            setup::run_for(By::Tests)?;
            pictures()
        }
        Verb::Bench { rounds } => {
            setup::run_for(By::Tests)?;
            bench(*rounds)
        }
    }
}

/// What a page with the bridge may take to load, gzipped, in bytes.
const MOST: u64 = 300_000;

/// Makes `crates/page/wasm`: the bridge, and JavaScript to call it.
///
/// # Errors
/// There is no compiler for wasm, something does not compile, or what comes out is larger than a page should be.
pub(crate) fn build() -> Result<()> {
    step::run(target::wasm_cargo()?.args(["--package", "uartbridge-wasm", "--profile", "web"]))?;
    let made = step::target_dir()?.join(target::WASM).join("web").join("uartbridge_wasm.wasm");
    let folder = step::root().join("crates/page/wasm");
    let glue = step::root().join("crates/adapter-wasm/glue/Cargo.toml");
    let mut bind = cargo(&["run", "--quiet", "--release", "--locked", "--manifest-path"]);
    bind.arg(glue).arg("--target-dir").arg(step::target_dir()?.join("glue"));
    step::run(bind.arg("--").args([&made, &folder]))?;
    let sizes = [("the page", step::root().join("crates/page/web")), ("the bridge", folder)];
    let mut all = 0;
    for (name, folder) in &sizes {
        let size = gzipped(folder)?;
        println!("{name}: {size} bytes gzipped");
        all += size;
    }
    if all > MOST {
        bail!("page and bridge take {all} bytes gzipped, which should be {MOST} at most");
    }
    Ok(())
}

/// The size of what is in a folder, each file gzipped as a server would.
fn gzipped(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for file in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        // Types are for editors.
        if path.is_file() && !path.to_string_lossy().ends_with(".d.ts") {
            let output =
                Command::new("gzip").args(["--best", "--stdout"]).arg(&path).output().context("gzip")?;
            size += output.stdout.len() as u64;
        }
    }
    Ok(size)
}

/// Makes the bridge, and runs those of the tests in Chromium whose names contain `name`, or all.
///
/// # Errors
/// Something is missing, or a test fails.
pub(crate) fn test(name: Option<&str>) -> Result<()> {
    build()?;
    let mut tests = cargo(&["test", "--package", "uartbridge-tests", "--test", "browser", "--"]);
    // With the browser named, whatever the tests need and do not find is an error.
    step::run(tests.args(name).env("UARTBRIDGE_BROWSER", browser()?))
}

/// Makes the bridge, and takes pictures of the page that carries it.
fn pictures() -> Result<()> {
    build()?;
    let folder = step::root().join("docs/images");
    let mut camera = cargo(&["test", "--package", "uartbridge-tests", "--test", "browser"]);
    step::run(camera.env("UARTBRIDGE_BROWSER", browser()?).env("UARTBRIDGE_BROWSER_PICTURES", folder))
}

/// Makes the bridge, and prints what it does beside others.
fn bench(rounds: u16) -> Result<()> {
    build()?;
    let mut bench = cargo(&["test", "--release", "--package", "uartbridge-tests", "--test", "browser"]);
    bench.env("UARTBRIDGE_BROWSER", browser()?).env("UARTBRIDGE_BROWSER_BENCH", rounds.to_string());
    step::run(&mut bench)
}

fn browser() -> Result<PathBuf> {
    setup::find(BROWSER).context("there is no chromium; `cargo xtask setup` installs it")
}

/// The browser's program.
const BROWSER: &str = "chromium";
