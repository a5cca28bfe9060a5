//! Tests in Chromium, all in one browser, in a place of its own.

mod bare;
mod bench;
mod embedded;
mod exact;
mod hidden;
mod outages;
mod page;
mod person;
mod pictures;
mod refused;
mod scenarios;
mod sealed;
mod sending;
mod serial;
mod traces;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use uartbridge_tests::browser::space::{self, Space};
use uartbridge_tests::browser::{Chromium, Files, Serve};
use uartbridge_tests::program::build;

/// Names the browser, and makes it an error if there is something that the tests need and do not find.
const BROWSER: &str = "UARTBRIDGE_BROWSER";
/// Where everything lies that is made on the way.
const FOLDER: &str = "UARTBRIDGE_BROWSER_FOLDER";
/// Measures in so many rounds, instead of testing.
const ROUNDS: &str = "UARTBRIDGE_BROWSER_BENCH";
/// Names a folder for pictures of the page, to be taken instead of testing.
const PICTURES: &str = "UARTBRIDGE_BROWSER_PICTURES";
/// Real worlds mostly wait: there may be more of them than processors.
const THREADS: usize = 8;
/// Those through which a stream goes as fast as it can come after them, so that nobody waits for them.
const BUSY: usize = 2;
/// How long something may take that takes a moment.
const SOON: Duration = Duration::from_secs(30);
/// Where pages come from that are no part of the program.
const FILES: u16 = 8000;
/// Where the page's own tests come from.
const MODULES: u16 = 8002;
/// Where the program's page and relay are.
const SERVE: u16 = 8001;
/// The same of tests that stop it; up to the end of [`space::ORIGINS`].
const OWN_SERVES: u16 = 8032;

fn main() -> ExitCode {
    let Some(browser) = std::env::var_os(BROWSER).map(PathBuf::from) else {
        println!(
            "left out: `cargo xtask web test` runs these, with what they need; {BROWSER} names the browser"
        );
        return ExitCode::SUCCESS;
    };
    let done = match std::env::var_os(FOLDER) {
        Some(folder) if space::is_inside() => run(&browser, Path::new(&folder)),
        Some(_) | None => outside(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Goes on in a place of its own, and clears up when that is gone.
fn outside() -> Result<bool, String> {
    let folder = std::env::temp_dir().join(format!("uartbridge-browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let ended = space::enter(&[(FOLDER, &folder)]);
    // A folder left behind in /tmp harms nobody.
    let _ = std::fs::remove_dir_all(&folder);
    ended.map(|status| status.success())
}

/// Whether all tests have passed.
fn run(browser: &Path, folder: &Path) -> Result<bool, String> {
    let space = Space::furnish(folder)?;
    let place = Place(Arc::new(Parts {
        chromium: Chromium::start(browser, space.folder())?,
        files: Files::serve(Path::new(env!("CARGO_MANIFEST_DIR")), FILES)
            .map_err(|error| format!("port {FILES}: {error}"))?,
        modules: Files::serve(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/page"), MODULES)
            .map_err(|error| format!("port {MODULES}: {error}"))?,
        serve: Serve::start(&build()?, SERVE)?,
    }));
    if let Some(rounds) = std::env::var_os(ROUNDS) {
        let rounds = rounds.to_str().and_then(|rounds| rounds.parse().ok());
        let rounds = rounds.filter(|rounds| *rounds > 0).ok_or_else(|| format!("{ROUNDS} is a count"))?;
        return bench::run(&place, rounds).map(|()| true);
    }
    if let Some(folder) = std::env::var_os(PICTURES) {
        return pictures::run(&place, Path::new(&folder)).map(|()| true);
    }
    let mut waiting = serial::trials(&place);
    waiting.extend(page::trials(&place));
    waiting.extend(traces::trials(&place));
    waiting.extend(bare::trials(&place));
    waiting.extend(hidden::trials(&place));
    waiting.extend(person::trials(&place));
    waiting.extend(refused::trials(&place));
    waiting.extend(sending::trials(&place));
    waiting.extend(worker::trials(&place));
    waiting.extend(scenarios::trials(&place)?);
    let mut busy = sealed::trials(&place);
    busy.extend(exact::trials(&place));
    busy.extend(outages::trials(&place));
    let mut arguments = Arguments::from_args();
    let threads = arguments.test_threads;
    let mut passed = |at_once, trials| {
        arguments.test_threads = threads.or(Some(at_once));
        !libtest_mimic::run(&arguments, trials).has_failed()
    };
    let passed = [passed(THREADS, waiting), passed(BUSY, busy)];
    Ok(passed == [true; 2])
}

/// What all tests share.
#[derive(Clone, Debug)]
pub(crate) struct Place(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) chromium: Chromium,
    /// The folder of this package.
    pub(crate) files: Files,
    /// The folder of the page, with its tests.
    pub(crate) modules: Files,
    /// The program's page and relay, for whoever does not stop it.
    pub(crate) serve: Serve,
}

impl core::ops::Deref for Place {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Place {
    /// The program's page and relay, for a test alone.
    pub(crate) fn own_serve(&self) -> Result<Serve, String> {
        static NEXT: AtomicU16 = AtomicU16::new(OWN_SERVES);
        self.serve.another(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A test in this place.
    pub(crate) fn trial(&self, name: &str, test: fn(&Self) -> Result<(), Failed>) -> Trial {
        let place = self.clone();
        Trial::test(name, move || test(&place))
    }
}
