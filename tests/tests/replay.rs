//! Every scenario, recorded: its trace replays, and the scenario that is made of the trace runs on the core, too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Failed, Trial};
use uartbridge_tests::program::build;
use uartbridge_tests::scenario::Scenario;
use uartbridge_tests::sim::{Profile, SimWorld};
use uartbridge_tests::tls::{Calendar, Credentials};
use uartbridge_tests::{CoreBridge, Driver, Library, Paper, Settings, parse, run, settings};

/// What a scenario is recorded with, and what its copy runs with.
const RECORDED: Profile = Profile { segment: 536, loss: 0, chunk: 300 };
const COPIES: [Profile; 2] =
    [Profile { segment: 1460, loss: 0, chunk: 65_536 }, Profile { segment: 16, loss: 0, chunk: 7 }];
const SEED: u64 = 5;

fn main() {
    let library: &'static Library = match Library::load() {
        Ok(library) => Box::leak(Box::new(library)),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let mut trials = Vec::new();
    for scenario in &library.scenarios {
        if library.unsupported(Driver::Core, &scenario.name).is_some() {
            continue;
        }
        for (kind, content) in [("bytes", true), ("lengths", false)] {
            let name = format!("{kind}::{}", scenario.name);
            trials.push(Trial::test(name, move || copies(scenario, content)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn copies(scenario: &Scenario, content: bool) -> Result<(), Failed> {
    let made = settings(scenario)?;
    let trace = record(scenario, made, content)?;
    if trace.is_empty() {
        // It is about a bridge that does not start.
        return Ok(());
    }
    let folder = Folder::new(&format!("{}-{content}", scenario.name))?;
    let (file, copy) = (folder.0.join("trace"), folder.0.join("copy.scn"));
    std::fs::write(&file, trace)?;
    let told = replay(&file, &copy)?;
    let text = std::fs::read_to_string(&copy)?;
    let shown = |problem: &dyn core::fmt::Display| format!("{problem}\n{told}\n{text}");
    let copy = parse("copy.scn", &text).map_err(|error| shown(&error))?;
    same(&settings(&copy)?, &made, content).map_err(|problem| shown(&problem))?;
    for profile in COPIES {
        let seed = u32::try_from(SEED)?;
        let settings = settings(&copy)?;
        let make = move || CoreBridge::new(settings, seed, profile.chunk, None);
        let mut world = SimWorld::new(&copy, profile, SEED, None, make);
        run(&copy, &mut world).map_err(|failure| shown(&failure))?;
    }
    Ok(())
}

/// The trace of a run of the core.
fn record(scenario: &Scenario, made: Settings, content: bool) -> Result<Vec<u8>, Failed> {
    let credentials = |tls| Credentials::new(tls, "peer.test", false, Calendar::by_hand()).map(Arc::new);
    let credentials = scenario.tls.as_ref().map(credentials).transpose()?;
    let (paper, own) = (Paper::default(), credentials.clone());
    let to = paper.clone();
    let make = move || {
        let bridge = CoreBridge::new(made, 1, RECORDED.chunk, own.clone())?;
        Ok(bridge.record(to.clone(), content))
    };
    let mut world = SimWorld::new(scenario, RECORDED, SEED, credentials, make);
    run(scenario, &mut world).map_err(|failure| failure.to_string())?;
    Ok(paper.bytes())
}

/// Without bytes, greeting and heartbeat have their lengths.
fn same(copy: &Settings, made: &Settings, content: bool) -> Result<(), String> {
    let (mut copied, mut config) = (copy.config, made.config);
    if !content {
        for config in [&mut copied, &mut config] {
            config.greeting = &[0; 64][..config.greeting.len()];
            config.heartbeat.bytes = &[0; 64][..config.heartbeat.bytes.len()];
        }
    }
    if config.heartbeat.bytes.is_empty() {
        // Never looked at.
        copied.heartbeat.after = config.heartbeat.after;
    }
    let same = (copied, copy.up, copy.down) == (config, made.up, made.down);
    if same { Ok(()) } else { Err(format!("other settings: {copied:?} instead of {config:?}")) }
}

/// What `uartbridge replay` tells of a trace of which it makes a scenario.
fn replay(trace: &Path, copy: &Path) -> Result<String, Failed> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    let program = PROGRAM.as_ref().map_err(|error| error.clone())?;
    let output = Command::new(program).arg("replay").arg(trace).arg("--scenario").arg(copy).output()?;
    let told = String::from_utf8(output.stdout)?;
    if output.status.success() && told.contains("every action is the recorded one") {
        return Ok(told);
    }
    Err(format!("{}: {told}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("uartbridge-replay-{}-{name}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
