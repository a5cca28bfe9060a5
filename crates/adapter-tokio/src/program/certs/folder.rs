//! The directory with the files.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::issue::Made;
use super::{Pair, Refusal};

/// A directory that certificates and keys lie in.
pub(super) struct Folder<'a>(&'a Path);

/// A key is its owner's alone, a certificate is everybody's.
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

impl<'a> Folder<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self(path)
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Fails if one of these files is there.
    pub(super) fn refuse(&self, pairs: &[(String, String)], authority: bool) -> Result<(), Refusal> {
        let files = pairs.iter().flat_map(|(certificate, key)| [certificate, key]);
        let there: Vec<String> =
            files.filter(|file| self.path(file).symlink_metadata().is_ok()).cloned().collect();
        if there.is_empty() {
            return Ok(());
        }
        Err(Refusal::Exists { dir: self.0.to_owned(), files: there, authority })
    }

    /// Writes both files, the key first: who re-reads them meanwhile finds an old pair, a pair that does not match, or the
    /// new pair, but never half a file.
    pub(super) fn write(&self, (certificate, key): Pair<'_>, made: &Made) -> Result<(), Refusal> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |error| Refusal::Unwritable { path, error }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(self.0).map_err(unwritable(self.0))?;
        for (name, content, mode) in
            [(key, &made.key, KEY_MODE), (certificate, &made.certificate, CERTIFICATE_MODE)]
        {
            let path = self.path(name);
            self.replace(&path, content, mode).map_err(unwritable(&path))?;
        }
        Ok(())
    }

    fn replace(&self, path: &Path, content: &str, mode: u32) -> io::Result<()> {
        let new = self.path(&format!(".new.{}", std::process::id()));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        })();
        if written.is_err() {
            // It may not be there at all.
            let _ = std::fs::remove_file(&new);
        }
        written
    }

    /// The contents of the CA's certificate and of its key.
    pub(super) fn read(&self, (certificate, key): Pair<'_>) -> Result<(String, String), Refusal> {
        let read = |name| {
            let path = self.path(name);
            std::fs::read_to_string(&path).map_err(|error| Refusal::NoAuthority {
                path,
                dir: self.0.to_owned(),
                error,
            })
        };
        Ok((read(certificate)?, read(key)?))
    }

    /// The contents of a certificate's file, if it can be read.
    pub(super) fn read_certificate(&self, (certificate, _): Pair<'_>) -> Option<String> {
        std::fs::read_to_string(self.path(certificate)).ok()
    }
}
