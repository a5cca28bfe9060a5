//! Settings as the header lines of a scenario: what is not as without any.

use std::fmt::Write as _;

use uartbridge_core::{Backoff, Config, Delimiter, Duration, Overflow, Packing, Power};
use uartbridge_trace::Setup;

/// The program's defaults, which are those of scenarios.
const UP: usize = 1 << 20;
const DOWN: usize = 64 << 10;
const QUERY: Duration = Duration::from_millis(200);
const GAP: Duration = Duration::from_millis(10);

/// Names and values.
pub(super) fn options(setup: &Setup<'_>) -> Vec<(&'static str, String)> {
    let config = &setup.config;
    let base = Config::DEFAULT;
    let mut all = Vec::new();
    let mut add = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
    add("up-buffer", other(setup.up, UP));
    add("down-buffer", other(setup.down, DOWN));
    add("overflow", overflow(config.overflow));
    for (name, value, default) in [
        ("connect-timeout", config.connect_timeout, base.connect_timeout),
        ("close-timeout", config.close_timeout, base.close_timeout),
        ("drain-timeout", config.drain_timeout, base.drain_timeout),
        ("uart-retry", config.uart_retry, base.uart_retry),
        ("stable-after", config.backoff.stable_after, base.backoff.stable_after),
        ("unacked-limit", config.supervise.unacked, base.supervise.unacked),
        ("silent-limit", config.supervise.silent, base.supervise.silent),
        ("ack-query", config.supervise.query, QUERY),
    ] {
        add(name, (value != default).then(|| span(value)));
    }
    backoff(&config.backoff, &base.backoff).into_iter().for_each(|(name, value)| add(name, Some(value)));
    for (name, value, default) in [
        ("next-peer-after", config.ladder.next_peer, base.ladder.next_peer),
        ("reset-after", config.ladder.reset_radio, base.ladder.reset_radio),
        ("restart-after", config.ladder.restart, base.ladder.restart),
    ] {
        add(name, other(value, default));
    }
    add("greeting", (!config.greeting.is_empty()).then(|| quoted(config.greeting)));
    if !config.heartbeat.bytes.is_empty() {
        add("heartbeat", Some(quoted(config.heartbeat.bytes)));
        add("heartbeat-after", Some(span(config.heartbeat.after)));
    }
    packing(&config.packing).into_iter().for_each(|(name, value)| add(name, Some(value)));
    match config.power {
        Power::AlwaysOn => {}
        Power::Doze { after } => add("doze-after", Some(span(after))),
        Power::OnDemand { linger } => add("linger", Some(span(linger))),
    }
    all
}

fn other<T: PartialEq + ToString>(value: T, default: T) -> Option<String> {
    (value != default).then(|| value.to_string())
}

fn overflow(overflow: Overflow) -> Option<String> {
    let name = match overflow {
        Overflow::Block => return None,
        Overflow::DropOldest => "drop-oldest",
        Overflow::DropNewest => "drop-newest",
    };
    Some(name.to_owned())
}

/// One bound alone would move the other.
fn backoff(backoff: &Backoff, base: &Backoff) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if (backoff.first, backoff.max) != (base.first, base.max) {
        all.push(("backoff-first", span(backoff.first)));
        all.push(("backoff-max", span(backoff.max)));
    }
    if backoff.jitter != base.jitter {
        all.push(("backoff-jitter", if backoff.jitter { "on" } else { "off" }.to_owned()));
    }
    all
}

fn packing(packing: &Packing) -> Vec<(&'static str, String)> {
    let Packing { max_len, gap, delimiter, datagrams } = packing;
    let mut all = Vec::new();
    if *datagrams || *max_len > 0 {
        all.push(("pack-length", max_len.to_string()));
    }
    if *gap != if *datagrams { GAP } else { Duration::NEVER } {
        all.push(("pack-gap", span(*gap)));
    }
    if let Some(mark) = delimiter.as_ref().map(Delimiter::as_bytes) {
        all.push(("pack-delimiter", quoted(mark)));
    }
    all
}

/// Whole in the largest unit.
fn span(span: Duration) -> String {
    match span.as_micros() {
        u64::MAX => "off".to_owned(),
        us if us % 1_000_000 == 0 => format!("{}s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{}ms", us / 1_000),
        us => format!("{us}us"),
    }
}

/// As scenarios write bytes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        // Writing to a string cannot fail.
        let _ = match byte {
            b'\r' => write!(text, "\\r"),
            b'\n' => write!(text, "\\n"),
            b'\t' => write!(text, "\\t"),
            b'\\' => write!(text, "\\\\"),
            b' '..=b'~' if byte != b'"' => write!(text, "{}", char::from(byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text + "\""
}
