//! The mutations that are kept, as `tests/mutations.toml` lists them.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::step;

/// Where the core's sources are, from the root of the workspace.
const SOURCES: &str = "crates/bridge-core/src";

/// A change of the core that breaks a promise.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Mutation {
    pub(super) name: String,
    /// The promise that it breaks, for whoever reads the list.
    #[serde(rename = "breaks")]
    _breaks: String,
    /// Under [`SOURCES`].
    file: String,
    /// What stands there, exactly once.
    old: String,
    /// What takes its place.
    new: String,
    pub(super) caught_by: Check,
}

/// What must fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Check {
    /// A case of the model.
    Model(String),
    /// A test of the core: the file under its `tests`, or `lib`, and the test's name.
    Test { target: String, name: String },
}

impl TryFrom<String> for Check {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            Some(("model", case)) => Ok(Self::Model(case.to_owned())),
            Some((target, name)) => Ok(Self::Test { target: target.to_owned(), name: name.to_owned() }),
            None => Err(format!("`{text}`: expected `model CASE`, or the file of a test and its name")),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(case) => write!(f, "model {case}"),
            Self::Test { target, name } => write!(f, "{target} {name}"),
        }
    }
}

impl Check {
    /// For cargo: what to build.
    pub(super) fn build(&self) -> Vec<&str> {
        match self {
            Self::Model(_) => vec!["build", "--profile", "model", "--package", "uartbridge-model"],
            Self::Test { target, .. } if target == "lib" => {
                vec!["test", "--no-run", "--package", "uartbridge-core", "--lib"]
            }
            Self::Test { target, .. } => {
                vec!["test", "--no-run", "--package", "uartbridge-core", "--test", target]
            }
        }
    }

    /// For the program that was built.
    pub(super) fn arguments(&self) -> [&str; 2] {
        match self {
            Self::Model(case) => ["--quiet", case],
            Self::Test { name, .. } => ["--exact", name],
        }
    }

    /// The exit code that says that something is wrong with the core.
    pub(super) fn failure(&self) -> i32 {
        match self {
            Self::Model(_) => 1,
            Self::Test { .. } => 101,
        }
    }
}

impl Mutation {
    pub(super) fn file(&self) -> PathBuf {
        PathBuf::from(SOURCES).join(&self.file)
    }

    /// The file's text with the change in it.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            n => bail!(
                "mutation {}: its text stands {n} times in {}, and must once: bring tests/mutations.toml up to date\n{}",
                self.name,
                self.file().display(),
                self.old
            ),
        }
    }
}

/// Those that `names` name; without any, all. Each fits the core's text.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Mutation>> {
    #[derive(Deserialize)]
    struct File {
        mutation: Vec<Mutation>,
    }
    let path = step::root().join("tests/mutations.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let File { mutation: all } = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for mutation in &all {
        mutation.apply(&fs::read_to_string(step::root().join(mutation.file())).with_context(|| {
            format!("mutation {}: reading {}", mutation.name, mutation.file().display())
        })?)?;
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|mutation| mutation.name != **name)) {
        let known: Vec<_> = all.iter().map(|mutation| mutation.name.as_str()).collect();
        bail!("there is no mutation \"{name}\"; there are: {}", known.join(", "));
    }
    Ok(all.into_iter().filter(|mutation| names.is_empty() || names.contains(&mutation.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(old: &str) -> Mutation {
        Mutation {
            name: "m".to_owned(),
            _breaks: String::new(),
            file: "ring.rs".to_owned(),
            old: old.to_owned(),
            new: "X".to_owned(),
            caught_by: Check::Model("stream".to_owned()),
        }
    }

    #[test]
    fn every_mutation_that_is_kept_fits_the_core_and_has_a_name_of_its_own() {
        let all = chosen(&[]).expect("the list fits");
        let mut names: Vec<_> = all.iter().map(|mutation| &mutation.name).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn a_text_that_stands_nowhere_or_twice_is_an_error() {
        assert_eq!(mutation("b").apply("abc").expect("once"), "aXc");
        assert!(mutation("d").apply("abc").is_err());
        assert!(mutation("a").apply("aba").is_err());
    }

    #[test]
    fn a_check_is_a_case_or_a_test() {
        let check = |text: &str| Check::try_from(text.to_owned());
        assert_eq!(check("model stop"), Ok(Check::Model("stop".to_owned())));
        let test = Check::Test { target: "rules".to_owned(), name: "a::b".to_owned() };
        assert_eq!(check("rules a::b"), Ok(test));
        assert!(check("model").is_err());
    }
}
