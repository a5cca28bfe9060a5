//! Every scenario, recorded: its trace replays, and the scenario that is made of the trace runs on the core, too. Some are recorded by the
//! program, on a real pty and real sockets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use uartbridge_tests::program::{ProgramWorld, build};
use uartbridge_tests::scenario::Scenario;
use uartbridge_tests::sim::{Profile, SimWorld};
use uartbridge_tests::tls::{Calendar, Credentials};
use uartbridge_tests::{Act, CoreBridge, Driver, Library, Paper, Settings, World, parse, run, settings};

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
    for name in REAL {
        trials.push(Trial::test(format!("program::{name}"), move || real(library, name)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// What the program records. Not `s07-resets-lose-nothing`: on a fast machine it says megabytes, which a copy with segments of 16 bytes does
/// not carry within its time.
const REAL: [&str; 7] = [
    "device-unplugged-and-back",
    "failure-09-half-open-with-uplink",
    "s06-tls-mutual",
    "s07-fail-over-to-the-second-server",
    "s09-udp-datagrams-by-length",
    "server-mode-client-comes-and-goes",
    "stop-drains",
];

fn real(library: &Library, name: &str) -> Result<(), Failed> {
    let scenario = library.scenarios.iter().find(|scenario| scenario.name == name).ok_or("it has gone")?;
    let folder = Folder::new(&format!("{name}-real"))?;
    let file = folder.0.join("trace");
    let mut traced = scenario.clone();
    traced.options.push(("trace".to_owned(), file.display().to_string()));
    let mut world = ProgramWorld::new(&traced, program()?)?;
    run(scenario, &mut world).map_err(|failure| failure.to_string())?;
    // Its end writes the rest of the trace.
    let _ = world.act(&Act::Stop);
    world.wait(Duration::from_secs(30), &mut |observed| observed.finished.is_some())?;
    copy(&folder, &file).map(drop)
}

fn copies(scenario: &Scenario, content: bool) -> Result<(), Failed> {
    let made = settings(scenario)?;
    let trace = record(scenario, made, content)?;
    if trace.is_empty() {
        // It is about a bridge that does not start.
        return Ok(());
    }
    let folder = Folder::new(&format!("{}-{content}", scenario.name))?;
    let file = folder.0.join("trace");
    std::fs::write(&file, trace)?;
    let copied = copy(&folder, &file)?;
    Ok(same(&copied, &made, content)?)
}

/// The scenario that is made of a trace runs: with these settings.
fn copy(folder: &Folder, trace: &Path) -> Result<Settings, Failed> {
    let copy = folder.0.join("copy.scn");
    let told = replay(trace, &copy)?;
    let text = std::fs::read_to_string(&copy)?;
    let shown = |problem: &dyn core::fmt::Display| format!("{problem}\n{told}\n{text}");
    let copy = parse("copy.scn", &text).map_err(|error| shown(&error))?;
    for profile in COPIES {
        let seed = u32::try_from(SEED)?;
        let settings = settings(&copy)?;
        let make = move || CoreBridge::new(settings, seed, profile.chunk, None);
        let mut world = SimWorld::new(&copy, profile, SEED, None, make);
        run(&copy, &mut world).map_err(|failure| shown(&failure))?;
    }
    Ok(settings(&copy)?)
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
    let output = Command::new(program()?).arg("replay").arg(trace).arg("--scenario").arg(copy).output()?;
    let told = String::from_utf8(output.stdout)?;
    if output.status.success() && told.contains("every action is the recorded one") {
        return Ok(told);
    }
    Err(format!("{}: {told}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

fn program() -> Result<&'static Path, String> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    PROGRAM.as_deref().map_err(|error| error.clone())
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
