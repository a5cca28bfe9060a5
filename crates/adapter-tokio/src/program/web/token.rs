//! The secret in the page's URL: whoever has it may use the relay.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};
use subtle::ConstantTimeEq;
use uartbridge::small_file;
use uartbridge::sock::plain;

/// A secret. It has no `Debug` and no `Display`: it belongs in the URL and nowhere else.
#[derive(Clone)]
pub(crate) struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("cannot read the token: {}; name a file that this program may read, or make", plain(.0))]
    Unreadable(io::Error),
    #[error("cannot write a new token: {}; name a file in a directory that is yours", plain(.0))]
    Unwritable(io::Error),
    #[error(
        "the token must be one line of {SHORTEST} to {LONGEST} letters, digits or -._~; remove the file, and a good one is made"
    )]
    Bad,
    #[error("the system gives no random numbers: {}", plain(.0))]
    Random(io::Error),
}

/// What nobody guesses: 96 bits if they are random.
const SHORTEST: usize = 16;
const LONGEST: usize = 256;
/// Random bytes of a token that is made here.
const BYTES: usize = 16;

impl Token {
    /// A new one, for this run of the program.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn random() -> Result<Self, TokenError> {
        let mut bytes = [0; BYTES];
        let filled = getrandom(&mut bytes, GetRandomFlags::empty()).map_err(io::Error::from);
        if filled.map_err(TokenError::Random)? < BYTES {
            return Err(TokenError::Random(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The one in `file`, so that the URL stays the same; a file that is absent is made, for its owner alone.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub(crate) fn of_file(file: &Path) -> Result<Self, TokenError> {
        let text = match small_file::read(file).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Err(TokenError::Bad),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::make(file),
            Err(error) => return Err(TokenError::Unreadable(error)),
        };
        let token = text.trim_end_matches(['\r', '\n']);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if !(SHORTEST..=LONGEST).contains(&token.len()) || !token.chars().all(plain) {
            return Err(TokenError::Bad);
        }
        // A pipe or a credential of the service manager has no others to be read by.
        if fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o044 != 0) {
            tracing::warn!("{}: other users can read the token; chmod 600 keeps it", file.display());
        }
        Ok(Self(token.to_owned()))
    }

    fn make(file: &Path) -> Result<Self, TokenError> {
        let token = Self::random()?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            writeln!(file, "{}", token.0)
        };
        write().map_err(TokenError::Unwritable)?;
        Ok(token)
    }

    /// Whether it is this one. How long that takes tells nothing but the length.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// As part of a URL, where it needs no escapes.
    pub(super) fn in_url(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = Token::random().expect("random numbers");
        let own = token.in_url().to_owned();
        assert_eq!(own.len(), 2 * BYTES);
        assert!(token.is(&own));
        for other in ["", &own[1..], &format!("{own}0"), &own.to_uppercase().replace('0', "1")] {
            assert!(!token.is(other), "{other}");
        }
        assert!(!Token::random().expect("random numbers").is(&own), "the next one is another");
    }

    #[test]
    fn a_file_keeps_the_token_and_is_its_owner_s() {
        let file = std::env::temp_dir().join(format!("uartbridge-token-{}", std::process::id()));
        let _ = fs::remove_file(&file);
        let made = Token::of_file(&file).expect("made");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(Token::of_file(&file).expect("read").is(made.in_url()));
        for (text, good) in [
            ("short\n", false),
            ("with a space in it\n", false),
            ("0123456789abcdef\nanother line\n", false),
            ("0123456789abcde&\n", false),
            ("0123456789abcdef\r\n", true),
            ("0123456789abcdef", true),
        ] {
            fs::write(&file, text).expect("our own file");
            assert_eq!(Token::of_file(&file).is_ok(), good, "{text:?}");
        }
        fs::write(&file, [0xff; 20]).expect("our own file");
        assert!(matches!(Token::of_file(&file), Err(TokenError::Bad)));
        fs::remove_file(&file).expect("our own file");
        let nowhere = file.join("below");
        assert!(matches!(Token::of_file(&nowhere), Err(TokenError::Unwritable(_))), "no such directory");
    }
}
