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
/// For sockets, logs and links; its name comes from outside, where process ids tell runs apart.
const FOLDER: &str = "UARTBRIDGE_FAULTS_FOLDER";

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

/// Goes on in the peer's namespace, where it may also mount what nobody else sees, and which nothing that it has started
/// outlives.
fn outside() -> Done {
    if !rustix::process::geteuid().is_root() {
        return Err("faults: needs root, to make network namespaces with a veth between them".into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = std::env::temp_dir().join(format!("uartbridge-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    unshare.arg(own).args(std::env::args_os().skip(1)).env(INSIDE, program::build()?).env(FOLDER, &folder);
    let status = unshare.status().map_err(|error| format!("unshare: {error}"))?;
    // Left behind in /tmp it harms nobody.
    let _ = std::fs::remove_dir_all(&folder);
    if status.success() { Ok(()) } else { Err(format!("faults: {status}")) }
}

fn run(program: &Path, full: bool) -> Done {
    let relay = PathBuf::from(env!("CARGO_BIN_EXE_tutorial-relay"));
    let suite = Suite { program: program.to_owned(), relay, full };
    let net = Net::new(std::env::var_os(FOLDER).ok_or("no folder")?.into())?;
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
