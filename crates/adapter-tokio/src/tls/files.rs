//! Files with certificates and keys, and what is made of them.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use uartbridge_tls::{Identity, Roots, certificates};

use super::Expiry;
use crate::endpoint::TlsFiles;
use crate::small_file;
use crate::sock::plain;

/// What was made of files, with the means to notice that they have changed.
#[derive(Debug)]
pub(crate) struct Made<T> {
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    made: T,
}

impl<T> Made<T> {
    /// # Errors
    /// Those of `make`.
    pub(crate) fn new(files: Vec<PathBuf>, make: impl FnOnce() -> Result<T, String>) -> Result<Self, String> {
        // Before reading: what changes meanwhile is noticed the next time.
        let seen = stamps(&files);
        Ok(Self { made: make()?, files, seen })
    }

    /// Makes it anew if a file has changed since the last look, and says so. Files that cannot be used leave what there
    /// was, and are complained of once.
    pub(crate) fn refresh(&mut self, make: impl FnOnce() -> Result<T, String>) {
        let now = stamps(&self.files);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match make() {
            Ok(made) => {
                self.made = made;
                tracing::info!("certificates have changed and were read again");
            }
            Err(why) => tracing::warn!("{why}; what was read before stays in use"),
        }
    }

    pub(crate) fn get(&self) -> &T {
        &self.made
    }
}

/// What changes when a file is replaced or written.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let is = std::fs::metadata(file).ok()?;
        Some(Stamp {
            place: (is.dev(), is.ino()),
            size: is.size(),
            modified: (is.mtime(), is.mtime_nsec()),
            changed: (is.ctime(), is.ctime_nsec()),
        })
    };
    files.iter().map(stamp).collect()
}

/// The content of the file that setting `key` names.
///
/// # Errors
/// Which file cannot be read, why, and what to do.
#[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
fn read(key: &str, file: &Path) -> Result<Vec<u8>, String> {
    small_file::read(file).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; correct the path",
            io::ErrorKind::PermissionDenied => "; let this program's user read it",
            io::ErrorKind::IsADirectory => "; name a file",
            io::ErrorKind::FileTooLarge => "; name a file in PEM format",
            _ => "",
        };
        about(key, file, &format_args!("{}{advice}", plain(&error)))
    })
}

/// What is the matter with the file that setting `key` names.
fn about(key: &str, file: &Path, problem: &dyn std::fmt::Display) -> String {
    format!("{key}={}: {problem}", file.display())
}

/// A private key, from a file that should be nobody else's to read.
///
/// # Errors
/// As [`read`].
fn read_key(file: &Path) -> Result<Vec<u8>, String> {
    const OTHERS: u32 = 0o006;
    let key = read("key", file)?;
    if std::fs::metadata(file).is_ok_and(|is| is.mode() & OTHERS != 0) {
        let name = file.display();
        tracing::warn!(
            "key={name}: every user of this machine may read or write this key; chmod o-rw {name}"
        );
    }
    Ok(key)
}

/// The authorities in the file that `ca` names.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(crate) fn roots(ca: &Path, expiries: &mut Vec<Expiry>) -> Result<Roots, String> {
    let bundle = read("ca", ca)?;
    let roots = Roots::new(&bundle).map_err(|error| about("ca", ca, &error))?;
    expiries.extend(certificates(&bundle).ok().and_then(|found| last_expiry("ca", ca, &found)));
    Ok(roots)
}

/// The certificate and the key that `cert` and `key` name.
///
/// # Errors
/// What is wrong with them, and what to do.
pub(crate) fn identity(files: &TlsFiles, expiries: &mut Vec<Expiry>) -> Result<Identity, String> {
    let TlsFiles { cert, key } = files;
    let chain = read("cert", cert)?;
    let found = certificates(&chain).map_err(|error| about("cert", cert, &error))?;
    expiries.extend(first_expiry("cert", cert, &found));
    Identity::new(&chain, &read_key(key)?).map_err(|error| about("key", key, &error))
}

/// What is the matter with a certificate and a key together.
pub(crate) fn about_pair(TlsFiles { cert, key }: &TlsFiles, problem: &dyn std::fmt::Display) -> String {
    about("cert", cert, &about("key", key, problem))
}

/// Application protocols in the form that TLS has for them.
pub(crate) fn protocols(alpn: &[String]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect()
}

/// When the first of these certificates expires; `None` if nobody can tell.
fn first_expiry(key: &str, file: &Path, certificates: &[impl AsRef<[u8]>]) -> Option<Expiry> {
    let at = certificates.iter().filter_map(|der| super::expiry::of(der.as_ref())).min()?;
    Some(Expiry { what: format!("{key}={}", file.display()), at })
}

/// When the last of these certificates expires: a bundle of authorities is good until then.
fn last_expiry(key: &str, file: &Path, certificates: &[impl AsRef<[u8]>]) -> Option<Expiry> {
    let at = certificates.iter().filter_map(|der| super::expiry::of(der.as_ref())).max()?;
    Some(Expiry { what: format!("{key}={}", file.display()), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_used_and_a_bad_one_is_not() {
        let file = std::env::temp_dir().join(format!("uartbridge-made-{}", std::process::id()));
        let make = || match std::fs::read_to_string(&file) {
            Ok(text) if !text.is_empty() => Ok(text),
            Ok(_) => Err("empty".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        assert!(Made::new(vec![file.clone()], make).is_err(), "there is no file yet");
        std::fs::write(&file, "one").expect("a writable directory for temporary files");
        let mut made = Made::new(vec![file.clone()], make).expect("it can be read");
        made.refresh(|| panic!("nothing has changed"));
        std::fs::write(&file, "two!").expect("the same");
        made.refresh(make);
        assert_eq!(made.get(), "two!");
        std::fs::write(&file, "").expect("the same");
        made.refresh(make);
        made.refresh(|| panic!("it was looked at"));
        assert_eq!(made.get(), "two!");
        std::fs::remove_file(&file).expect("our own file");
        made.refresh(make);
        assert_eq!(made.get(), "two!");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
        let error = read("ca", Path::new("/no/such.pem")).expect_err("there is none");
        assert_eq!(error, "ca=/no/such.pem: no such file or directory; correct the path");
        let error = read("key", Path::new("/")).expect_err("no file");
        assert_eq!(error, "key=/: is a directory; name a file");
    }
}
