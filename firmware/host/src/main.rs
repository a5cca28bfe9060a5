//! What `cargo xtask firmware` does once the images are built.

#![forbid(unsafe_code)]

mod verbs;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask firmware", bin_name = "cargo xtask firmware")]
enum Verb {
    /// Run an image in QEMU, with a pty or this terminal as its UART, and print its log
    Run(verbs::run::Options),
    /// What the images cost, against firmware/budget.txt
    Size(verbs::size::Options),
    /// Run the images against real peers
    Test(verbs::test::Options),
}

fn main() -> ExitCode {
    let done = match Verb::parse() {
        Verb::Run(options) => verbs::run::run(&options),
        Verb::Size(options) => verbs::size::run(&options),
        Verb::Test(options) => verbs::test::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfirmware: {error:#}");
            ExitCode::FAILURE
        }
    }
}
