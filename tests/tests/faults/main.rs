//! Faults of a real kernel: programs in one network namespace, their servers in another, both sides talking all the
//! while. Prints a table; fails if uartbridge loses, damages or swaps a byte, or if one arrives twice that it did not
//! count as sent again. In full length, rivals suffer the same faults at the same time, for comparison.

mod forwarder;
mod net;
mod rows;
mod run;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use uartbridge_tests::program;

use net::Net;
use rows::ROWS;
use run::Run;

/// `short` or `full`; without it nothing is run.
const LENGTH: &str = "UARTBRIDGE_FAULTS";
/// Set in the peer's namespace.
const INSIDE: &str = "UARTBRIDGE_FAULTS_PROGRAM";

type Done = Result<(), String>;

/// What runs, and for how long.
pub(crate) struct Suite {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// What the tutorial's script does, as a program.
    pub(crate) relay: PathBuf,
    /// In full length, with rivals.
    pub(crate) full: bool,
}

fn main() -> ExitCode {
    let Some(length) = std::env::var_os(LENGTH) else {
        println!("left out: set {LENGTH} to short or full (needs root)");
        return ExitCode::SUCCESS;
    };
    let done = match std::env::var_os(INSIDE) {
        Some(program) => run(Path::new(&program), length == "full"),
        None => outside(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Goes on in the peer's namespace, where it may also mount what nobody else sees.
fn outside() -> Done {
    if !rustix::process::geteuid().is_root() {
        return Err("faults: needs root, to make network namespaces with a veth between them".into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--"]).arg(own).args(std::env::args_os().skip(1));
    let status =
        unshare.env(INSIDE, program::build()?).status().map_err(|error| format!("unshare: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("faults: {status}")) }
}

fn run(program: &Path, full: bool) -> Done {
    let relay = PathBuf::from(env!("CARGO_BIN_EXE_tutorial-relay"));
    let suite = Suite { program: program.to_owned(), relay, full };
    let net = Net::new()?;
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("{}", run::HEADER);
    let mut failed = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&wanted)) {
        if let Err(error) = Run::new(&net, &suite, row).and_then(|mut run| run.fault(row)) {
            failed.push(format!("{}: {error}", row.name));
        }
        net.ordinary()?;
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
