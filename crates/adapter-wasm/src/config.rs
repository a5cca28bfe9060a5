//! The core's policies by the names that the options have on Linux, in JavaScript's spelling: sizes in bytes, times in ms.

use uartbridge_core::{Config, ConfigError, Delimiter, Duration, Overflow, Power};

/// A value as JavaScript gave it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Switch(bool),
    /// A text.
    Text(String),
    /// A `Uint8Array`.
    Bytes(Vec<u8>),
}

/// What a bridge is made of besides its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The core's settings, greeting and heartbeat apart.
    pub config: Config<'static>,
    /// Said at the start of each connection.
    pub greeting: Vec<u8>,
    /// Said when nothing else is.
    pub heartbeat: Vec<u8>,
    /// The up ring, in bytes.
    pub up_buffer: usize,
    /// The down ring, in bytes.
    pub down_buffer: usize,
}

/// The up ring's default capacity in bytes: a minute and a half at 115200 baud.
const UP_BUFFER: usize = 1 << 20;
/// The down ring's.
const DOWN_BUFFER: usize = 64 << 10;
/// The most that a ring may hold; what a tab has is not endless.
const MAX_BUFFER: f64 = (256 << 20) as f64;
/// Asking the relay costs two short messages.
const ACK_QUERY: Duration = Duration::from_millis(200);
const HEARTBEAT_AFTER: Duration = Duration::from_secs(60);
const DOZE_AFTER: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(10);

/// The settings for so many peers that these options make; without any, the defaults. An option that is given twice counts as
/// given last.
///
/// # Errors
/// The first option that cannot work, and what to do.
pub fn settings(peers: usize, options: &[(String, Value)]) -> Result<Settings, String> {
    let mut made = base(peers, options)?;
    let config = &mut made.config;
    let (mut first, mut max) = (None, None);
    let (mut heartbeat_after, mut plan, mut doze_after, mut linger) = (None, "always-on", None, None);
    for (name, value) in options {
        let option = Given { name, value };
        match name.as_str() {
            "preset" => {}
            "upBuffer" => made.up_buffer = option.size()?,
            "downBuffer" => made.down_buffer = option.size()?,
            "overflow" => config.overflow = option.overflow()?,
            "connectTimeout" => config.connect_timeout = option.span()?,
            "closeTimeout" => config.close_timeout = option.span()?,
            "drainTimeout" => config.drain_timeout = option.span()?,
            "uartRetry" => config.uart_retry = option.span()?,
            "backoffFirst" => first = Some(option.span()?),
            "backoffMax" => max = Some(option.span()?),
            "backoffJitter" => config.backoff.jitter = option.switch()?,
            "stableAfter" => config.backoff.stable_after = option.span()?,
            "unackedLimit" => config.supervise.unacked = option.span()?,
            "silentLimit" => config.supervise.silent = option.span()?,
            "ackQuery" => config.supervise.query = option.span()?,
            "nextPeerAfter" => config.ladder.next_peer = option.count()?,
            "restartAfter" => config.ladder.restart = option.count()?,
            "greeting" => made.greeting = option.bytes()?,
            "heartbeat" => made.heartbeat = option.bytes()?,
            "heartbeatAfter" => heartbeat_after = Some(option.span()?),
            "packLength" => config.packing.max_len = option.size()?,
            "packGap" => config.packing.gap = option.span()?,
            "packDelimiter" => config.packing.delimiter = Some(option.delimiter()?),
            "power" => plan = option.text()?,
            "dozeAfter" => doze_after = Some(option.span()?),
            "linger" => linger = Some(option.span()?),
            _ => return Err(unknown(name)),
        }
    }
    // Who sets one bound of the pause does not want to be told about the default of the other.
    let backoff = &mut config.backoff;
    (backoff.first, backoff.max) = match (first, max) {
        (Some(first), Some(max)) => (first, max),
        (Some(first), None) => (first, backoff.max.max(first)),
        (None, Some(max)) => (backoff.first.min(max), max),
        (None, None) => (backoff.first, backoff.max),
    };
    config.power = power(plan, doze_after, linger)?;
    match (made.heartbeat.is_empty(), heartbeat_after) {
        (true, Some(_)) => {
            return Err("heartbeatAfter is of no use without heartbeat, which says what to send".to_owned());
        }
        (true, None) => {}
        (false, after) => config.heartbeat.after = after.unwrap_or(HEARTBEAT_AFTER),
    }
    config.validate(made.up_buffer, made.down_buffer).map_err(|error| named(&error))?;
    Ok(made)
}

fn base(peers: usize, options: &[(String, Value)]) -> Result<Settings, String> {
    let preset = options.iter().rfind(|(name, _)| name == "preset").map(|(_, value)| value);
    let (mut config, up_buffer, down_buffer) = match preset {
        None => (Config::DEFAULT, UP_BUFFER, DOWN_BUFFER),
        Some(Value::Text(word)) if word == "tutorial" => {
            (Config::tutorial(), Config::TUTORIAL_RING, Config::TUTORIAL_RING)
        }
        Some(_) => return Err("preset must be \"tutorial\"".to_owned()),
    };
    // Without any, the bytes go nowhere, which is one place.
    config.peers = u8::try_from(peers.max(1)).map_err(|_| "peers: no more than 255".to_owned())?;
    config.supervise.query = ACK_QUERY;
    let greeting = core::mem::take(&mut config.greeting).to_vec();
    Ok(Settings { config, greeting, heartbeat: Vec::new(), up_buffer, down_buffer })
}

fn power(plan: &str, doze_after: Option<Duration>, linger: Option<Duration>) -> Result<Power, String> {
    match (plan, doze_after, linger) {
        ("always-on", None, None) => Ok(Power::AlwaysOn),
        ("doze", after, None) => Ok(Power::Doze { after: after.unwrap_or(DOZE_AFTER) }),
        ("on-demand", None, linger) => Ok(Power::OnDemand { linger: linger.unwrap_or(LINGER) }),
        ("always-on" | "on-demand", Some(_), _) => {
            Err("dozeAfter is of no use without power \"doze\"".to_owned())
        }
        ("always-on" | "doze", _, Some(_)) => {
            Err("linger is of no use without power \"on-demand\"".to_owned())
        }
        (_, _, _) => Err("power must be \"always-on\", \"doze\" or \"on-demand\"".to_owned()),
    }
}

/// One option.
struct Given<'a> {
    name: &'a str,
    value: &'a Value,
}

impl<'a> Given<'a> {
    fn wrong<T>(&self, must: &str) -> Result<T, String> {
        Err(format!("{} must be {must}", self.name))
    }

    fn size(&self) -> Result<usize, String> {
        match self.value {
            // Both ends were checked.
            Value::Number(n) if (0.0..=MAX_BUFFER).contains(n) && n.fract() == 0.0 => Ok(*n as usize),
            Value::Number(_) | Value::Switch(_) | Value::Text(_) | Value::Bytes(_) => {
                self.wrong("a whole number of bytes, 268435456 (256 MiB) at most")
            }
        }
    }

    fn count(&self) -> Result<u16, String> {
        match self.value {
            // Both ends were checked.
            Value::Number(n) if (0.0..=65_535.0).contains(n) && n.fract() == 0.0 => Ok(*n as u16),
            Value::Number(_) | Value::Switch(_) | Value::Text(_) | Value::Bytes(_) => {
                self.wrong("a whole number from 0 to 65535")
            }
        }
    }

    /// Milliseconds; `Infinity` never comes.
    fn span(&self) -> Result<Duration, String> {
        match self.value {
            Value::Number(n) if *n == f64::INFINITY => Ok(Duration::NEVER),
            Value::Number(n) if (0.0..=1e12).contains(n) => {
                Ok(Duration::from_micros((n * 1_000.0).round() as u64))
            }
            Value::Number(_) | Value::Switch(_) | Value::Text(_) | Value::Bytes(_) => {
                self.wrong("a time in milliseconds, or Infinity for never")
            }
        }
    }

    fn switch(&self) -> Result<bool, String> {
        match self.value {
            Value::Switch(on) => Ok(*on),
            Value::Number(_) | Value::Text(_) | Value::Bytes(_) => self.wrong("true or false"),
        }
    }

    fn text(&self) -> Result<&'a str, String> {
        match self.value {
            Value::Text(text) => Ok(text),
            Value::Number(_) | Value::Switch(_) | Value::Bytes(_) => self.wrong("a text"),
        }
    }

    /// A text stands for its UTF-8.
    fn bytes(&self) -> Result<Vec<u8>, String> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes.clone()),
            Value::Text(text) => Ok(text.clone().into_bytes()),
            Value::Number(_) | Value::Switch(_) => self.wrong("a Uint8Array or a text"),
        }
    }

    fn delimiter(&self) -> Result<Delimiter, String> {
        match Delimiter::new(&self.bytes()?) {
            Some(delimiter) => Ok(delimiter),
            None => self.wrong("1 to 4 bytes"),
        }
    }

    fn overflow(&self) -> Result<Overflow, String> {
        match self.text()? {
            "block" => Ok(Overflow::Block),
            "drop-oldest" => Ok(Overflow::DropOldest),
            "drop-newest" => Ok(Overflow::DropNewest),
            _ => self.wrong("\"block\", \"drop-oldest\" or \"drop-newest\""),
        }
    }
}

/// Options of the program on Linux that mean nothing here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("keepalive", "the relay's TCP has it"),
    ("resetAfter", "a page cannot reset a network"),
    ("resetCommand", "a page cannot run commands"),
    ("show", "traffic comes as events"),
    ("name", "the page names its bridge itself"),
    ("greetingHex", "give greeting as a Uint8Array"),
    ("heartbeatHex", "give heartbeat as a Uint8Array"),
];

fn unknown(name: &str) -> String {
    match ELSEWHERE.iter().find(|(option, _)| *option == name) {
        Some((_, why)) => format!("{name} is no option in a browser: {why}"),
        None => format!(
            "there is no option {name}; their names are those of `uartbridge --help`, written like upBuffer"
        ),
    }
}

/// Fields of the core's settings and the options that set them.
const NAMES: &[(&str, &str)] = &[
    ("connect_timeout", "connectTimeout"),
    ("close_timeout", "closeTimeout"),
    ("drain_timeout", "drainTimeout"),
    ("uart_retry", "uartRetry"),
    ("backoff.first", "backoffFirst"),
    ("backoff.max", "backoffMax"),
    ("packing.max_len", "packLength"),
    ("packing.gap", "packGap"),
    ("heartbeat.after", "heartbeatAfter"),
    ("supervise.unacked", "unackedLimit"),
    ("supervise.silent", "silentLimit"),
    ("supervise.query", "ackQuery"),
    ("the up ring", "upBuffer"),
    ("up", "upBuffer"),
    ("down", "downBuffer"),
];

/// The core's complaint in the words of the options.
fn named(error: &ConfigError) -> String {
    let key = NAMES.iter().find(|(field, _)| *field == error.field).map_or(error.field, |(_, key)| key);
    let mut must = error.must.to_owned();
    for (field, key) in NAMES.iter().filter(|(field, _)| field.contains(['.', ' '])) {
        must = must.replace(field, key);
    }
    format!("{key} must {must}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: &[(&str, Value)]) -> Result<Settings, String> {
        let options: Vec<_> =
            options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        settings(1, &options)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn without_options_it_is_as_on_linux() {
        let made = made(&[]).expect("defaults");
        assert_eq!((made.up_buffer, made.down_buffer), (1 << 20, 1 << 16));
        let mut expected = Config::DEFAULT;
        expected.supervise.query = Duration::from_millis(200);
        assert_eq!(made.config, expected);
    }

    #[test]
    fn the_preset_is_a_base_for_the_other_options() {
        let made = made(&[("upBuffer", Value::Number(4096.0)), ("preset", text("tutorial"))]).expect("valid");
        assert_eq!((made.up_buffer, made.down_buffer), (4096, 1024));
        assert_eq!(made.greeting, b"TCP  CONNECT");
        assert!(!made.config.backoff.jitter);
    }

    #[test]
    fn values_are_taken_in_javascript_s_units() {
        let made = made(&[
            ("connectTimeout", Value::Number(1500.0)),
            ("silentLimit", Value::Number(f64::INFINITY)),
            ("packDelimiter", Value::Bytes(b"\r\n".to_vec())),
            ("heartbeat", text("hé")),
            ("heartbeatAfter", Value::Number(0.5)),
            ("backoffFirst", Value::Number(60_000.0)),
            ("overflow", text("drop-oldest")),
            ("power", text("on-demand")),
        ])
        .expect("valid");
        let config = made.config;
        assert_eq!(config.connect_timeout, Duration::from_millis(1500));
        assert!(config.supervise.silent.is_never());
        assert_eq!(config.packing.delimiter, Delimiter::new(b"\r\n"));
        assert_eq!(
            (made.heartbeat.as_slice(), config.heartbeat.after),
            ("hé".as_bytes(), Duration::from_micros(500))
        );
        assert_eq!(
            (config.backoff.first, config.backoff.max),
            (Duration::from_secs(60), Duration::from_secs(60))
        );
        assert_eq!(
            (config.overflow, config.power),
            (Overflow::DropOldest, Power::OnDemand { linger: LINGER })
        );
    }

    #[test]
    fn what_cannot_work_is_said_with_the_option_s_name() {
        for (options, said) in [
            (vec![("upBufer", Value::Number(1.0))], "there is no option upBufer"),
            (vec![("keepalive", Value::Number(1.0))], "keepalive is no option in a browser"),
            (vec![("upBuffer", Value::Number(-1.0))], "upBuffer must be a whole number"),
            (vec![("upBuffer", Value::Number(0.0))], "upBuffer must hold at least 1 byte"),
            (vec![("connectTimeout", Value::Number(f64::NAN))], "connectTimeout must be a time"),
            (vec![("connectTimeout", Value::Number(0.0))], "connectTimeout must be above zero"),
            (vec![("closeTimeout", Value::Number(f64::INFINITY))], "closeTimeout must end"),
            (vec![("packLength", Value::Number(2e6))], "packLength must not exceed upBuffer"),
            (vec![("packDelimiter", text(""))], "packDelimiter must be 1 to 4 bytes"),
            (vec![("linger", Value::Number(1.0))], "linger is of no use"),
            (vec![("heartbeatAfter", Value::Number(1.0))], "heartbeatAfter is of no use"),
            (vec![("power", text("off"))], "power must be"),
            (vec![("preset", text("x"))], "preset must be"),
            (vec![("backoffJitter", Value::Number(1.0))], "backoffJitter must be true or false"),
        ] {
            let error = made(&options).expect_err(said);
            assert!(error.starts_with(said), "{error}");
        }
    }
}
