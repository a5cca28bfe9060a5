//! Everything that one bridge is to do, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use uartbridge_core::Config;

use crate::endpoint::{NetEndpoint, UartEndpoint};

/// One bridge, ready to run. The settings hold for the peers together: they are all TCP or Unix sockets, all UDP,
/// or one end of another kind.
#[derive(Clone)]
pub struct BridgeSpec {
    /// What logs and counters call it; no two bridges of a process share it.
    pub name: String,
    /// The UART side.
    pub uart: UartEndpoint,
    /// The network side: 1 to 255 peers, as many as `config.peers` says, tried in turn.
    pub peers: Vec<NetEndpoint>,
    /// The policy; valid for the two buffers.
    pub config: Config<'static>,
    /// The up ring's capacity in bytes.
    pub up_buffer: usize,
    /// The down ring's capacity in bytes.
    pub down_buffer: usize,
    /// Idle time after which TCP probes the peer (`TCP_KEEPIDLE`), in whole seconds; `None`: no keep-alive.
    pub keepalive: Option<Duration>,
    /// Whether and how to show the traffic.
    pub show: Option<Show>,
    /// Whether and where to record everything that happens.
    pub trace: Option<TraceFile>,
    /// What a shell runs to bring the network back ([`Step::ResetRadio`](uartbridge_core::Step::ResetRadio)).
    pub reset_command: Option<String>,
}

/// A file for a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// Where. What is there already is kept beside it, as `….old`.
    pub path: PathBuf,
    /// The bytes that pass go into it, too; they may be secrets.
    pub content: bool,
    /// It grows to this many bytes.
    pub limit: u64,
}

/// How to show the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Show {
    /// As text, with control characters escaped.
    Text,
    /// In hexadecimal.
    Hex,
    /// Both, side by side.
    Both,
}

impl BridgeSpec {
    /// The span that all log lines of this bridge belong to: logs are labelled and rate-limited by it.
    pub fn span(&self) -> tracing::Span {
        tracing::error_span!("bridge", id = %self.name)
    }
}

impl std::fmt::Debug for BridgeSpec {
    /// Without the settings, because greeting and heartbeat may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, uart, peers, .. } = self;
        f.debug_struct("BridgeSpec")
            .field("name", name)
            .field("uart", uart)
            .field("peers", peers)
            .finish_non_exhaustive()
    }
}
