//! Values of options. Command line and file write them alike.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use uartbridge_core::Duration;

/// Bytes: `4096`, `64KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

/// A time: `500ms`, `15s`, `1m30s`; `off` and `never` are [`Duration::NEVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

/// Text in which `\r`, `\n`, `\t`, `\\` and `\xNN` stand for bytes. It may be a secret, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<u8>);

/// Bytes in hexadecimal: `aa55`, `AA 55`, `0xAA,0x55`. They may be a secret, so `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

/// What gives way when the up buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Overflow {
    /// Stop reading the UART: flow control holds the device back.
    Block,
    /// Drop the oldest packets.
    DropOldest,
    /// Drop the packets that do not fit.
    DropNewest,
}

/// Whether the connection is kept, and how deeply the machine may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Power {
    /// Always connected.
    AlwaysOn,
    /// Always connected; counts as quiet after --doze-after.
    Doze,
    /// Connected only while there is something to say, and for --linger after it.
    OnDemand,
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Preset {
    /// What the Air780E's tutorial does: greeting "TCP  CONNECT", a fixed second between attempts, 1024-byte buffers.
    Tutorial,
}

/// How to show the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Show {
    /// With control characters escaped.
    Text,
    /// In hexadecimal.
    Hex,
    /// Both.
    Both,
}

/// How much the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogLevel {
    /// Nothing.
    Off,
    /// What ends a bridge.
    Error,
    /// What needs somebody's attention.
    Warn,
    /// Every change of state, with its reason.
    Info,
    /// Every decision.
    Debug,
    /// Everything.
    Trace,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: bytesize::ByteSize = text
            .parse()
            .map_err(|_| format!("{text:?} is no number of bytes; for example 4096, 64KiB or 1MiB"))?;
        usize::try_from(size.as_u64())
            .map(Self)
            .map_err(|_| format!("{text} is more than this machine can address"))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "off" | "never") {
            return Ok(Self(Duration::NEVER));
        }
        if text != "0" && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(format!("{text} lacks its unit; for example {text}s or {text}ms"));
        }
        let time = humantime::parse_duration(text)
            .map_err(|_| format!("{text:?} is no time; for example 500ms, 15s, 1m30s or off"))?;
        // Rounded up: a time that is not zero stays so.
        match u64::try_from(time.as_nanos().div_ceil(1_000)) {
            Ok(micros) => Ok(Self(Duration::from_micros(micros))),
            Err(_) => Err(format!("{text} is too long; write off for a time that never comes")),
        }
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" | "yes" | "true" => Ok(Self(true)),
            "off" | "no" | "false" => Ok(Self(false)),
            _ => Err(format!("{text:?} is neither on nor off")),
        }
    }
}

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, escape)) = rest.split_once('\\') {
            bytes.extend_from_slice(before.as_bytes());
            let (byte, length) = match escape.as_bytes() {
                [b'r', ..] => (b'\r', 1),
                [b'n', ..] => (b'\n', 1),
                [b't', ..] => (b'\t', 1),
                [b'\\', ..] => (b'\\', 1),
                [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    (hex_digit(*high) << 4 | hex_digit(*low), 3)
                }
                // The text itself may be a secret: show no more of it than the escape.
                _ => {
                    let wrong: String = escape.chars().take(1).collect();
                    return Err(format!(
                        "\\{wrong} is not understood; there are \\r, \\n, \\t, \\\\ and \\xNN (two hexadecimal digits)"
                    ));
                }
            };
            bytes.push(byte);
            rest = &escape[length..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(Self(bytes))
    }
}

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        for word in text.split([' ', ':', ',', '-']).filter(|word| !word.is_empty()) {
            let digits = word.strip_prefix("0x").unwrap_or(word).as_bytes();
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err("only hexadecimal digits make bytes; for example AA 55 01 or aa5501".to_owned());
            }
            if digits.len() % 2 != 0 {
                return Err("a byte has two hexadecimal digits; for example AA 55 01 or aa5501".to_owned());
            }
            bytes.extend(digits.chunks_exact(2).map(|pair| hex_digit(pair[0]) << 4 | hex_digit(pair[1])));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({} bytes)", self.0.len())
    }
}

/// The value of a hexadecimal digit; 0 for anything else.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// A file writes these as on the command line; numbers and truth values need no quotes.
macro_rules! deserialize_from_text {
    ($($type:ty: $expecting:literal),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Written;
                impl Visitor<'_> for Written {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                    fn visit_bool<E: Error>(self, truth: bool) -> Result<$type, E> {
                        self.visit_str(if truth { "true" } else { "false" })
                    }
                }
                from.deserialize_any(Written)
            }
        }
    )*};
}

deserialize_from_text! {
    Size: "a number of bytes such as \"64KiB\"",
    Span: "a time such as \"15s\"",
    Switch: "true or false",
    Text: "a text in quotes",
    Hex: "bytes in hexadecimal, in quotes",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("64kB", 64_000)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "-1", "big", "1 parsec", "KiB"] {
            assert!(text.parse::<Size>().expect_err(text).contains("64KiB"), "{text}");
        }
    }

    #[test]
    fn times_have_units_too() {
        for (text, time) in [
            ("0", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("15s", Duration::from_secs(15)),
            ("1m30s", Duration::from_secs(90)),
            ("1m 30s", Duration::from_secs(90)),
            ("10us", Duration::from_micros(10)),
            ("1ns", Duration::from_micros(1)),
            ("off", Duration::NEVER),
            ("never", Duration::NEVER),
        ] {
            assert_eq!(text.parse(), Ok(Span(time)), "{text}");
        }
        assert_eq!("15".parse::<Span>(), Err("15 lacks its unit; for example 15s or 15ms".to_owned()));
        for text in ["", "fast", "-1s", "15 parsecs"] {
            assert!(text.parse::<Span>().expect_err(text).contains("is no time"), "{text}");
        }
        assert!("600000years".parse::<Span>().expect_err("more than 64 bits of µs").contains("too long"));
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(r"a\r\n\t\\\x00\xfFé".parse(), Ok(Text(b"a\r\n\t\\\x00\xff\xc3\xa9".to_vec())));
        for (text, wrong) in
            [(r"\q", r"\q is"), (r"a\", r"\ is"), (r"\x1", r"\x is"), (r"\xg0", r"\x is"), (r"\é", r"\é is")]
        {
            let error = text.parse::<Text>().expect_err(text);
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn hexadecimal_comes_in_many_dresses() {
        for text in ["aa5501", "AA 55 01", "AA:55:01", "0xaa, 0x55, 0x01", "aa-55-01"] {
            assert_eq!(text.parse(), Ok(Hex(vec![0xaa, 0x55, 0x01])), "{text}");
        }
        assert_eq!("".parse(), Ok(Hex(Vec::new())));
        for text in ["a", "AA5", "0xg0", "AA 5 01"] {
            assert!(text.parse::<Hex>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_in_debug_output() {
        let shown = format!("{:?} {:?}", Text(b"pass".to_vec()), Hex(vec![0x70]));
        assert_eq!(shown, "Text(4 bytes) Hex(1 bytes)");
    }
}
