//! From options to a bridge's settings: every default that depends on the ends, and every check.

use std::fmt;
use std::time::Duration as StdDuration;

use uartbridge::endpoint::{NetEndpoint, UartEndpoint};
use uartbridge::spec::{self, BridgeSpec, TraceFile};
use uartbridge_core::{self as core, Config, Delimiter, Duration};

use super::options::Options;
use super::values::{Hex, Overflow, Power, Preset, Show, Size, Span, Switch, Text};

/// An option that cannot work, alone or with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The option's name, without dashes.
    pub(super) key: &'static str,
    /// What is wrong, to be read after the name.
    pub(super) problem: String,
}

/// On the command line an option is written with dashes.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}: {}", self.key, self.problem)
    }
}

/// The bridge that these options make of two ends.
///
/// # Errors
/// The first option that cannot work.
pub(super) fn spec(
    options: Options,
    name: String,
    uart: UartEndpoint,
    peers: Vec<NetEndpoint>,
) -> Result<BridgeSpec, Fault> {
    let (mut config, mut up_buffer, mut down_buffer) = base(options.preset, &peers);
    replace(&mut up_buffer, options.up_buffer.map(|Size(bytes)| bytes));
    replace(&mut down_buffer, options.down_buffer.map(|Size(bytes)| bytes));
    connecting(&mut config, &options);
    supervision(&mut config, &options)?;
    packing(&mut config, &options, up_buffer)?;
    config.power = power(&options)?;
    if let Some(overflow) = options.overflow {
        config.overflow = match overflow {
            Overflow::Block => core::Overflow::Block,
            Overflow::DropOldest => core::Overflow::DropOldest,
            Overflow::DropNewest => core::Overflow::DropNewest,
        };
    }
    let keepalive = keepalive(options.keepalive)?;
    let reset_command = options.reset_command.clone();
    let trace = trace(&options)?;
    let show = options.show.map(|show| match show {
        Show::Text => spec::Show::Text,
        Show::Hex => spec::Show::Hex,
        Show::Both => spec::Show::Both,
    });
    content(&mut config, options)?;
    config.validate(up_buffer, down_buffer).map_err(|error| named(&error))?;
    Ok(BridgeSpec {
        name,
        uart,
        peers,
        config,
        up_buffer,
        down_buffer,
        keepalive,
        show,
        trace,
        reset_command,
    })
}

/// The up ring's default capacity in bytes: a minute and a half at 115200 baud.
const UP_BUFFER: usize = 1 << 20;
/// The down ring's.
const DOWN_BUFFER: usize = 64 << 10;
/// Asking the kernel costs one system call.
const ACK_QUERY: Duration = Duration::from_millis(200);
/// Fits every usual path without fragments.
const DATAGRAM: usize = 1400;
/// Tells packets of 9600 baud and more apart.
const DATAGRAM_GAP: Duration = Duration::from_millis(10);
/// Listening again needs no pause; this one only keeps a failing bind(2) from spinning.
const LISTEN_AGAIN: Duration = Duration::from_millis(10);
const HEARTBEAT_AFTER: Duration = Duration::from_secs(60);
const DOZE_AFTER: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(10);
const KEEPALIVE: StdDuration = StdDuration::from_secs(15);
/// Days of a talkative device, and no trouble for a disk; in bytes.
const TRACE_LIMIT: u64 = 64 << 20;
/// The settings and something to tell fit.
const MIN_TRACE_LIMIT: u64 = 4 << 10;
/// The most that Linux takes as `TCP_KEEPIDLE` (tcp(7)), in s.
const MAX_KEEPALIVE: u64 = 32_767;

/// The defaults for this preset and these peers: settings, and the two buffers in bytes.
fn base(preset: Option<Preset>, peers: &[NetEndpoint]) -> (Config<'static>, usize, usize) {
    let (mut config, up, down) = match preset {
        Some(Preset::Tutorial) => (Config::tutorial(), Config::TUTORIAL_RING, Config::TUTORIAL_RING),
        None => (Config::default(), UP_BUFFER, DOWN_BUFFER),
    };
    config.peers = u8::try_from(peers.len()).unwrap_or(u8::MAX);
    config.supervise.query = ACK_QUERY;
    match peers.first() {
        Some(NetEndpoint::TcpListen { .. } | NetEndpoint::TlsListen { .. }) => {
            config.connect_timeout = Duration::NEVER;
            config.backoff.first = LISTEN_AGAIN;
            config.backoff.max = LISTEN_AGAIN;
            config.backoff.jitter = false;
            // A client that leaves soon is no failure.
            config.backoff.stable_after = Duration::ZERO;
            config.ladder.next_peer = 0;
        }
        Some(NetEndpoint::Udp { .. }) => {
            config.packing.datagrams = true;
            config.packing.max_len = DATAGRAM;
            config.packing.gap = DATAGRAM_GAP;
        }
        Some(
            NetEndpoint::Tcp { .. } | NetEndpoint::Tls { .. } | NetEndpoint::Unix { .. } | NetEndpoint::Stdio,
        )
        | None => {}
    }
    (config, up, down)
}

fn connecting(config: &mut Config<'_>, options: &Options) {
    let time = |written: Option<Span>| written.map(|Span(time)| time);
    replace(&mut config.connect_timeout, time(options.connect_timeout));
    replace(&mut config.close_timeout, time(options.close_timeout));
    replace(&mut config.drain_timeout, time(options.drain_timeout));
    replace(&mut config.uart_retry, time(options.uart_retry));
    let backoff = &mut config.backoff;
    replace(&mut backoff.jitter, options.backoff_jitter.map(|Switch(on)| on));
    replace(&mut backoff.stable_after, time(options.stable_after));
    // Who sets one bound of the pause does not want to be told about the default of the other.
    match (time(options.backoff_first), time(options.backoff_max)) {
        (Some(first), Some(max)) => (backoff.first, backoff.max) = (first, max),
        (Some(first), None) => (backoff.first, backoff.max) = (first, backoff.max.max(first)),
        (None, Some(max)) => (backoff.first, backoff.max) = (backoff.first.min(max), max),
        (None, None) => {}
    }
}

fn supervision(config: &mut Config<'_>, options: &Options) -> Result<(), Fault> {
    replace(&mut config.supervise.unacked, options.unacked_limit.map(|Span(time)| time));
    replace(&mut config.supervise.silent, options.silent_limit.map(|Span(time)| time));
    replace(&mut config.supervise.query, options.ack_query.map(|Span(time)| time));
    replace(&mut config.ladder.next_peer, options.next_peer_after);
    replace(&mut config.ladder.reset_radio, options.reset_after);
    replace(&mut config.ladder.restart, options.restart_after);
    match (config.ladder.reset_radio, &options.reset_command) {
        (0, Some(_)) => fault("reset-command", "is never run without reset-after, for example 10"),
        (1.., None) => fault("reset-after", "needs reset-command, which says what to do"),
        (0, None) | (1.., Some(_)) => Ok(()),
    }
}

fn packing(config: &mut Config<'_>, options: &Options, up_buffer: usize) -> Result<(), Fault> {
    let packing = &mut config.packing;
    // The default yields to a small buffer; a length that was asked for does not.
    packing.max_len = packing.max_len.min(up_buffer);
    replace(&mut packing.max_len, options.pack_length.map(|Size(bytes)| bytes));
    replace(&mut packing.gap, options.pack_gap.map(|Span(time)| time));
    if let Some(Text(mark)) = &options.pack_delimiter {
        let Some(delimiter) = Delimiter::new(mark) else {
            return fault("pack-delimiter", format!("has 1 to 4 bytes, and these are {}", mark.len()));
        };
        packing.delimiter = Some(delimiter);
    }
    Ok(())
}

fn power(options: &Options) -> Result<core::Power, Fault> {
    let plan = options.power.unwrap_or(Power::AlwaysOn);
    if options.doze_after.is_some() && plan != Power::Doze {
        return fault("doze-after", "is of no use without power doze");
    }
    if options.linger.is_some() && plan != Power::OnDemand {
        return fault("linger", "is of no use without power on-demand");
    }
    Ok(match plan {
        Power::AlwaysOn => core::Power::AlwaysOn,
        Power::Doze => core::Power::Doze { after: options.doze_after.map_or(DOZE_AFTER, |Span(time)| time) },
        Power::OnDemand => core::Power::OnDemand { linger: options.linger.map_or(LINGER, |Span(time)| time) },
    })
}

fn trace(options: &Options) -> Result<Option<TraceFile>, Fault> {
    let (content, limit) = (options.trace_bytes, options.trace_limit);
    let Some(path) = options.trace.clone() else {
        return match (content, limit) {
            (Some(true), _) => fault("trace-bytes", "is of no use without trace, which says where to"),
            (_, Some(_)) => fault("trace-limit", "is of no use without trace, which says where to"),
            (None | Some(false), None) => Ok(None),
        };
    };
    let limit = limit.map_or(TRACE_LIMIT, |Size(bytes)| bytes as u64);
    if limit < MIN_TRACE_LIMIT {
        return fault("trace-limit", "must be at least 4KiB");
    }
    Ok(Some(TraceFile { path, content: content == Some(true), limit }))
}

/// Greeting and heartbeat. Their few bytes are never freed: they serve as long as the bridge runs, and that is as
/// long as the process.
fn content(config: &mut Config<'static>, options: Options) -> Result<(), Fault> {
    if let Some(greeting) = bytes(options.greeting, options.greeting_hex, "greeting-hex", "greeting")? {
        config.greeting = greeting.leak();
    }
    let (key, heartbeat) = match &options.heartbeat {
        Some(_) => ("heartbeat", options.heartbeat),
        None => ("heartbeat-hex", None),
    };
    match bytes(heartbeat, options.heartbeat_hex, "heartbeat-hex", "heartbeat")? {
        Some(heartbeat) if heartbeat.is_empty() => fault(key, "is empty; leave it out for no heartbeat"),
        Some(heartbeat) => {
            config.heartbeat.bytes = heartbeat.leak();
            config.heartbeat.after = options.heartbeat_after.map_or(HEARTBEAT_AFTER, |Span(time)| time);
            Ok(())
        }
        None if options.heartbeat_after.is_some() => fault(
            "heartbeat-after",
            "is of no use without heartbeat or heartbeat-hex, which say what to send",
        ),
        None => Ok(()),
    }
}

/// The bytes of whichever option was given.
fn bytes(
    text: Option<Text>,
    hex: Option<Hex>,
    hex_key: &'static str,
    text_key: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    match (text, hex) {
        (Some(_), Some(_)) => fault(hex_key, format!("says the same as {text_key}; give one of them")),
        (Some(Text(bytes)), None) | (None, Some(Hex(bytes))) => Ok(Some(bytes)),
        (None, None) => Ok(None),
    }
}

fn keepalive(written: Option<Span>) -> Result<Option<StdDuration>, Fault> {
    let Some(Span(time)) = written else { return Ok(Some(KEEPALIVE)) };
    if time.is_never() {
        return Ok(None);
    }
    let micros = time.as_micros();
    let seconds = micros / 1_000_000;
    if micros % 1_000_000 != 0 || !(1..=MAX_KEEPALIVE).contains(&seconds) {
        return fault("keepalive", format!("is off, or whole seconds from 1s to {MAX_KEEPALIVE}s (tcp(7))"));
    }
    Ok(Some(StdDuration::from_secs(seconds)))
}

/// Fields of the core's settings and the options that set them. A name that begins like another comes first.
const NAMES: &[(&str, &str)] = &[
    ("connect_timeout", "connect-timeout"),
    ("close_timeout", "close-timeout"),
    ("drain_timeout", "drain-timeout"),
    ("uart_retry", "uart-retry"),
    ("backoff.first", "backoff-first"),
    ("backoff.max", "backoff-max"),
    ("packing.max_len", "pack-length"),
    ("packing.gap", "pack-gap"),
    ("heartbeat.after", "heartbeat-after"),
    ("supervise.unacked", "unacked-limit"),
    ("supervise.silent", "silent-limit"),
    ("supervise.query", "ack-query"),
    ("the up ring", "up-buffer"),
    ("up", "up-buffer"),
    ("down", "down-buffer"),
    ("peers", "peer"),
];

/// The core's complaint in the words of the options.
fn named(error: &core::ConfigError) -> Fault {
    let key = NAMES.iter().find(|(field, _)| *field == error.field).map_or(error.field, |(_, key)| key);
    let mut must = error.must.to_owned();
    for (field, key) in NAMES.iter().filter(|(field, _)| field.contains(['.', ' '])) {
        must = must.replace(field, key);
    }
    Fault { key, problem: format!("must {must}") }
}

fn replace<T>(field: &mut T, written: Option<T>) {
    if let Some(value) = written {
        *field = value;
    }
}

fn fault<T>(key: &'static str, problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { key, problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(peer: &str, options: &str) -> Result<BridgeSpec, String> {
        let options: Options = toml::from_str(options).expect("options that parse");
        let uart = UartEndpoint::Pty { link: None };
        let peers = uartbridge::endpoint::peers(&[peer]).expect("peers");
        spec(options, "x".to_owned(), uart, peers).map_err(|fault| fault.to_string())
    }

    fn config(peer: &str, options: &str) -> Config<'static> {
        made(peer, options).expect("valid options").config
    }

    #[test]
    fn without_options_a_stream_gets_the_documented_defaults() {
        let spec = made("host:1", "").expect("defaults");
        let query = ACK_QUERY;
        let expected = Config {
            supervise: core::Supervise { query, ..Config::default().supervise },
            ..Config::default()
        };
        assert_eq!(spec.config, expected);
        assert_eq!((spec.up_buffer, spec.down_buffer), (1 << 20, 1 << 16));
        assert_eq!(spec.keepalive, Some(StdDuration::from_secs(15)));
        assert_eq!((spec.show, spec.trace, spec.reset_command), (None, None, None));
    }

    #[test]
    fn a_listener_waits_for_ever_and_comes_back_at_once() {
        let listening = config("tcp-listen://:0", "");
        assert!(listening.connect_timeout.is_never());
        assert_eq!((listening.backoff.first, listening.backoff.max), (LISTEN_AGAIN, LISTEN_AGAIN));
        assert!(!listening.backoff.jitter);
        assert_eq!(listening.backoff.stable_after, Duration::ZERO);
        assert_eq!(listening.ladder.next_peer, 0);
    }

    #[test]
    fn udp_packs_into_datagrams_that_fit_the_buffer() {
        let packing = config("udp://host:1", "").packing;
        assert!(packing.datagrams);
        assert_eq!((packing.max_len, packing.gap), (1400, DATAGRAM_GAP));
        assert_eq!(config("udp://host:1", "preset = 'tutorial'").packing.max_len, 1024);
        let packing = config("udp://host:1", "pack-gap = 'off'\npack-length = 100").packing;
        assert_eq!((packing.max_len, packing.gap), (100, Duration::NEVER));
        assert!(!config("host:1", "").packing.datagrams);
    }

    #[test]
    fn the_preset_is_a_base_for_the_other_options() {
        let spec = made("host:1", "preset = 'tutorial'\nup-buffer = '4KiB'\ngreeting = ''").expect("valid");
        assert_eq!((spec.up_buffer, spec.down_buffer), (4096, 1024));
        assert_eq!(spec.config.greeting, b"");
        assert_eq!(config("host:1", "preset = 'tutorial'").greeting, b"TCP  CONNECT");
        assert!(!config("host:1", "preset = 'tutorial'").backoff.jitter);
    }

    #[test]
    fn one_bound_of_the_back_off_moves_the_other() {
        let bounds = |options| {
            let backoff = config("host:1", options).backoff;
            (backoff.first.as_micros() / 1000, backoff.max.as_micros() / 1000)
        };
        assert_eq!(bounds("backoff-first = '1m'"), (60_000, 60_000));
        assert_eq!(bounds("backoff-first = '2s'"), (2_000, 30_000));
        assert_eq!(bounds("backoff-max = '100ms'"), (100, 100));
        let error = made("host:1", "backoff-first = '2s'\nbackoff-max = '1s'").expect_err("a contradiction");
        assert_eq!(error, "--backoff-first: must not exceed backoff-max");
    }

    #[test]
    fn every_option_reaches_its_field() {
        let all = config(
            "host:1",
            r"
            connect-timeout = '1s'
            close-timeout = '2s'
            drain-timeout = '3s'
            uart-retry = '4s'
            backoff-jitter = 'off'
            stable-after = '5s'
            unacked-limit = '6s'
            silent-limit = '7s'
            ack-query = '8s'
            next-peer-after = 9
            reset-after = 10
            reset-command = 'true'
            restart-after = 11
            greeting-hex = 'aa'
            heartbeat = 'h\n'
            heartbeat-after = '12s'
            pack-length = 13
            pack-gap = '14s'
            pack-delimiter = '\r\n'
            overflow = 'drop-newest'
            power = 'on-demand'
            linger = '15s'
            ",
        );
        let traced =
            made("host:1", "trace = '/x'\ntrace-bytes = true\ntrace-limit = '1MiB'").expect("valid").trace;
        assert_eq!(traced, Some(TraceFile { path: "/x".into(), content: true, limit: 1 << 20 }));
        let seconds = Duration::from_secs;
        assert_eq!([all.connect_timeout, all.close_timeout, all.drain_timeout], [1, 2, 3].map(seconds));
        assert_eq!([all.uart_retry, all.backoff.stable_after], [4, 5].map(seconds));
        assert!(!all.backoff.jitter);
        let supervise = core::Supervise { unacked: seconds(6), silent: seconds(7), query: seconds(8) };
        assert_eq!(all.supervise, supervise);
        assert_eq!((all.ladder.next_peer, all.ladder.reset_radio, all.ladder.restart), (9, 10, 11));
        assert_eq!(all.greeting, [0xaa]);
        assert_eq!((all.heartbeat.bytes, all.heartbeat.after), (&b"h\n"[..], seconds(12)));
        assert_eq!((all.packing.max_len, all.packing.gap), (13, seconds(14)));
        assert_eq!(all.packing.delimiter, Delimiter::new(b"\r\n"));
        assert_eq!(all.overflow, core::Overflow::DropNewest);
        assert_eq!(all.power, core::Power::OnDemand { linger: seconds(15) });
        assert_eq!(config("a:1", "power = 'doze'").power, core::Power::Doze { after: DOZE_AFTER });
    }

    #[test]
    fn what_cannot_work_names_its_option() {
        for (peer, options, expected) in [
            ("a:1", "up-buffer = 0", "--up-buffer: must hold at least 1 byte"),
            ("a:1", "down-buffer = 0", "--down-buffer: must hold at least 1 byte"),
            ("a:1", "up-buffer = '3GiB'", "--up-buffer: must hold less than 2 GiB"),
            ("a:1", "connect-timeout = '0s'", "--connect-timeout: must be above zero"),
            ("a:1", "close-timeout = 'never'", "--close-timeout: must end"),
            ("a:1", "drain-timeout = 'never'", "--drain-timeout: must end"),
            ("a:1", "uart-retry = '0s'", "--uart-retry: must be above zero"),
            ("a:1", "backoff-max = 'never'", "--backoff-max: must end"),
            ("a:1", "pack-length = '2MiB'", "--pack-length: must not exceed up-buffer"),
            ("udp://a:1", "pack-length = 0", "--pack-length: must be set for datagrams"),
            ("a:1", "pack-gap = '0s'", "--pack-gap: must be above zero"),
            ("a:1", "pack-delimiter = ''", "--pack-delimiter: has 1 to 4 bytes, and these are 0"),
            ("a:1", "pack-delimiter = 'hello'", "--pack-delimiter: has 1 to 4 bytes, and these are 5"),
            ("a:1", "heartbeat = 'x'\nheartbeat-after = '0s'", "--heartbeat-after: must be above zero"),
            ("a:1", "heartbeat = ''", "--heartbeat: is empty"),
            ("a:1", "heartbeat-hex = ''", "--heartbeat-hex: is empty"),
            ("a:1", "heartbeat-after = '1s'", "--heartbeat-after: is of no use without heartbeat"),
            ("a:1", "heartbeat = 'x'\nheartbeat-hex = '00'", "--heartbeat-hex: says the same as heartbeat"),
            ("a:1", "greeting = 'x'\ngreeting-hex = '00'", "--greeting-hex: says the same as greeting"),
            ("a:1", "unacked-limit = '0s'", "--unacked-limit: must be above zero"),
            ("a:1", "silent-limit = '0s'", "--silent-limit: must be above zero"),
            ("a:1", "ack-query = '0s'", "--ack-query: must be above zero"),
            ("a:1", "reset-after = 3", "--reset-after: needs reset-command"),
            ("a:1", "reset-command = 'true'", "--reset-command: is never run without reset-after"),
            ("a:1", "trace-bytes = true", "--trace-bytes: is of no use without trace"),
            ("a:1", "trace-limit = '1MiB'", "--trace-limit: is of no use without trace"),
            ("a:1", "trace = 'x'\ntrace-limit = 100", "--trace-limit: must be at least 4KiB"),
            ("a:1", "doze-after = '1s'", "--doze-after: is of no use without power doze"),
            ("a:1", "power = 'doze'\nlinger = '1s'", "--linger: is of no use without power on-demand"),
            ("a:1", "keepalive = '500ms'", "--keepalive: is off, or whole seconds from 1s to 32767s"),
            ("a:1", "keepalive = '10h'", "--keepalive: is off, or whole seconds from 1s to 32767s"),
            (
                "a:1",
                "up-buffer = 8\noverflow = 'drop-oldest'",
                "--up-buffer: must hold at least 16 bytes to drop",
            ),
        ] {
            let error = made(peer, options).expect_err(options);
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(made("a:1", "keepalive = 'off'").map(|spec| spec.keepalive), Ok(None));
    }
}
