//! Settings made of files, kept up to date with them.

use std::path::PathBuf;

use super::Expiry;
use super::expiry::Warnings;
use super::files::Made;

/// What names files.
pub(crate) trait Source {
    /// What is made of them.
    type Config: Clone;

    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// # Errors
    /// Which file or setting cannot be used, why, and what to do.
    fn make(&self) -> Result<Ready<Self::Config>, String>;
}

/// What was made of files.
#[derive(Debug)]
pub(crate) struct Ready<C> {
    pub(crate) config: C,
    /// When the certificates in them expire.
    pub(crate) expiries: Vec<Expiry>,
}

/// What was made of files, as they are now.
#[derive(Debug)]
pub(crate) struct Kept<S: Source> {
    source: S,
    ready: Made<Ready<S::Config>>,
    warnings: Warnings,
}

impl<S: Source> Kept<S> {
    /// # Errors
    /// Those of [`Source::make`].
    pub(crate) fn new(source: S) -> Result<Self, String> {
        let ready = Made::new(source.files(), || source.make())?;
        Ok(Self { source, ready, warnings: Warnings::default() })
    }

    /// What a new connection is to use; files that have changed are read again.
    pub(crate) fn current(&mut self) -> S::Config {
        self.ready.refresh(|| self.source.make());
        self.ready.get().config.clone()
    }

    /// Warns of what expires soon.
    pub(crate) fn warn(&mut self) {
        self.warnings.give(&self.ready.get().expiries);
    }

    pub(crate) fn expiries(&self) -> &[Expiry] {
        &self.ready.get().expiries
    }
}
