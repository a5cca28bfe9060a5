//! A file that is made of a trace. It may hold secrets, so only its owner can read it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Refusal;

/// A file under way: it has its name only once it is whole, and is gone if it does not come to that.
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    /// Where it is until then. A pipe or a device is written as it is.
    new: Option<PathBuf>,
}

impl Output {
    /// Begins one; what is there already is replaced only by `force`.
    pub(super) fn create(path: &Path, force: bool) -> Result<Self, Refusal> {
        let unwritable = |error| Refusal::Unwritable { path: path.to_owned(), error };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let new = match std::fs::metadata(path) {
            Ok(there) if there.is_file() && !force => return Err(Refusal::Exists { path: path.to_owned() }),
            Ok(there) if !there.is_file() => None,
            Ok(_) | Err(_) => {
                let mut new = path.as_os_str().to_owned();
                new.push(format!(".new.{}", std::process::id()));
                options.create_new(true);
                Some(PathBuf::from(new))
            }
        };
        let file = options.open(new.as_deref().unwrap_or(path)).map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), new })
    }

    /// It is whole.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        let named = self.file.flush().and_then(|()| match self.new.as_deref() {
            Some(new) => std::fs::rename(new, &self.path),
            None => Ok(()),
        });
        named.map_err(|error| self.refusal(error))?;
        self.new = None;
        Ok(())
    }

    /// Why it cannot be written.
    pub(super) fn refusal(&self, error: io::Error) -> Refusal {
        Refusal::Unwritable { path: self.path.clone(), error }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(new) = self.new.take() {
            // Nobody has asked for half a file.
            let _ = std::fs::remove_file(new);
        }
    }
}
