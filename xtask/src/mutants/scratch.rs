//! A copy of the core and of what checks it, where mutations are made. It stays, so that the next run builds little.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::list::{Check, Mutation};
use crate::step::{self, cargo};

/// What is copied: all that the model and the core's own tests need.
const MEMBERS: [&str; 4] = ["crates/bridge-core", "crates/bridge-trace", "tests/model", "tests/reference"];

/// The copy.
pub(super) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Brings the copy up to date; what has not changed is left alone, and so is what was built of it.
    pub(super) fn new() -> Result<Self> {
        let scratch = Self { root: step::target_dir()?.join("mutants") };
        for member in MEMBERS {
            copy_dir(&step::root().join(member), &scratch.root.join(member))?;
        }
        write_new(&scratch.root.join("Cargo.toml"), workspace()?.as_bytes())?;
        let lock = scratch.root.join("Cargo.lock");
        if !lock.exists() {
            // The versions of the workspace; cargo drops those that nobody needs here.
            fs::copy(step::root().join("Cargo.lock"), lock)?;
        }
        Ok(scratch)
    }

    /// Builds `check` with `mutation` in the core. Returns a program that builds with other numbers leave alone.
    pub(super) fn build(&self, number: usize, mutation: Option<&Mutation>, check: &Check) -> Result<PathBuf> {
        let Some(mutation) = mutation else {
            return self.compile(number, check);
        };
        let file = self.root.join(mutation.file());
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        fs::write(&file, mutation.apply(&text)?)?;
        let built = self.compile(number, check);
        fs::write(&file, text)?;
        built.with_context(|| format!("mutation {}", mutation.name))
    }

    fn compile(&self, number: usize, check: &Check) -> Result<PathBuf> {
        let mut build = cargo(&check.build());
        // Not the workspace's own: cargo tells packages apart by their path from the root, which is the same there and here.
        build.current_dir(&self.root).arg("--target-dir").arg(self.root.join("target"));
        build.args(["--quiet", "--message-format", "json-render-diagnostics"]);
        let messages = step::output(&mut build)?;
        let program = messages.lines().filter_map(executable).next_back();
        let program = program.with_context(|| format!("nothing to run was built for `{check}`"))?;
        let kept = self.root.join(format!("run-{number}"));
        fs::copy(&program, &kept).with_context(|| format!("copying {program}"))?;
        Ok(kept)
    }
}

/// The program that one of cargo's messages tells of.
fn executable(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(str::to_owned)
}

/// The workspace's manifest, with the copied members alone.
fn workspace() -> Result<String> {
    let mut manifest: toml::Table = fs::read_to_string(step::root().join("Cargo.toml"))?.parse()?;
    let Some(toml::Value::Table(workspace)) = manifest.get_mut("workspace") else {
        bail!("Cargo.toml has no workspace");
    };
    workspace.insert("members".to_owned(), MEMBERS.to_vec().into());
    workspace.remove("default-members");
    workspace.remove("exclude");
    // Settings for packages that are not here.
    if let Some(toml::Value::Table(profiles)) = manifest.get_mut("profile")
        && let Some(toml::Value::Table(dev)) = profiles.get_mut("dev")
    {
        dev.remove("package");
    }
    Ok(toml::to_string(&manifest)?)
}

/// Makes `to` a copy of `from`.
fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::<OsString>::new();
    for entry in fs::read_dir(from).with_context(|| format!("listing {}", from.display()))? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_dir(&path, &copy)?;
        } else {
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            write_new(&copy, &bytes)?;
        }
        names.insert(entry.file_name());
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file unless it is that already: cargo builds anew whatever was written.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
