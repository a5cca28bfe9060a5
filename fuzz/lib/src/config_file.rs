//! Configuration files of the program, as anybody may write them.

// The program's own, which are no part of its library.
#[path = "../../../crates/adapter-tokio/src/cli/claims.rs"]
mod claims;
#[allow(dead_code, reason = "the program reads a file, too")]
#[path = "../../../crates/adapter-tokio/src/cli/file.rs"]
mod file;
#[path = "../../../crates/adapter-tokio/src/cli/names.rs"]
mod names;
#[path = "../../../crates/adapter-tokio/src/cli/options.rs"]
mod options;
#[path = "../../../crates/adapter-tokio/src/cli/process.rs"]
mod process;
#[path = "../../../crates/adapter-tokio/src/cli/settings.rs"]
mod settings;
#[path = "../../../crates/adapter-tokio/src/cli/values.rs"]
mod values;

use std::collections::HashSet;
use std::path::Path;

use file::{BadFile, File};

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Depth {
    /// It names files elsewhere, and is not looked at.
    Elsewhere,
    /// So many lines of problems.
    Wrong(usize),
    /// The bridges' names.
    Bridges(Vec<String>),
}

/// What messages call the file.
const NAME: &str = "fuzzed.toml";
/// U+FEFF, which may begin a file.
const MARK: &[u8] = b"\xef\xbb\xbf";
const ABOVE: &[u8] = b"# A comment above it.\r\n";

/// One run.
///
/// # Panics
/// Bridges cannot work, or a problem is none of the file's.
pub fn run(data: &[u8]) -> Depth {
    // Certificates are read, and a device or a pipe might be read for ever.
    let text = String::from_utf8_lossy(data);
    if ["=/", "=%", ".."].iter().any(|path| text.contains(path)) {
        return Depth::Elsewhere;
    }
    let (mark, rest) = data.split_at(if data.starts_with(MARK) { MARK.len() } else { 0 });
    let lower = read([mark, ABOVE, rest].concat());
    match (read(data.to_vec()), lower) {
        (Ok(file), Ok(lower)) => {
            assert_eq!(format!("{:?}", file.bridges), format!("{:?}", lower.bridges));
            assert_eq!(file.process, lower.process);
            Depth::Bridges(works(&file))
        }
        (Err(problems), Err(lower)) => {
            let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
            assert!(problems.is_sorted_by_key(|(line, _)| line) && !problems.is_empty());
            assert!(problems.iter().all(|(line, what)| (1..=lines).contains(line) && !what.is_empty()));
            let raised: Vec<_> = lower.into_iter().map(|(line, what)| (line - 1, what)).collect();
            assert!(problems == raised || no_line(&problems), "{problems:?}, and a line lower {raised:?}");
            Depth::Wrong(problems.len())
        }
        (file, lower) => panic!("{file:?}, and a line lower {lower:?}"),
    }
}

/// What a file is without has its place in the first line.
fn no_line(problems: &[(usize, String)]) -> bool {
    matches!(problems, [(1, what)] if what.starts_with("there is no bridge in it"))
}

/// The file, or problems by their lines.
fn read(bytes: Vec<u8>) -> Result<File, Vec<(usize, String)>> {
    match file::read(Path::new(NAME), bytes) {
        Ok(file) => Ok(file),
        Err(BadFile::Wrong(problems)) => Err(problems.iter().map(|problem| placed(problem)).collect()),
        Err(error @ BadFile::Unreadable(_)) => panic!("{error}"),
    }
}

/// A problem's line, and the problem.
fn placed(problem: &str) -> (usize, String) {
    let place = problem.strip_prefix(NAME).and_then(|rest| rest.strip_prefix(':'));
    let (line, what) = place.and_then(|rest| rest.split_once(": ")).expect("FILE:LINE: PROBLEM");
    (line.parse().expect("a line"), what.to_owned())
}

/// All that a bridge needs in order to start is right. Their names.
fn works(file: &File) -> Vec<String> {
    assert!(!file.bridges.is_empty());
    let mut seen = HashSet::new();
    for bridge in &file.bridges {
        assert_eq!(bridge.config.validate(bridge.up_buffer, bridge.down_buffer), Ok(()));
        assert_eq!(usize::from(bridge.config.peers), bridge.peers.len());
        assert!(!bridge.name.is_empty() && seen.insert(&bridge.name), "{:?}", bridge.name);
    }
    file.bridges.iter().map(|bridge| bridge.name.clone()).collect()
}
