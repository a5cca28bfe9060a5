//! `cargo xtask setup`: Debian packages, and a compiler for the firmware.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{step, target};

/// A program from outside, and the Debian package that brings it.
#[derive(Debug)]
pub(crate) struct Need {
    /// The program's name, looked for along `PATH` and in the directories for system programs; or the whole path of a file.
    pub(crate) tool: &'static str,
    /// The Debian package.
    pub(crate) package: &'static str,
    /// What it is for, for whoever wonders why it is installed.
    pub(crate) purpose: &'static str,
    /// Needed by whom.
    pub(crate) by: By,
}

/// Who needs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// `cargo xtask test`.
    Tests,
    /// `cargo xtask bench`.
    Bench,
    /// A person at the keyboard.
    Hand,
}

/// Everything that any task needs.
pub(crate) const NEEDS: &[Need] = &[
    Need { tool: "cc", package: "gcc", purpose: "linking", by: By::Tests },
    Need {
        tool: "openssl",
        package: "openssl",
        purpose: "TLS server and client of the tests",
        by: By::Tests,
    },
    Need {
        tool: "socat",
        package: "socat",
        purpose: "outside oracle of the tests, rival in the bench",
        by: By::Tests,
    },
    Need {
        tool: "/usr/bin/faketime",
        package: "faketime",
        purpose: "sets a program's clock back",
        by: By::Tests,
    },
    Need {
        tool: "stunnel",
        package: "stunnel4",
        purpose: "outside oracle of the tests, rival in the bench (Debian also enables it as a service, which does nothing without a configuration)",
        by: By::Tests,
    },
    Need {
        tool: "testssl",
        package: "testssl.sh",
        purpose: "looks for weaknesses of the TLS listener",
        by: By::Tests,
    },
    Need {
        tool: "tshark",
        package: "tshark",
        purpose: "reads what `uartbridge replay --pcapng` writes",
        by: By::Tests,
    },
    Need { tool: "qemu-system-arm", package: "qemu-system-arm", purpose: "runs the firmware", by: By::Tests },
    Need { tool: "clang", package: "clang", purpose: "compiles ring for the browser", by: By::Tests },
    Need { tool: "gzip", package: "gzip", purpose: "measures what a page loads", by: By::Tests },
    Need {
        tool: "chromium",
        package: "chromium",
        purpose: "runs the page, with real Web Serial",
        by: By::Tests,
    },
    Need {
        tool: "websockify",
        package: "websockify",
        purpose: "another relay between a page and a server, unmodified; rival in the bench",
        by: By::Tests,
    },
    Need {
        tool: "tshark",
        package: "tshark",
        purpose: "reads the files that the page saves for Wireshark",
        by: By::Tests,
    },
    Need {
        tool: "ser2net",
        package: "ser2net",
        purpose: "rival in the bench (Debian also starts it as a service: `systemctl disable --now ser2net` stops that)",
        by: By::Bench,
    },
    Need {
        tool: "perf",
        package: "linux-perf",
        purpose: "counts system calls without slowing them",
        by: By::Bench,
    },
    Need { tool: "valgrind", package: "valgrind", purpose: "counts instructions", by: By::Bench },
    Need { tool: "picocom", package: "picocom", purpose: "typing into the demo's serial port", by: By::Hand },
];

/// Installs whatever any task needs, and says so.
///
/// # Errors
/// As [`run`], and as [`target::prepare`].
pub(crate) fn everything() -> Result<()> {
    run(NEEDS)?;
    for target in [target::CORTEX_M3, target::WASM] {
        match target::prepare(target)? {
            target::Way::Ready => println!("setup: {target} is there"),
            target::Way::Source => println!("setup: {target} is built from source"),
        }
    }
    Ok(())
}

/// Those of `needs` that are not there.
pub(crate) fn missing<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Vec<&'a Need> {
    needs.into_iter().filter(|need| find(need.tool).is_none()).collect()
}

/// As [`run`], for packages of which an old version will not do: the package lists are renewed first.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_fresh<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Result<()> {
    let missing = missing(needs);
    if !missing.is_empty() {
        step::run(apt_get()?.arg("update"))?;
    }
    run(missing)
}

/// Installs what is missing among `needs`, and says so.
///
/// # Errors
/// No apt-get, no right to use it, or it fails: with the packages to install by hand.
pub(crate) fn run<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        println!("setup: nothing to install");
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("install by hand what provides: {}", packages.join(" "));
    let mut apt = apt_get().with_context(|| by_hand.clone())?;
    for need in &missing {
        println!("setup: installing {} ({}: {})", need.package, need.tool, need.purpose);
    }
    // A fresh machine has no package lists; where they are old, the second try has new ones.
    if install(&mut apt, &packages).is_err() {
        step::run(apt_get()?.arg("update")).with_context(|| by_hand.clone())?;
        install(&mut apt_get()?, &packages).with_context(|| by_hand.clone())?;
    }
    match missing.iter().find(|need| find(need.tool).is_none()) {
        None => Ok(()),
        Some(need) => bail!("{} is installed, but there is still no program \"{}\"", need.package, need.tool),
    }
}

/// Installs what `by` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for(by: By) -> Result<()> {
    run(NEEDS.iter().filter(|need| need.by == by))
}

/// Where a program lies; a whole path stands for itself.
pub(crate) fn find(tool: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned(), Path::new("/sbin").to_owned()])
        .map(|dir| dir.join(tool))
        .find(|path| path.is_file())
}

/// apt-get, with the right to install.
fn apt_get() -> Result<Command> {
    let apt = find("apt-get").context("there is no apt-get here (not a Debian)")?;
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(apt)
    } else {
        let quiet = |arguments: &[&str]| {
            Command::new("sudo").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        match quiet(&["-n", "true"]) {
            Ok(status) if status.success() => {}
            Ok(_) | Err(_) => bail!("not root, and `sudo -n` is refused"),
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive"]).arg(apt);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

fn install(apt: &mut Command, packages: &[&str]) -> Result<()> {
    step::run(apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }

    #[test]
    fn nothing_missing_installs_nothing() {
        let there = Need { tool: "sh", package: "no-such-package", purpose: "", by: By::Hand };
        run([&there]).expect("sh is there");
    }
}
