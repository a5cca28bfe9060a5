//! The options that concern all bridges of the process. A file's keys are their names.

use std::sync::LazyLock;

use clap::Args;
use serde::Deserialize;

use super::values::{LogFormat, LogLevel};

/// What concerns all bridges of the process. A file has these keys at its top; the command line wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Process {
    /// How much to log [default: info]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = PROGRAM)]
    pub(super) log_level: Option<LogLevel>,
    /// How to log [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = PROGRAM)]
    pub(super) log_format: Option<LogFormat>,
    /// Tell systemd when ready, and that the bridges make progress (Type=notify, WatchdogSec=)
    #[arg(long, global = true, num_args = 0, default_missing_value = "true", help_heading = PROGRAM)]
    pub(super) watchdog: Option<bool>,
}

impl Process {
    /// The names of all of these, without dashes.
    pub(super) fn keys() -> &'static [String] {
        static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
            let all = Process::augment_args(clap::Command::new("process"));
            all.get_arguments().filter_map(|option| option.get_long().map(str::to_owned)).collect()
        });
        &KEYS
    }

    /// These, and where they say nothing, `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            log_level: self.log_level.or(other.log_level),
            log_format: self.log_format.or(other.log_format),
            watchdog: self.watchdog.or(other.watchdog),
        }
    }
}

const PROGRAM: &str = "Program";
