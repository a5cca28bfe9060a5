//! The web page of uartbridge: its files, as bytes of the program that serves them.
//!
//! `web/` is the page; `wasm/` is the bridge in WebAssembly, which is here only if it was built before this crate.

/// A file, with what a browser has to be told of it.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// What is in it.
    pub bytes: &'static [u8],
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included: a strong one (RFC 9110 §8.8.3), which changes with the bytes.
    pub etag: &'static str,
}

/// The file at `path`, which has no slash in front: `page.css`, `wasm/uartbridge.js`. An empty path is the page itself.
pub fn file(path: &str) -> Option<File> {
    let path = if path.is_empty() { "index.html" } else { path };
    FILES.binary_search_by_key(&path, |(name, _)| name).ok().map(|index| FILES[index].1)
}

/// All files and their paths.
pub fn files() -> impl Iterator<Item = (&'static str, File)> {
    FILES.iter().copied()
}

/// Whether the bridge in WebAssembly is here; without it, the page can only watch a bridge that runs elsewhere.
pub fn has_wasm() -> bool {
    file("wasm/uartbridge.js").is_some()
}

/// By path.
static FILES: &[(&str, File)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_found_by_its_name_and_by_none() {
        let page = file("").expect("the page");
        assert_eq!(page.bytes, include_bytes!("../web/index.html"));
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert_eq!(file("index.html").map(|file| file.etag), Some(page.etag));
    }

    #[test]
    fn every_file_is_found_and_nothing_else() {
        for (path, found) in files() {
            assert_eq!(file(path).map(|file| file.etag), Some(found.etag), "{path}");
            assert!(found.etag.starts_with('"') && found.etag.len() == 18, "{}", found.etag);
        }
        for path in ["/", "/index.html", "INDEX.HTML", "../build.rs", "web/index.html", "wasm", "wasm/"] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_wasm_is_there_or_not_as_the_folder_says() {
        let built = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm/uartbridge.js").exists();
        assert_eq!(has_wasm(), built);
        if let Some(wasm) = file("wasm/uartbridge_bg.wasm") {
            assert_eq!(wasm.content_type, "application/wasm");
            assert_eq!(&wasm.bytes[..4], b"\0asm");
        }
    }
}
