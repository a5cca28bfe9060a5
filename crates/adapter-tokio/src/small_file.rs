//! Files that are read whole: settings, certificates, keys.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// No such file is larger; the bundle of all public authorities has 250 KB.
pub const MOST: u64 = 16 << 20;

/// The content of a file of at most [`MOST`] bytes, which may be a pipe.
///
/// # Errors
/// What open(2) and read(2) say; [`ErrorKind::FileTooLarge`] for what has no end, or a late one.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("larger than {} MiB", MOST >> 20)));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_refused() {
        let error = read("/dev/zero").expect_err("it never ends");
        assert_eq!(error.to_string(), "larger than 16 MiB");
        assert_eq!(read("/dev/null").expect("it ends at once"), []);
    }
}
