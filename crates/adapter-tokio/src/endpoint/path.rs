//! Paths in the text of an end: `%` and two hexadecimal digits stand for one byte.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Fault, UNIX, fault};

/// A path behind a scheme, so escaped that it parses to the same bytes.
pub(super) struct Url<'a>(pub(super) &'static str, pub(super) &'a Path);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(scheme, path) = self;
        write!(f, "{scheme}:{}{}", if path.is_absolute() { "//" } else { "" }, Escaped(path))
    }
}

/// A path so escaped that it can stand anywhere in the text of an end.
pub(super) struct Escaped<'a>(pub(super) &'a Path);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '%' | '?' | ',' | '&' => write!(f, "%{:02X}", u32::from(character))?,
                    control if control.is_ascii_control() => write!(f, "%{:02X}", u32::from(control))?,
                    other => f.write_char(other)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// The path that `text` stands for; `%` that is not followed by two hexadecimal digits stands for itself.
pub(super) fn parse(text: &str, example: &'static str) -> Result<PathBuf, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = escaped(rest).unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    match bytes.as_slice() {
        [] => Err(fault("the path is missing", example)),
        bytes if bytes.contains(&0) => Err(fault("a path cannot hold a NUL byte", example)),
        _ => Ok(PathBuf::from(OsString::from_vec(bytes))),
    }
}

/// The longest path of a Unix socket, in bytes (unix(7): 108 with the closing NUL).
const MAX_SUN_PATH: usize = 107;

/// The path of a Unix socket.
pub(super) fn parse_unix(text: &str) -> Result<PathBuf, Fault> {
    let path = parse(text, UNIX)?;
    if text.starts_with('@') {
        return Err(fault("abstract sockets (@) are not supported; use one that has a path", UNIX));
    }
    if path.as_os_str().len() > MAX_SUN_PATH {
        return Err(fault(format!("a socket's path has at most {MAX_SUN_PATH} bytes (unix(7))"), UNIX));
    }
    Ok(path)
}

/// The byte that an escape at the start of `text` stands for, and what follows.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, after))
}
