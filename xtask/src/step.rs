//! Running other programs, so that a failure says how to repeat it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The steps of a task, with their times.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs `step` under a header.
    ///
    /// # Errors
    /// What the step returns.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name}");
        let start = Instant::now();
        step().with_context(|| format!("step \"{name}\" failed"))?;
        self.done.push((name.to_owned(), start.elapsed()));
        Ok(())
    }

    /// Runs a command under a header.
    ///
    /// # Errors
    /// The command that failed, ready to be typed again.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || run(command))
    }

    /// One line a step.
    pub(crate) fn summary(&self) {
        println!("\n=== passed");
        for (name, time) in &self.done {
            println!("{:>7.1} s  {name}", time.as_secs_f64());
        }
    }
}

/// Cargo, in the root of the workspace, where every relative path of a task starts.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo puts what it builds: this program lies in `TARGET/debug/`.
///
/// # Errors
/// The program's own path is unknown.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("path of xtask itself")?;
    let dir = exe.parent().and_then(Path::parent);
    Ok(dir.context("xtask does not lie in a target directory")?.to_owned())
}

/// Runs a command that prints for itself.
///
/// # Errors
/// The command that failed, ready to be typed again.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = typed(command);
    let status = command.status().with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("{status}; to repeat it: {line}");
    }
    Ok(())
}

/// Runs a command and returns what it printed.
///
/// # Errors
/// The command that failed, with what it said on stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = typed(command);
    let output = command.output().with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!(
            "{}; to repeat it: {line}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person types it in the root of the workspace.
fn typed(command: &Command) -> String {
    let shown = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.contains([' ', '"', '*', '$']) { format!("'{word}'") } else { word.into_owned() }
    };
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), shown(value)))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(shown);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_how_to_repeat_it() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"]).env("A", "b c")).expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("to repeat it: A='b c' sh -c 'exit 3'"), "{text}");
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("Cargo.lock").exists());
    }
}
