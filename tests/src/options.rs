//! The options of a scenario as settings of the core, with the program's defaults.

use std::str::FromStr;

use uartbridge_core::{Config, Delimiter, Duration, Overflow, Power};

use crate::scenario::{Scenario, Transport};
use crate::words::unescape;

/// Ring sizes and settings, as the program would make them from the same options.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For [`uartbridge_core::Bridge::new`].
    pub config: Config<'static>,
    /// Bytes in the up ring.
    pub up: usize,
    /// Bytes in the down ring.
    pub down: usize,
}

/// The settings that `scenario` asks for. Texts live as long as the process.
///
/// # Errors
/// An option that there is not, or a value that makes no sense.
pub fn settings(scenario: &Scenario) -> Result<Settings, String> {
    let mut config = Config { peers: u8::try_from(scenario.peers).unwrap_or(u8::MAX), ..Config::default() };
    config.supervise.query = Duration::from_millis(200);
    let mut settings = Settings { config, up: 1024 * 1024, down: 64 * 1024 };
    if scenario.transport == Transport::Udp {
        settings.config.packing.datagrams = true;
        settings.config.packing.max_len = 1400;
        settings.config.packing.gap = Duration::from_millis(10);
    }
    // The preset is the base for the others, wherever it stands.
    let presets = scenario.options.iter().filter(|(name, _)| name == "preset");
    let others = scenario.options.iter().filter(|(name, _)| name != "preset");
    for (name, value) in presets.chain(others) {
        set(&mut settings, name, value).map_err(|why| format!("option {name} {value}: {why}"))?;
    }
    settled(&mut settings, &scenario.options);
    Ok(settings)
}

/// Defaults that give way to what was said.
fn settled(settings: &mut Settings, options: &[(String, String)]) {
    let said = |name: &str| options.iter().any(|(option, _)| option == name);
    let Settings { config, up, .. } = settings;
    let backoff = &mut config.backoff;
    match (said("backoff-first"), said("backoff-max")) {
        (true, false) => backoff.max = backoff.max.max(backoff.first),
        (false, true) => backoff.first = backoff.first.min(backoff.max),
        (true, true) | (false, false) => {}
    }
    if !said("pack-length") {
        config.packing.max_len = config.packing.max_len.min(*up);
    }
    if said("heartbeat") && !said("heartbeat-after") {
        config.heartbeat.after = Duration::from_secs(60);
    }
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), String> {
    let config = &mut settings.config;
    match name {
        "preset" if value == "tutorial" => {
            let peers = config.peers;
            *config = Config { peers, packing: config.packing, ..Config::tutorial() };
            (settings.up, settings.down) = (Config::TUTORIAL_RING, Config::TUTORIAL_RING);
        }
        "up-buffer" => settings.up = bytes(value)?,
        "down-buffer" => settings.down = bytes(value)?,
        "greeting" => config.greeting = text(value)?,
        "connect-timeout" => config.connect_timeout = span(value)?,
        "close-timeout" => config.close_timeout = span(value)?,
        "drain-timeout" => config.drain_timeout = span(value)?,
        "uart-retry" => config.uart_retry = span(value)?,
        "backoff-first" => config.backoff.first = span(value)?,
        "backoff-max" => config.backoff.max = span(value)?,
        "backoff-jitter" => config.backoff.jitter = value == "on",
        "stable-after" => config.backoff.stable_after = span(value)?,
        "pack-length" => config.packing.max_len = bytes(value)?,
        "pack-gap" => config.packing.gap = span(value)?,
        "pack-delimiter" => {
            let mark = Delimiter::new(text(value)?).ok_or("a delimiter has 1 to 4 bytes")?;
            config.packing.delimiter = Some(mark);
        }
        "heartbeat" => config.heartbeat.bytes = text(value)?,
        "heartbeat-after" => config.heartbeat.after = span(value)?,
        "unacked-limit" => config.supervise.unacked = span(value)?,
        "silent-limit" => config.supervise.silent = span(value)?,
        "ack-query" => config.supervise.query = span(value)?,
        "next-peer-after" => config.ladder.next_peer = number(value)?,
        "reset-after" => config.ladder.reset_radio = number(value)?,
        "restart-after" => config.ladder.restart = number(value)?,
        "overflow" => {
            config.overflow = match value {
                "block" => Overflow::Block,
                "drop-oldest" => Overflow::DropOldest,
                "drop-newest" => Overflow::DropNewest,
                _ => return Err("block, drop-oldest or drop-newest".into()),
            }
        }
        "power" => {
            config.power = match value {
                "always-on" => Power::AlwaysOn,
                "doze" => Power::Doze { after: Duration::from_secs(1) },
                "on-demand" => Power::OnDemand { linger: Duration::from_secs(10) },
                _ => return Err("always-on, doze or on-demand".into()),
            }
        }
        "doze-after" => config.power = Power::Doze { after: span(value)? },
        "linger" => config.power = Power::OnDemand { linger: span(value)? },
        _ => return Err("no such option".into()),
    }
    Ok(())
}

fn text(value: &str) -> Result<&'static [u8], String> {
    unescape(value).map(|bytes| &*bytes.leak())
}

fn number(value: &str) -> Result<u16, String> {
    value.parse().map_err(|error| format!("{error}"))
}

/// A size, as the program takes it.
pub(crate) fn bytes(value: &str) -> Result<usize, String> {
    let size = bytesize::ByteSize::from_str(value)?;
    usize::try_from(size.as_u64()).map_err(|error| error.to_string())
}

fn span(value: &str) -> Result<Duration, String> {
    match duration(value)? {
        None => Ok(Duration::NEVER),
        Some(span) => {
            u64::try_from(span.as_micros()).map(Duration::from_micros).map_err(|error| error.to_string())
        }
    }
}

/// A time, as the program takes it; none that never comes.
pub(crate) fn duration(value: &str) -> Result<Option<core::time::Duration>, String> {
    if matches!(value, "off" | "never") {
        return Ok(None);
    }
    humantime::parse_duration(value).map(Some).map_err(|error| error.to_string())
}
