//! A line of a scenario file as words: bare ones, and `"quoted"` ones with escapes.

use std::time::Duration;

/// What is left of a line.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `line`, without its comment.
    pub(crate) fn new(line: &'a str) -> Self {
        Self { rest: strip_comment(line).trim() }
    }

    /// What has not been taken.
    pub(crate) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// Takes these words if they come next.
    pub(crate) fn eat(&mut self, words: &str) -> bool {
        let mut ahead = self.clone();
        let all = words.split(' ').all(|word| ahead.bare() == Some(word));
        if all {
            *self = ahead;
        }
        all
    }

    /// Takes the next bare word.
    pub(crate) fn bare(&mut self) -> Option<&'a str> {
        let end = self.rest.find([' ', ',']).unwrap_or(self.rest.len());
        let end = if end == 0 { self.rest.chars().next()?.len_utf8() } else { end };
        let (word, rest) = self.rest.split_at(end);
        if word.starts_with('"') {
            return None;
        }
        self.rest = rest.trim_start();
        Some(word)
    }

    /// Takes a quoted text.
    pub(crate) fn quoted(&mut self) -> Result<Vec<u8>, String> {
        let inner =
            self.rest.strip_prefix('"').ok_or_else(|| self.wanted("a text in quotes, such as \"hello\""))?;
        let end = closing_quote(inner).ok_or("a text in quotes that does not end; add the closing quote")?;
        let (text, rest) = inner.split_at(end);
        self.rest = rest[1..].trim_start();
        unescape(text)
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self) -> Result<u64, String> {
        let before = self.clone();
        self.bare().and_then(|word| word.parse().ok()).ok_or_else(|| before.wanted("a whole number"))
    }

    /// Takes a number of bytes: `64`, `64 bytes`, `64 KiB` or `1 MiB`.
    pub(crate) fn bytes(&mut self) -> Result<usize, String> {
        let number = self.number()?;
        let unit = if self.eat("KiB") {
            1024
        } else if self.eat("MiB") {
            1024 * 1024
        } else {
            let _ = self.eat("bytes");
            1
        };
        usize::try_from(number * unit).map_err(|_| format!("{number} is too many"))
    }

    /// Takes a span: `300 us`, `20 ms`, `5 s` or `2 min`.
    pub(crate) fn span(&mut self) -> Result<Duration, String> {
        let number = self.number()?;
        let before = self.clone();
        match self.bare() {
            Some("us") => Ok(Duration::from_micros(number)),
            Some("ms") => Ok(Duration::from_millis(number)),
            Some("s") => Ok(Duration::from_secs(number)),
            Some("min") => Ok(Duration::from_secs(number * 60)),
            Some(_) | None => Err(before.wanted("a unit of time: us, ms, s or min")),
        }
    }

    /// An error if anything is left.
    pub(crate) fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wanted("the end of the line")) }
    }

    /// `expected …, found …`.
    pub(crate) fn wanted(&self, what: &str) -> String {
        match self.rest {
            "" => format!("expected {what}, found the end of the line"),
            rest => format!("expected {what}, found `{rest}`"),
        }
    }
}

/// Decodes `\r`, `\n`, `\t`, `\\`, `\"` and `\xNN`.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let mut after = rest[at + 1..].chars();
        let byte = match after.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => {
                let digits = after.as_str().get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                after = after.as_str().get(2..).unwrap_or("").chars();
                digits.ok_or("`\\x` needs two hexadecimal digits, such as `\\x1b`")?
            }
            Some(other) => {
                return Err(format!("unknown escape `\\{other}`; known: \\r \\n \\t \\\\ \\\" \\xNN"));
            }
            None => return Err("a lone `\\` at the end of a text; write `\\\\`".into()),
        };
        bytes.push(byte);
        rest = after.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Where the text ends: the first quote that no backslash precedes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let found = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

/// A comment starts with `#` outside of quotes.
fn strip_comment(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            '#' if !quoted => return &line[..at],
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_escapes_and_comments_are_understood() {
        let mut words = Words::new(r##"device sends "a # \"b\"\x00\n" # a comment"##);
        assert!(words.eat("device sends"));
        assert_eq!(words.quoted().expect("a text"), b"a # \"b\"\0\n");
        assert!(words.end().is_ok());
    }

    #[test]
    fn numbers_carry_units() {
        let mut words = Words::new("64 KiB 1 min 7");
        assert_eq!(words.bytes(), Ok(65_536));
        assert_eq!(words.span(), Ok(Duration::from_secs(60)));
        assert_eq!(words.bytes(), Ok(7));
        assert!(words.number().expect_err("nothing left").contains("end of the line"));
    }
}
