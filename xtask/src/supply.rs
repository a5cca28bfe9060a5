//! `cargo xtask supply`: what comes from others, and whether others can take what is ours: licences, banned and doubled
//! crates, the oldest compiler that is promised, and packages that build outside the workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{self, cargo};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// All of it.
///
/// # Errors
/// The first thing that does not hold, with the command to repeat it.
pub(crate) fn run() -> Result<()> {
    deny()?;
    oldest_compilers()?;
    packages()
}

/// Holds all dependencies to `deny.toml`. Known weaknesses are not looked up: that list is on the network, and changes
/// while the code does not (`cargo deny check advisories`).
fn deny() -> Result<()> {
    let tool = installed_deny()?;
    let mut check = Command::new(tool);
    check.current_dir(step::root()).args([
        "--workspace",
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    step::run(&mut check)
}

/// cargo-deny, installed under the target directory if need be: no version that somebody uses elsewhere is replaced.
fn installed_deny() -> Result<PathBuf> {
    let root = step::target_dir()?.join("tools");
    let tool = root.join("bin/cargo-deny");
    let is_right = || {
        let printed = Command::new(&tool).arg("--version").output();
        printed.is_ok_and(|printed| String::from_utf8_lossy(&printed.stdout).trim().ends_with(CARGO_DENY))
    };
    if !is_right() {
        println!("setup: cargo-deny {CARGO_DENY}, into {}", root.display());
        let mut install =
            cargo(&["install", "cargo-deny", "--locked", "--quiet", "--version", CARGO_DENY, "--root"]);
        step::run(install.arg(&root))?;
    }
    Ok(tool)
}

/// Checks what is published with the oldest compiler that each crate promises (`rust-version`).
fn oldest_compilers() -> Result<()> {
    for (version, names) in published()? {
        if !has_toolchain(&version) {
            println!("setup: rustup toolchain install {version}");
            let mut install = Command::new("rustup");
            install.args(["toolchain", "install", &version, "--profile", "minimal", "--no-self-update"]);
            step::run(&mut install)
                .with_context(|| format!("no Rust {version} to check the promise with"))?;
        }
        let mut check = Command::new("rustup");
        check.current_dir(step::root()).args([
            "run",
            &version,
            "cargo",
            "check",
            "--quiet",
            "--all-features",
        ]);
        check.arg("--target-dir").arg(step::target_dir()?.join("oldest"));
        // The cargo of this task is not the cargo of that toolchain.
        check.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
        step::run(check.args(names.iter().flat_map(|name| ["--package", name])))?;
        println!("Rust {version} compiles {}", names.join(", "));
    }
    Ok(())
}

fn has_toolchain(version: &str) -> bool {
    let run =
        Command::new("rustup").args(["run", version, "rustc", "--version"]).stdout(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// Packs what is published, as `cargo publish` would; building it once more from there is for whoever publishes
/// (`cargo publish --dry-run`).
fn packages() -> Result<()> {
    let names: Vec<String> = published()?.into_values().flatten().collect();
    let mut package = cargo(&["package", "--no-verify", "--allow-dirty", "--quiet", "--target-dir"]);
    package.arg(step::target_dir()?.join("packages"));
    step::run(package.args(names.iter().flat_map(|name| ["--package", name])))?;
    println!("packages: {}", names.join(", "));
    Ok(())
}

/// The crates that are published, by the oldest compiler that they promise.
fn published() -> Result<BTreeMap<String, Vec<String>>> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().context("cargo metadata names no packages")? {
        // `publish = false` is an empty list of registries.
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let name = package["name"].as_str().context("a package without a name")?;
        let Some(version) = package["rust_version"].as_str() else {
            bail!("{name} is published and promises no rust-version");
        };
        found.entry(version.to_owned()).or_default().push(name.to_owned());
    }
    Ok(found)
}
