//! Names of bridges, and of what people write wrong.

use std::collections::HashSet;
use std::path::Path;

use uartbridge::endpoint::UartEndpoint;

/// The name of a bridge that was given none: that of its UART side.
pub(super) fn of(uart: &UartEndpoint) -> String {
    let last =
        |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = match uart {
        UartEndpoint::Serial { path, .. } | UartEndpoint::Unix { path } => last(path),
        UartEndpoint::Pty { link: Some(link) } => last(link),
        UartEndpoint::Pty { link: None } => "pty".to_owned(),
        UartEndpoint::Stdio => "stdio".to_owned(),
    };
    if check(&name).is_ok() { name } else { "uart".to_owned() }
}

/// `name`, or if that is taken, with a number behind it. It is taken from now on.
pub(super) fn free(name: String, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    let found =
        std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(found.clone());
    found
}

/// Whether logs can carry a name.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        Err("is empty; leave it out to have the bridge called after its UART side")
    } else if name.len() > MAX_NAME {
        Err("is longer than 64 bytes")
    } else if name.chars().any(char::is_control) {
        Err("holds control characters, which would break the lines of a log")
    } else {
        Ok(())
    }
}

/// In bytes.
const MAX_NAME: usize = 64;

/// How many letters must be inserted, left out or changed to make one word of the other (Levenshtein).
pub(super) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in (1..).zip(a.chars()) {
        let mut diagonal = row[0];
        row[0] = i;
        for (j, y) in (1..).zip(b.chars()) {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j];
            row[j] = changed.min(diagonal + 1).min(row[j - 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_called_after_its_uart() {
        for (uart, name) in [
            ("/dev/ttyUSB0,9600", "ttyUSB0"),
            ("pty:", "pty"),
            ("pty:/tmp/gps", "gps"),
            ("unix:/run/qemu.sock", "qemu.sock"),
            ("-", "stdio"),
            ("/dev/..", "uart"),
        ] {
            assert_eq!(of(&uart.parse().expect("an end")), name, "{uart}");
        }
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut taken = HashSet::from(["pty-2".to_owned()]);
        assert_eq!(free("pty".to_owned(), &mut taken), "pty");
        assert_eq!(free("pty".to_owned(), &mut taken), "pty-3");
        assert_eq!(free("pty".to_owned(), &mut taken), "pty-4");
    }

    #[test]
    fn names_fit_into_a_line() {
        assert!(check("pump 7").is_ok() && check(&"x".repeat(64)).is_ok());
        for name in ["", " ", "a\nb", &"x".repeat(65)] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_distance_counts_letters() {
        for (a, b, letters) in
            [("", "", 0), ("abc", "", 3), ("up-bufer", "up-buffer", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (letters, letters), "{a} {b}");
        }
    }
}
