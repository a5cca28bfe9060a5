//! Writes the table of files that `src/lib.rs` includes: `web/`, and `wasm/` if it has been built.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    // The folder itself, and all in it: `wasm` may be absent now and appear later.
    println!("cargo::rerun-if-changed=.");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut files = BTreeMap::new();
    collect(&root.join("web"), "", &mut files)?;
    if root.join("wasm").is_dir() {
        collect(&root.join("wasm"), "wasm/", &mut files)?;
    }
    fs::write(Path::new(&variable("OUT_DIR")?).join("files.rs"), table(&files)?)
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}; run it by cargo")))
}

/// All files below `folder`, by the path that a browser asks for; hidden ones are nobody's business.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| {
            io::Error::other(format!("{}: {}: rename it: not UTF-8", folder.display(), name.display()))
        })?;
        if name.starts_with('.') {
            continue;
        }
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else {
            files.insert(format!("{prefix}{name}"), entry.path());
        }
    }
    Ok(())
}

/// The files in the order of their paths, so that one can be found by halving.
fn table(files: &BTreeMap<String, PathBuf>) -> io::Result<String> {
    let mut table = "&[\n".to_owned();
    for (path, source) in files {
        let tag = format!("\"{:016x}\"", hash(&fs::read(source)?));
        let (kind, source) = (content_type(path)?, source.display().to_string());
        writeln!(
            table,
            "({path:?}, File {{ bytes: include_bytes!({source:?}), content_type: {kind:?}, etag: {tag:?} }}),"
        )
        .map_err(io::Error::other)?;
    }
    table.push(']');
    Ok(table)
}

/// Other bytes, other tag: it has to tell versions of one file apart, not to withstand anybody.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn content_type(path: &str) -> io::Result<&'static str> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    Ok(match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "ts" | "txt" | "md" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        _ => {
            let problem = format!("{path}: no content type is known for it; add one to build.rs");
            return Err(io::Error::other(problem));
        }
    })
}
