//! `uartbridge replay`: what a trace tells, whether the bridge does the same again, and other files made of it.

mod capture;
mod guess;
mod headers;
mod output;
mod pcapng;
mod player;
mod scenario;
mod source;
mod stamps;
mod story;

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use uartbridge_trace::{BadTrace, CORE_VERSION, Difference, Setup, Trace, Wrong};

use super::exit;
use capture::Capture;
use output::Output;
use player::{Run, Step};
use scenario::Scenario;
use story::Story;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// A trace, or a dump of memory with a ring in it.
    pub(crate) file: PathBuf,
    /// Tell every event and action.
    pub(crate) verbose: bool,
    /// Both sides as packets.
    pub(crate) pcapng: Option<PathBuf>,
    /// What happened, to be done to a bridge in tests.
    pub(crate) scenario: Option<PathBuf>,
    /// Replace files that are there.
    pub(crate) force: bool,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{}: cannot read: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: empty; the bridge that was to write it has not begun, or had no room on the disk", .path.display())]
    Empty { path: PathBuf },
    #[error("{}: {bad}{}", .path.display(), advice(.bad.what))]
    Bad { path: PathBuf, bad: BadTrace },
    #[error("{}: a dump with the beginning of a ring, but not with all of it; dump as much as the ring's memory has", .path.display())]
    CutRing { path: PathBuf },
    #[error("{}: damaged: its settings cannot work: {problem}", .path.display())]
    Settings { path: PathBuf, problem: String },
    #[error("{}: there is a file already; --force replaces it", .path.display())]
    Exists { path: PathBuf },
    #[error("{}: cannot write: {error}; name a file in a directory that is yours and has room", .path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("--scenario: this bridge had {peers} peers, and a scenario has words for three at most")]
    ManyPeers { peers: u8 },
}

impl Refusal {
    const fn code(&self) -> u8 {
        match self {
            Self::Unreadable { .. } => exit::NO_INPUT,
            Self::Empty { .. }
            | Self::Bad { .. }
            | Self::CutRing { .. }
            | Self::Settings { .. }
            | Self::ManyPeers { .. } => exit::DATA,
            Self::Exists { .. } | Self::Unwritable { .. } => exit::CANNOT_CREATE,
        }
    }
}

/// What to do about a trace that cannot be read.
const fn advice(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::NoTrace => "; the option --trace of a bridge makes one",
        Wrong::Version(_) => "; take the version of uartbridge that recorded it, or a newer one",
        Wrong::Truncated | Wrong::Checksum | Wrong::Malformed | Wrong::Setup => "",
    }
}

/// Tells what the trace has, on standard output. The exit code says whether it is whole and the bridge does the same again.
pub(crate) fn replay(wanted: &Replay) -> ExitCode {
    let ended = source::read(&wanted.file).and_then(|bytes| tell(wanted, &bytes));
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some((code, problem))) => {
            eprintln!("error: {}: {problem}", wanted.file.display());
            ExitCode::from(code)
        }
        Err(refusal) => {
            eprintln!("error: {refusal}");
            ExitCode::from(refusal.code())
        }
    }
}

/// What is wrong with the trace, or with what the bridge does now.
type Problem = Option<(u8, String)>;

fn tell(wanted: &Replay, bytes: &[u8]) -> Result<Problem, Refusal> {
    let Trace { setup, core, records } =
        Trace::open(bytes).map_err(|bad| Refusal::Bad { path: wanted.file.clone(), bad })?;
    let mut run =
        Run::new(&setup).map_err(|problem| Refusal::Settings { path: wanted.file.clone(), problem })?;
    let mut files = Files::begin(wanted, &setup, core)?;
    let mut screen = Screen::new();
    let mut story = Story::new(&setup, core, wanted.verbose);
    screen.show(&story.begin(&wanted.file, run.unchecked()));
    let (mut different, mut damaged) = (None, None);
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(bad) => {
                damaged = Some(bad);
                break;
            }
        };
        let (step, difference) = run.step(record);
        let mut lines = story.tell(&step);
        files.take(&step, &lines)?;
        if let Some(found) = difference {
            lines.extend(story.differs(&found));
            different = Some(found);
        }
        screen.show(&lines);
    }
    screen.show(&story.end(&run, damaged.as_ref()));
    screen.show(&files.end(setup.content)?);
    Ok(problem(different, damaged, core))
}

/// What is made of the trace besides the story.
struct Files<'t> {
    wanted: &'t Replay,
    capture: Option<Capture>,
    scenario: Option<Scenario<'t>>,
}

impl<'t> Files<'t> {
    fn begin(wanted: &'t Replay, setup: &'t Setup<'t>, core: &str) -> Result<Self, Refusal> {
        let output =
            |path: &Option<PathBuf>| path.as_ref().map(|path| Output::create(path, wanted.force)).transpose();
        let (capture, scenario) = (output(&wanted.pcapng)?, output(&wanted.scenario)?);
        Ok(Self {
            wanted,
            capture: capture.map(|out| Capture::begin(out, setup)).transpose()?,
            scenario: scenario.map(|out| Scenario::begin(out, setup, core)).transpose()?,
        })
    }

    fn take(&mut self, step: &Step<'_>, lines: &[String]) -> Result<(), Refusal> {
        if let Some(scenario) = &mut self.scenario {
            scenario.take(step);
        }
        match &mut self.capture {
            Some(capture) => capture.take(step, lines).map_err(|error| capture.refusal(error)),
            None => Ok(()),
        }
    }

    /// Writes the rest, and says what there is now.
    fn end(self, content: bool) -> Result<Vec<String>, Refusal> {
        let mut lines = Vec::new();
        let file =
            |path: &Option<PathBuf>| path.as_ref().map_or(String::new(), |path| path.display().to_string());
        if let Some(capture) = self.capture {
            capture.end()?;
            let lacks =
                if content { "" } else { "; it has lengths and times only, because the trace has no bytes" };
            lines.push(format!("{}: both sides as packets, for Wireshark{lacks}", file(&self.wanted.pcapng)));
        }
        if let Some(scenario) = self.scenario {
            scenario.end()?;
            let lacks = if content {
                ""
            } else {
                "; numbered records stand for the bytes, which the trace does not have"
            };
            lines.push(format!(
                "{}: what was done to the bridge, as a scenario{lacks}",
                file(&self.wanted.scenario)
            ));
        }
        Ok(lines)
    }
}

fn problem(different: Option<Difference>, damaged: Option<BadTrace>, core: &str) -> Problem {
    match (different, damaged) {
        (Some(_), _) => {
            let why = if core == CORE_VERSION {
                "please report this, with the trace"
            } else {
                "another version recorded it"
            };
            Some((exit::DIFFERENT, format!("the bridge does not do again what it did, see above; {why}")))
        }
        (None, Some(bad)) => Some((exit::DATA, format!("{bad}; what comes before was told"))),
        (None, None) => None,
    }
}

/// Standard output, until nobody reads it any more.
struct Screen(Option<BufWriter<io::Stdout>>);

impl Screen {
    fn new() -> Self {
        Self(Some(BufWriter::new(io::stdout())))
    }

    fn show(&mut self, lines: &[String]) {
        for line in lines {
            if let Some(out) = &mut self.0
                && writeln!(out, "{line}").is_err()
            {
                self.0 = None;
            }
        }
    }
}
