//! Building for a target that the compiler at hand may not ship: its standard library is fetched by rustup or, where
//! rustup cannot, compiled from source by Debian's compiler.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::setup::{self, By, Need};
use crate::step;

/// The EC618's core, a Cortex-M3: no operating system, no allocator of its own.
pub(crate) const CORTEX_M3: &str = "thumbv7m-none-eabi";

/// The browser.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// What Debian's way needs. Of its compilers only this one brings the source of the standard library.
const DEBIAN: &[Need] = &[
    Need {
        tool: "/usr/bin/rustc",
        package: "rustc-web",
        purpose: "compiles for targets that rustup cannot add here",
        by: By::Tests,
    },
    Need { tool: "/usr/bin/cargo", package: "cargo-web", purpose: "its cargo", by: By::Tests },
    Need {
        tool: "/usr/lib/rustlib/src/rust/library/core/Cargo.toml",
        package: "rust-web-src",
        purpose: "source of the standard library, compiled for the target",
        by: By::Tests,
    },
    Need { tool: "ld.lld", package: "lld", purpose: "links for the target", by: By::Tests },
];

/// How code for a target is built here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The standard library lies ready for the compiler in use.
    Ready,
    /// Debian's compiler makes it from source.
    Source,
}

/// Sees to it that code for `target` can be built, and says what it installs for that.
///
/// # Errors
/// Neither rustup nor apt-get can bring what is missing: with what to install by hand.
pub(crate) fn prepare(target: &str) -> Result<Way> {
    if is_ready(target) {
        return Ok(Way::Ready);
    }
    if setup::find("rustup").is_some() {
        // Asked of rustup only while the other way is not there yet: without a network it would try, and fail, each time.
        if setup::missing(DEBIAN).is_empty() {
            return Ok(Way::Source);
        }
        println!("setup: rustup target add {target}");
        let added = Command::new("rustup").args(["target", "add", target]).status();
        if added.is_ok_and(|status| status.success()) && is_ready(target) {
            return Ok(Way::Ready);
        }
        println!("setup: rustup cannot add it; Debian's compiler can build it from source");
    }
    setup::run_fresh(DEBIAN).with_context(|| {
        format!("no compiler for {target}: `rustup target add {target}` is the short way")
    })?;
    Ok(Way::Source)
}

/// Cargo for [`CORTEX_M3`]: `cargo VERB --target … ARGUMENTS` in `dir`.
pub(crate) fn cargo(way: Way, dir: &Path, verb: &str, arguments: &[&str]) -> Command {
    let mut command = match way {
        Way::Ready => step::cargo(&[verb, "--target", CORTEX_M3]),
        Way::Source => {
            let mut command = Command::new("/usr/bin/cargo");
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER", "ld.lld");
            command.args([verb, "--target", CORTEX_M3]).args(BUILD_STD);
            command
        }
    };
    command.args(arguments).current_dir(dir);
    command
}

/// The standard library from source: compiled as the program is, it is smaller than the one that lies ready.
const BUILD_STD: [&str; 2] =
    ["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"];

/// Cargo to build small images for [`CORTEX_M3`]: the standard library is built with them, and `-Z` flags work.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn image_cargo(dir: &Path, arguments: &[&str]) -> Result<Command> {
    if prepare(CORTEX_M3)? == Way::Source || !has_source() {
        setup::run_fresh(DEBIAN)?;
        return Ok(cargo(Way::Source, dir, "build", arguments));
    }
    let mut command = cargo(Way::Ready, dir, "build", &BUILD_STD);
    command.env("RUSTC_BOOTSTRAP", "1").args(arguments);
    Ok(command)
}

/// Whether the compiler in use has the source of its standard library, which rustup may bring.
fn has_source() -> bool {
    const COMPONENT: &str = "rust-src";
    let there = || {
        let printed = Command::new("rustc").args(["--print", "sysroot"]).current_dir(step::root()).output();
        printed.is_ok_and(|printed| {
            let sysroot = String::from_utf8_lossy(&printed.stdout).into_owned();
            Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
        })
    };
    if there() {
        return true;
    }
    println!("setup: rustup component add {COMPONENT}");
    let added =
        Command::new("rustup").args(["component", "add", COMPONENT]).current_dir(step::root()).status();
    added.is_ok_and(|status| status.success()) && there()
}

/// Whether the compiler in use has the target's standard library.
fn is_ready(target: &str) -> bool {
    let printed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(step::root())
        .stderr(Stdio::null())
        .output();
    printed.is_ok_and(|printed| {
        let dir = String::from_utf8_lossy(&printed.stdout);
        printed.status.success() && Path::new(dir.trim()).is_dir()
    })
}

/// `cargo build` for [`WASM`], of what it is told to, small. ring's C is compiled by clang, whose back ends Debian builds in.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn wasm_cargo() -> Result<Command> {
    let mut command = if prepare(WASM)? == Way::Source || !has_source() {
        setup::run_fresh(DEBIAN)?;
        let mut command = Command::new("/usr/bin/cargo");
        command.env("RUSTC", "/usr/bin/rustc").current_dir(step::root());
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld").arg("build");
        command
    } else {
        step::cargo(&["build"])
    };
    command.args(["--target", WASM, "-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    // A panic traps at once: what it would say reaches nobody in a browser, and is not worth what a page would load for it.
    const TRAP: &str = "-Zlocation-detail=none -Zunstable-options -Cpanic=immediate-abort";
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", TRAP);
    command.env("CC_wasm32_unknown_unknown", "clang").env("AR_wasm32_unknown_unknown", "ar");
    Ok(command)
}

/// Builds the core for [`CORTEX_M3`]: it must need no operating system.
///
/// # Errors
/// No compiler, or it does need one.
pub(crate) fn build_core() -> Result<()> {
    let way = prepare(CORTEX_M3)?;
    let target = step::target_dir()?;
    let Some(target) = target.to_str() else { bail!("{}: not UTF-8", target.display()) };
    step::run(&mut cargo(
        way,
        step::root(),
        "build",
        &["--package", "uartbridge-core", "--target-dir", target],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(way: Way) -> String {
        let command = cargo(way, Path::new("/"), "build", &["--release"]);
        format!("{command:?}")
    }

    #[test]
    fn each_way_names_its_compiler_and_the_target() {
        let ready = words(Way::Ready);
        assert!(ready.contains(CORTEX_M3) && ready.contains("--release"), "{ready}");
        assert!(!ready.contains("build-std"), "{ready}");
        let source = words(Way::Source);
        assert!(source.contains("/usr/bin/cargo") && source.contains("RUSTC=\"/usr/bin/rustc\""), "{source}");
        assert!(source.contains("-Zbuild-std"), "{source}");
    }
}
