//! `cargo xtask web`: the bridge in a browser.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::setup::{self, By};
use crate::step::{self, cargo};

/// What can be done with it.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the tests in Chromium, with real Web Serial on ptys
    Test(Filter),
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
        Verb::Test(filter) => {
            setup::run_for(By::Tests)?;
            test(filter.name.as_deref())
        }
    }
}

/// Runs those of the tests in Chromium whose names contain `name`, or all.
///
/// # Errors
/// Something is missing, or a test fails.
pub(crate) fn test(name: Option<&str>) -> Result<()> {
    let browser = setup::find(BROWSER).context("there is no chromium; `cargo xtask setup` installs it")?;
    let mut tests = cargo(&["test", "--package", "uartbridge-tests", "--test", "browser", "--"]);
    // With it named, whatever the tests need and do not find is an error.
    step::run(tests.args(name).env("UARTBRIDGE_BROWSER", browser))
}

/// The browser's program.
const BROWSER: &str = "chromium";
