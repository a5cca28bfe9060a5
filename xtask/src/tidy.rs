//! `cargo xtask tidy`: guards of the project's habits that no lint knows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::step::{self, cargo};

/// The longest file that is read in one sitting, in lines before its tests.
const LONG_FILE: usize = 350;

/// What the core must not name: it has no allocator, no clock, no operating system and nothing unchecked.
const CORE_BANS: &[Ban] = &[
    Ban { word: "unsafe", why: "the core is safe code" },
    Ban { word: "std::", why: "the core runs without an operating system" },
    Ban { word: "extern crate", why: "the core has no allocator" },
    Ban { word: "alloc::", why: "the core has no allocator" },
    Ban { word: "Instant::now", why: "the core has no clock: every call brings `now`" },
    Ban { word: "SystemTime", why: "the core has no clock: every call brings `now`" },
];

/// What an adapter must not name.
const ADAPTER_BANS: &[Ban] = &[Ban {
    word: ".unwrap()",
    why: "a device, a peer or a user supplied it: return an error that says what to do",
}];

/// A word that must not stand in the code.
struct Ban {
    word: &'static str,
    why: &'static str,
}

/// Runs every guard; warns of long files.
///
/// # Errors
/// All violations, one a line.
pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    let root = step::root();
    let mut files = 0;
    for path in rust_files(root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        let code = before_tests(&text);
        faults.extend(banned(name, code, bans_of(name)));
        let lines = code.lines().count();
        if lines > LONG_FILE {
            println!("warning: {}: {lines} lines before its tests; cut it up at {LONG_FILE}", name.display());
        }
        files += 1;
    }
    faults.extend(core_attributes(&fs::read_to_string(root.join("crates/bridge-core/src/lib.rs"))?));
    faults.extend(core_dependencies()?);
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("tidy: {files} files");
    Ok(())
}

/// The rules for a file, by its path in the workspace.
fn bans_of(name: &Path) -> &'static [Ban] {
    let mut parts = name.iter().map(|part| part.to_string_lossy());
    match (parts.next().as_deref(), parts.next().as_deref(), parts.next().as_deref()) {
        (Some("crates"), Some("bridge-core"), Some("src")) => CORE_BANS,
        (Some("crates"), Some(name), Some("src")) if name.starts_with("adapter-") => ADAPTER_BANS,
        _ => &[],
    }
}

/// The code of a file without the tests at its end.
fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

fn banned(name: &Path, code: &str, bans: &[Ban]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let said = line.split("//").next().unwrap_or(line);
        for ban in bans.iter().filter(|ban| names(said, ban.word)) {
            faults.push(format!("{}:{}: `{}`: {}", name.display(), number + 1, ban.word, ban.why));
        }
    }
    faults
}

/// Whether `line` holds `word` as a word: not as the end or the start of a longer name.
fn names(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let opens = word.starts_with(is_name);
    let closes = word.ends_with(is_name);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_name);
        let after = line[at + word.len()..].chars().next().is_some_and(is_name);
        !(opens && before || closes && after)
    })
}

fn core_attributes(lib: &str) -> Vec<String> {
    ["#![no_std]", "#![forbid(unsafe_code)]"]
        .into_iter()
        .filter(|attribute| !lib.lines().any(|line| line.trim() == *attribute))
        .map(|attribute| format!("crates/bridge-core/src/lib.rs: {attribute} is missing"))
        .collect()
}

/// Without features the core depends on heapless, and on nothing else but what heapless brings.
fn core_dependencies() -> Result<Vec<String>> {
    let tree = step::output(&mut cargo(&[
        "tree",
        "--package",
        "uartbridge-core",
        "--no-default-features",
        "--edges",
        "normal,build",
        "--depth",
        "1",
        "--prefix",
        "none",
    ]))?;
    Ok(foreign_dependencies(&tree))
}

fn foreign_dependencies(tree: &str) -> Vec<String> {
    let direct: Vec<_> = tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    if direct == ["heapless"] {
        return Vec::new();
    }
    vec![format!("uartbridge-core depends on {direct:?}, and must on heapless alone")]
}

/// Every Rust file of ours: whatever a build or a tool leaves behind is not.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("listing {}", dir.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !name.starts_with("target") {
                    open.push(entry.path());
                }
            } else if name.ends_with(".rs") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let path = Path::new(path);
        banned(path, before_tests(text), bans_of(path))
    }

    #[test]
    fn each_ban_of_the_core_is_seen() {
        let core = "crates/bridge-core/src/ring.rs";
        for line in [
            "unsafe { x() }",
            "use std::vec::Vec;",
            "extern crate alloc;",
            "let v = alloc::vec![1];",
            "let now = Instant::now();",
            "SystemTime::UNIX_EPOCH",
        ] {
            assert_eq!(faults(core, &format!("fn f() {{}}\n{line}")).len(), 1, "{line}");
        }
    }

    #[test]
    fn comments_longer_names_and_tests_are_free() {
        let core = "crates/bridge-core/src/ring.rs";
        for text in [
            "// unlike std::io",
            "#![no_std]\n#![forbid(unsafe_code)]",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::vec::Vec; }",
        ] {
            assert_eq!(faults(core, text), Vec::<String>::new());
        }
    }

    #[test]
    fn an_adapter_does_not_unwrap() {
        assert_eq!(faults("crates/adapter-tokio/src/run.rs", "x.unwrap();").len(), 1);
        assert_eq!(faults("crates/adapter-tokio/src/run.rs", "x.unwrap_or(1);").len(), 0);
        assert_eq!(faults("xtask/src/main.rs", "x.unwrap();").len(), 0);
    }

    #[test]
    fn the_core_has_its_attributes_and_one_dependency() {
        assert_eq!(core_attributes("#![no_std]\n#![forbid(unsafe_code)]").len(), 0);
        assert_eq!(core_attributes("#![no_std]").len(), 1);
        assert_eq!(foreign_dependencies("uartbridge-core v0.1.0 (/x)\nheapless v0.9.3\n").len(), 0);
        assert_eq!(foreign_dependencies("uartbridge-core v0.1.0\nheapless v0.9.3\nlog v0.4.1\n").len(), 1);
        assert_eq!(foreign_dependencies("uartbridge-core v0.1.0\n").len(), 1);
    }
}
