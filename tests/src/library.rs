//! The scenario files, and what is known about them: which driver cannot run which, and what the tutorial's bridge
//! makes of them.

use std::path::{Path, PathBuf};

use crate::parse::parse;
use crate::scenario::Scenario;

/// Who can run scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The core, in virtual time.
    Core,
    /// The Linux program, on a real pty and real sockets.
    Program,
    /// The firmware, on a board that QEMU plays.
    Firmware,
    /// A page in Chromium, with real Web Serial on a pty, through `uartbridge serve`.
    Browser,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Core, Self::Program, Self::Firmware, Self::Browser];

    /// As in the data files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Program => "program",
            Self::Firmware => "firmware",
            Self::Browser => "browser",
        }
    }
}

/// What the tutorial's bridge makes of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs through.
    Passes,
    /// It fails with a message that contains this.
    Fails(String),
}

/// Everything in `tests/scenarios`.
#[derive(Clone, Debug)]
pub struct Library {
    /// In the order of their names.
    pub scenarios: Vec<Scenario>,
    unsupported: Vec<(String, String, String)>,
    tutorial: Vec<(String, Verdict)>,
}

impl Library {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or the first line that makes no sense, as `file:line: what`.
    pub fn load() -> Result<Self, String> {
        let folder = folder();
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "scn"));
        files.sort();
        let read_one = |path: &PathBuf| {
            let name = format!("scenarios/{}", path.file_name().unwrap_or_default().to_string_lossy());
            parse(&name, &read(path)?).map_err(|error| error.to_string())
        };
        let scenarios = files.iter().map(read_one).collect::<Result<Vec<_>, _>>()?;
        let library = Self {
            unsupported: rows(&folder.join("UNSUPPORTED"))?,
            tutorial: rows(&folder.join("TUTORIAL"))?
                .into_iter()
                .map(|(name, verdict, why)| Ok((name, self::verdict(&verdict, why)?)))
                .collect::<Result<_, String>>()?,
            scenarios,
        };
        library.check()
    }

    /// Why `driver` cannot run `scenario`, if it cannot.
    pub fn unsupported(&self, driver: Driver, scenario: &str) -> Option<&str> {
        let row = self.unsupported.iter().find(|(name, by, _)| covers(name, scenario) && by == driver.name());
        row.map(|(_, _, reason)| reason.as_str())
    }

    /// What the tutorial's bridge makes of `scenario`, if that is listed.
    pub fn tutorial(&self, scenario: &str) -> Option<&Verdict> {
        self.tutorial.iter().find(|(name, _)| name == scenario).map(|(_, verdict)| verdict)
    }

    /// Scenario by scenario what it proves, who runs it, and why not.
    pub fn table(&self) -> String {
        let width = self.scenarios.iter().map(|s| s.name.len()).max().unwrap_or(0);
        let mut table =
            format!("{:width$}  core  program  firmware  browser  tutorial  proves\n", "scenario");
        let mut notes = String::new();
        for scenario in &self.scenarios {
            let runs = |driver| if self.unsupported(driver, &scenario.name).is_some() { "-" } else { "yes" };
            let tutorial = match self.tutorial(&scenario.name) {
                Some(Verdict::Passes) => "passes",
                Some(Verdict::Fails(_)) => "fails",
                None => "",
            };
            let proves: Vec<_> = scenario.proves.iter().map(ToString::to_string).collect();
            table += &format!(
                "{:width$}  {:4}  {:7}  {:8}  {:7}  {:8}  {}\n",
                scenario.name,
                runs(Driver::Core),
                runs(Driver::Program),
                runs(Driver::Firmware),
                runs(Driver::Browser),
                tutorial,
                proves.join(", ")
            );
        }
        for (name, by, reason) in &self.unsupported {
            notes += &format!("{by} cannot run {name}: {reason}\n");
        }
        format!("{table}\n{notes}")
    }

    /// Data about scenarios that there are not would hide a mistake.
    fn check(self) -> Result<Self, String> {
        let listed = self.unsupported.iter().map(|(name, ..)| name);
        for name in listed.chain(self.tutorial.iter().map(|(name, _)| name)) {
            if !self.scenarios.iter().any(|scenario| covers(name, &scenario.name)) {
                return Err(format!("UNSUPPORTED or TUTORIAL names `{name}`, but there is no such scenario"));
            }
        }
        let known = |by: &str| Driver::ALL.iter().any(|driver| driver.name() == by);
        match self.unsupported.iter().find(|(_, by, _)| !known(by)) {
            Some((name, by, _)) => Err(format!("UNSUPPORTED: {name}: there is no driver `{by}`")),
            None => Ok(self),
        }
    }
}

/// Whether a row for `name` is about `scenario`: a name, or the start of some and a `*`.
fn covers(name: &str, scenario: &str) -> bool {
    name.strip_suffix('*').map_or(name == scenario, |start| scenario.starts_with(start))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lines of two words and a rest. Lines that start with `#` are comments.
fn rows(path: &Path) -> Result<Vec<(String, String, String)>, String> {
    let text = read(path)?;
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let row = |(number, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let (name, second) = (words.next(), words.next());
        let rest = words.collect::<Vec<_>>().join(" ");
        match (name, second) {
            (Some(name), Some(second)) => Ok((name.to_owned(), second.to_owned(), rest)),
            _ => Err(format!("{}:{}: expected a scenario and a word", path.display(), number + 1)),
        }
    };
    lines.map(row).collect()
}

fn verdict(word: &str, why: String) -> Result<Verdict, String> {
    match word {
        "passes" => Ok(Verdict::Passes),
        "fails" if !why.is_empty() => Ok(Verdict::Fails(why)),
        _ => {
            Err(format!("TUTORIAL: `{word} {why}`: expected `passes`, or `fails` and a part of the message"))
        }
    }
}
