//! When two bridges are the same: they behave alike from now on, whatever has been before.
//!
//! The core keeps its fields to itself, and rightly; but it tells all of them in its `Debug` text. The key is that text,
//! with times relative to now and without what decides nothing.

use std::fmt::{Debug, Write};

/// Instants longer ago than this, in µs, are alike: longer than any span of a case that starts at an event.
const LONG_AGO: u64 = 5_000;

/// Writes the key of `bridge` at `now` (µs) into `key`. `idle` are fields with an instant that nobody asks for under the
/// settings of the case; `text` is a buffer that keeps its memory.
pub(crate) fn write(bridge: &impl Debug, now: u64, idle: &[&str], text: &mut String, key: &mut String) {
    text.clear();
    key.clear();
    // Writing to a string cannot fail.
    let _ = write!(text, "{bridge:?}");
    // The settings, which come first, are those of the case.
    let state = text.find(", keep: ").unwrap_or(0);
    let mut rest = &text[state..];
    let (mut field, mut constructor) = ("", "");
    while let Some(first) = rest.bytes().next() {
        if first.is_ascii_alphabetic() || first == b'_' {
            let (word, after) = split(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
            match after.bytes().next() {
                Some(b':') => field = word,
                Some(b'(') => constructor = word,
                Some(_) | None => {}
            }
            key.push_str(word);
            rest = after;
        } else if first.is_ascii_digit() {
            let (digits, after) = split(rest, |byte| byte.is_ascii_digit());
            let number = digits.parse().unwrap_or(u64::MAX);
            let constructor = std::mem::take(&mut constructor);
            if constructor != "Instant" {
                push_number(key, field, number);
            } else if !idle.contains(&field) {
                push_instant(key, number, now);
            }
            rest = after;
        } else {
            // All of the core's text is ASCII.
            key.push(char::from(first));
            rest = rest.get(1..).unwrap_or("");
        }
    }
}

/// The bytes of `text` that are `of_it`, and the rest.
fn split(text: &str, of_it: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !of_it(byte)).unwrap_or(text.len()))
}

fn push_instant(key: &mut String, instant: u64, now: u64) {
    let (sign, distance) = match instant {
        u64::MAX => ('~', 0),
        past if past <= now => ('-', (now - past).min(LONG_AGO)),
        future => ('+', future - now),
    };
    key.push(sign);
    number_to(key, distance);
}

fn push_number(key: &mut String, field: &str, number: u64) {
    match field {
        // Counters that only people read. In every case the pause is the same after each failure, and so is the pause between questions.
        "replayed" | "attempts" | "heartbeats" | "packets" | "down_cut" | "overrun" | "framing"
        | "parity" | "failures" | "nags" => {}
        // Whether there was one.
        "connections" => number_to(key, number.min(1)),
        // Whether enough was written: a quarter of a ring, at least 1 byte.
        "unasked" => number_to(key, number.min(4)),
        _ => number_to(key, number),
    }
}

fn number_to(key: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits[at..].iter().for_each(|&digit| key.push(char::from(digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, now: u64) -> String {
        let (mut buffer, mut key) = (String::new(), String::new());
        write(&format_args!("{text}"), now, &["heard"], &mut buffer, &mut key);
        key
    }

    #[test]
    fn times_are_relative_and_the_past_ends_somewhere() {
        let at = |n: u64| format!("config: 7, keep: No, until: Instant({n}), len: 3");
        assert_eq!(key(&at(5_000), 4_000), ", keep: No, until: Instant(+1000), len: 3");
        assert_eq!(key(&at(5_000), 4_000), key(&at(95_000), 94_000));
        assert_eq!(key(&at(5_000), 50_000), key(&at(6_000), 90_000));
        assert_ne!(key(&at(5_000), 6_000), key(&at(5_000), 7_000));
        assert_eq!(key("keep: , keep: heard: Instant(1)", 2), key("keep: , keep: heard: Instant(2)", 2));
        assert_eq!(key(&at(u64::MAX), 9), key(&at(u64::MAX), 10));
    }

    #[test]
    fn what_decides_nothing_is_left_out_and_all_else_counts() {
        let state = |replayed: u64, len: u64| {
            format!("keep: , keep: x {{ replayed: Count({replayed}), len: {len} }}")
        };
        assert_eq!(key(&state(1, 2), 0), key(&state(9, 2), 0));
        assert_ne!(key(&state(1, 2), 0), key(&state(1, 3), 0));
    }
}
