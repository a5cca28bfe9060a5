//! The program `uartbridge`.

mod cli;
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
