//! The options of one bridge. A file's keys are their names.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Args;
use serde::Deserialize;

use super::values::{Hex, Overflow, Power, Preset, Show, Size, Span, Switch, Text};

/// What was written; what was not is `None`, because the defaults depend on the ends and on the preset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Options {
    /// What logs and counters call this bridge [default: the UART side's name]
    #[arg(long, value_name = "NAME", help_heading = GENERAL)]
    pub(super) name: Option<String>,
    /// Start from the settings of the Air780E's tutorial
    #[arg(long, value_name = "PRESET", help_heading = GENERAL)]
    pub(super) preset: Option<Preset>,
    /// Print the bytes that pass, with time stamps
    #[arg(long, value_name = "HOW", help_heading = GENERAL)]
    pub(super) show: Option<Show>,

    /// Record every event and action, with times; a file that is there is kept as FILE.old
    #[arg(long, value_name = "FILE", help_heading = TRACE)]
    pub(super) trace: Option<PathBuf>,
    /// With the bytes that pass: they may be secrets
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = TRACE)]
    pub(super) trace_bytes: Option<bool>,
    /// The trace ends when it has grown to this; the bridge goes on [default: 64MiB]
    #[arg(long, value_name = "BYTES", help_heading = TRACE)]
    pub(super) trace_limit: Option<Size>,

    /// What may wait for the network [default: 1MiB]
    #[arg(long, value_name = "BYTES", help_heading = BUFFERS)]
    pub(super) up_buffer: Option<Size>,
    /// What may wait for the UART [default: 64KiB]
    #[arg(long, value_name = "BYTES", help_heading = BUFFERS)]
    pub(super) down_buffer: Option<Size>,
    /// When the up buffer is full [default: block]
    #[arg(long, value_name = "POLICY", help_heading = BUFFERS)]
    pub(super) overflow: Option<Overflow>,

    /// Limit for looking up a name and connecting [default: 15s; listeners: off]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) connect_timeout: Option<Span>,
    /// Limit for closing in order [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) close_timeout: Option<Span>,
    /// Limit for delivering what is held when the program is told to end [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) drain_timeout: Option<Span>,
    /// Pause between attempts to open an absent UART [default: 500ms]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) uart_retry: Option<Span>,
    /// Longest pause after the first failure; it doubles with each one [default: 1s; listeners: 10ms]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) backoff_first: Option<Span>,
    /// Longest pause after any failure [default: 30s; listeners: 10ms]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) backoff_max: Option<Span>,
    /// Draw the pause at random, from 0 to its bound [default: on; listeners: off]
    #[arg(long, value_name = "on|off", help_heading = LINK)]
    pub(super) backoff_jitter: Option<Switch>,
    /// A connection that lasted this long ends a row of failures [default: 10s; listeners:
    /// 0s]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) stable_after: Option<Span>,
    /// Idle time before TCP asks whether the peer is still there, or off [default: 15s]
    #[arg(long, value_name = "TIME", help_heading = LINK)]
    pub(super) keepalive: Option<Span>,

    /// Reconnect if the peer acknowledges nothing for this long [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = SUPERVISION)]
    pub(super) unacked_limit: Option<Span>,
    /// Reconnect if the peer sends nothing for this long [default: off]
    #[arg(long, value_name = "TIME", help_heading = SUPERVISION)]
    pub(super) silent_limit: Option<Span>,
    /// Ask this often what the peer has acknowledged, while bytes are outstanding [default: 200ms]
    #[arg(long, value_name = "TIME", help_heading = SUPERVISION)]
    pub(super) ack_query: Option<Span>,
    /// Turn to the next peer after so many failures in a row; 0: never [default: 1]
    #[arg(long, value_name = "N", help_heading = SUPERVISION)]
    pub(super) next_peer_after: Option<u16>,
    /// Run --reset-command after so many failures in a row; 0: never [default: 0]
    #[arg(long, value_name = "N", help_heading = SUPERVISION)]
    pub(super) reset_after: Option<u16>,
    /// What brings the network back, for the shell
    #[arg(long, value_name = "COMMAND", help_heading = SUPERVISION)]
    pub(super) reset_command: Option<String>,
    /// End the program after so many failures in a row, so that it is restarted; 0: never [default: 0]
    #[arg(long, value_name = "N", help_heading = SUPERVISION)]
    pub(super) restart_after: Option<u16>,

    /// Send this at the start of each connection; \r \n \t \xNN \\ stand for bytes
    #[arg(long, value_name = "TEXT", help_heading = CONTENT)]
    pub(super) greeting: Option<Text>,
    /// The same, written in hexadecimal
    #[arg(long, value_name = "HEX", help_heading = CONTENT)]
    pub(super) greeting_hex: Option<Hex>,
    /// Send this when nothing else was sent for a while; \r \n \t \xNN \\ stand for bytes
    #[arg(long, value_name = "TEXT", help_heading = CONTENT)]
    pub(super) heartbeat: Option<Text>,
    /// The same, written in hexadecimal
    #[arg(long, value_name = "HEX", help_heading = CONTENT)]
    pub(super) heartbeat_hex: Option<Hex>,
    /// That while [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = CONTENT)]
    pub(super) heartbeat_after: Option<Span>,

    /// A packet ends at this length; 0: not by length [default: 0; udp: 1400]
    #[arg(long, value_name = "BYTES", help_heading = PACKING)]
    pub(super) pack_length: Option<Size>,
    /// A packet ends when the UART has been quiet this long [default: off; udp: 10ms]
    #[arg(long, value_name = "TIME", help_heading = PACKING)]
    pub(super) pack_gap: Option<Span>,
    /// A packet ends after these 1 to 4 bytes, such as \r\n
    #[arg(long, value_name = "TEXT", help_heading = PACKING)]
    pub(super) pack_delimiter: Option<Text>,

    /// Whether to stay connected [default: always-on]
    #[arg(long, value_name = "PLAN", help_heading = POWER)]
    pub(super) power: Option<Power>,
    /// With --power doze: quiet after this long without a byte [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = POWER)]
    pub(super) doze_after: Option<Span>,
    /// With --power on-demand: disconnect after this long without a byte [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = POWER)]
    pub(super) linger: Option<Span>,
}

impl Options {
    /// The names of all options, without dashes.
    pub(super) fn keys() -> &'static [String] {
        static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
            let all = Options::augment_args(clap::Command::new("options"));
            all.get_arguments().filter_map(|option| option.get_long().map(str::to_owned)).collect()
        });
        &KEYS
    }
}

const GENERAL: &str = "Bridge";
const TRACE: &str = "Trace";
const BUFFERS: &str = "Buffers";
const LINK: &str = "Connecting";
const SUPERVISION: &str = "Supervision";
const CONTENT: &str = "Greeting and heartbeat";
const PACKING: &str = "Packing";
const POWER: &str = "Power";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_every_option_by_its_name() {
        let keys = Options::keys();
        assert!(keys.len() > 30, "{keys:?}");
        for key in keys {
            let error = toml::from_str::<Options>(&format!("{key} = [1]"))
                .expect_err("no option is a list")
                .to_string();
            assert!(!error.contains("unknown field"), "{error}");
        }
        assert!(toml::from_str::<Options>("no-such-option = 1").is_err());
    }

    #[test]
    fn values_are_written_as_on_the_command_line() {
        let text = r#"
            up-buffer = "2MiB"
            down-buffer = 4096
            backoff-jitter = false
            connect-timeout = "never"
            pack-delimiter = '\r\n'
            next-peer-after = 3
            overflow = "drop-oldest"
        "#;
        let options: Options = toml::from_str(text).expect("valid");
        assert_eq!(options.up_buffer, Some(Size(2 << 20)));
        assert_eq!(options.down_buffer, Some(Size(4096)));
        assert_eq!(options.backoff_jitter, Some(Switch(false)));
        assert_eq!(options.connect_timeout, Some(Span(uartbridge_core::Duration::NEVER)));
        assert_eq!(options.pack_delimiter, Some(Text(b"\r\n".to_vec())));
        assert_eq!(options.next_peer_after, Some(3));
        assert_eq!(options.overflow, Some(Overflow::DropOldest));
    }
}
