//! The process around the bridges: one task each, signals, the service manager, the exit code.

mod demo;
mod notify;
mod show;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;
use uartbridge::endpoint::UartEndpoint;
use uartbridge::ends::{OpenFailure, OpenUart};
use uartbridge::run::{Observer, Orders, PagedBridge, RunError, run};
use uartbridge::sock::{Peers, TcpOptions};
use uartbridge::spec::BridgeSpec;
use uartbridge::storage::Storage;
use uartbridge::uart::Uart;
use uartbridge_core::{LinkState, Overflow, Stats, Step};

pub(crate) use demo::{Demo, demo};
use notify::Service;
use show::{Out, Traffic};

/// Exit codes of sysexits.h, for what can go wrong once everything is parsed.
mod exit {
    pub(super) const UNAVAILABLE: u8 = 69;
    pub(super) const SOFTWARE: u8 = 70;
    pub(super) const IO: u8 = 74;
    pub(super) const TRY_AGAIN: u8 = 75;
    pub(super) const NO_INPUT: u8 = 66;
    pub(super) const CONFIG: u8 = 78;
}

/// Runs all bridges until they have finished: each ends by itself when its UART is a pipe that ends, and all of them
/// on SIGTERM, SIGINT or SIGHUP.
pub(crate) fn bridges(specs: Vec<BridgeSpec>, watchdog: bool) -> ExitCode {
    raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(exit::IO);
        }
    };
    let code = runtime.block_on(async {
        let service = Service::new(watchdog, specs.len());
        match start(specs, &service).await {
            Ok(tasks) => supervise(tasks, service).await,
            Err(code) => code,
        }
    });
    // A name look-up may still be waiting in a thread of its own; nobody needs its answer.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// The bridges at work.
struct Tasks {
    running: JoinSet<u8>,
    orders: watch::Sender<Orders>,
    alive: Vec<Arc<AtomicU64>>,
}

async fn start(specs: Vec<BridgeSpec>, service: &Service) -> Result<Tasks, u8> {
    let orders = watch::Sender::new(Orders::default());
    let mut tasks = Tasks { running: JoinSet::new(), orders, alive: Vec::new() };
    for spec in specs {
        let span = spec.span();
        let prepared = prepare(&spec).instrument(span.clone()).await.map_err(|(code, text)| {
            span.in_scope(|| tracing::error!("{text}"));
            code
        })?;
        let watcher = Watcher::new(&spec, service);
        tasks.alive.push(Arc::clone(&watcher.alive));
        tasks.running.spawn(one(spec, prepared, watcher, tasks.orders.subscribe()).instrument(span));
    }
    Ok(tasks)
}

/// Binds and allocates what must be there from the start.
async fn prepare(spec: &BridgeSpec) -> Result<(PagedBridge, Peers), (u8, String)> {
    let ring = |option: &str, bytes: usize| {
        Storage::new(bytes).map_err(|error| {
            (exit::UNAVAILABLE, format!("--{option} {bytes}: no memory for it: {error}; make it smaller"))
        })
    };
    let rings = (ring("up-buffer", spec.up_buffer)?, ring("down-buffer", spec.down_buffer)?);
    let bridge = PagedBridge::new(spec.config, seed(), rings.0, rings.1)
        .map_err(|error| (exit::CONFIG, error.to_string()))?;
    let unacked = spec.config.supervise.unacked;
    let options = TcpOptions {
        keepalive: spec.keepalive,
        user_timeout: (!unacked.is_never()).then(|| Duration::from_micros(unacked.as_micros())),
    };
    let peers = Peers::new(spec.peers.clone(), options).await.map_err(|text| (exit::UNAVAILABLE, text))?;
    Ok((bridge, peers))
}

async fn one(
    spec: BridgeSpec,
    (mut bridge, peers): (PagedBridge, Peers),
    mut watcher: Watcher,
    orders: watch::Receiver<Orders>,
) -> u8 {
    let ended = run(&mut bridge, Opener(spec.uart), peers, orders, &mut watcher).await;
    watcher.alive.store(u64::MAX, Ordering::Relaxed);
    let stats = bridge.stats();
    report("final counters", &stats);
    let (code, error) = match ended {
        Ok(()) => (0, None),
        Err(error) => (
            match error {
                RunError::Uart(_) => exit::NO_INPUT,
                RunError::Restart => exit::TRY_AGAIN,
                RunError::Misuse(_) => exit::SOFTWARE,
            },
            Some(error),
        ),
    };
    if let Some(error) = error {
        tracing::error!("{error}");
    }
    if stats.up_held + stats.down_held > 0 {
        tracing::warn!(
            "not delivered: {} bytes from the UART, {} bytes from the network",
            stats.up_held,
            stats.down_held
        );
        return code.max(exit::TRY_AGAIN);
    }
    code
}

/// Hands signals to the bridges and waits for the last one.
async fn supervise(mut tasks: Tasks, mut service: Service) -> u8 {
    let signals =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::user_defined1()];
    let [mut term, mut int, mut hup, mut usr1] = match signals.map(signal) {
        [Ok(term), Ok(int), Ok(hup), Ok(usr1)] => [term, int, hup, usr1],
        [..] => {
            tracing::error!("cannot wait for signals");
            return exit::IO;
        }
    };
    service.ready();
    let mut worst = 0;
    loop {
        let stop = tokio::select! {
            ended = tasks.running.join_next() => match ended {
                Some(code) => {
                    worst = worst.max(code.unwrap_or(exit::SOFTWARE));
                    false
                }
                None => return worst,
            },
            _ = term.recv() => true,
            _ = int.recv() => true,
            _ = hup.recv() => true,
            _ = usr1.recv() => {
                tasks.orders.send_modify(|orders| orders.report += 1);
                false
            }
            () = service.tick() => {
                let ping = tasks.orders.borrow().ping;
                if tasks.alive.iter().all(|alive| alive.load(Ordering::Relaxed) >= ping) {
                    service.feed();
                }
                tasks.orders.send_modify(|orders| orders.ping += 1);
                false
            }
        };
        if stop && tasks.orders.borrow().stop {
            tracing::warn!("stopped at once; what was held is lost");
            return exit::TRY_AGAIN;
        }
        if stop {
            tracing::info!("stopping: delivering what is held; a second signal ends at once");
            service.stopping();
            tasks.orders.send_modify(|orders| orders.stop = true);
        }
    }
}

/// Watches one bridge for the user and the service manager.
struct Watcher {
    alive: Arc<AtomicU64>,
    traffic: Option<Traffic>,
    reset_command: Option<String>,
    status: notify::Status,
    overflow: Overflow,
    dropped: u64,
}

impl Watcher {
    fn new(spec: &BridgeSpec, service: &Service) -> Self {
        Self {
            alive: Arc::default(),
            traffic: spec.show.map(|show| Traffic::new(Out::Error, show, &spec.name)),
            reset_command: spec.reset_command.clone(),
            status: service.status(&spec.name),
            overflow: spec.config.overflow,
            dropped: 0,
        }
    }
}

impl Observer for Watcher {
    fn uplink(&mut self, bytes: &[u8]) {
        if let Some(traffic) = &mut self.traffic {
            traffic.uplink(bytes);
        }
    }

    fn downlink(&mut self, bytes: &[u8]) {
        if let Some(traffic) = &mut self.traffic {
            traffic.downlink(bytes);
        }
    }

    fn state(&mut self, state: LinkState, words: &str) {
        self.status.set(state, words);
    }

    fn progress(&mut self, stats: &Stats) {
        if stats.up_dropped > self.dropped {
            tracing::warn!(
                "the up buffer overflowed ({:?}): {} bytes dropped so far, in {} packets",
                self.overflow,
                stats.up_dropped,
                stats.up_dropped_packets
            );
            self.dropped = stats.up_dropped;
        }
    }

    fn recover(&mut self, step: Step) {
        match (step, &self.reset_command) {
            (Step::ResetRadio, Some(command)) => {
                tracing::warn!("the network is stuck: running {command:?}");
                tokio::spawn(reset(command.clone()).in_current_span());
            }
            (Step::ResetRadio, None) => tracing::warn!("the network is stuck, and no --reset-command is set"),
            (Step::Restart, _) => {
                tracing::error!("the network is stuck: ending, so that the service manager restarts")
            }
        }
    }

    fn report(&mut self, stats: &Stats) {
        report("counters", stats);
    }

    fn alive(&mut self, ping: u64) {
        self.alive.store(ping, Ordering::Relaxed);
    }
}

async fn reset(command: String) {
    match tokio::process::Command::new("sh").arg("-c").arg(&command).kill_on_drop(true).status().await {
        Ok(status) if status.success() => tracing::info!("{command:?} is done"),
        Ok(status) => tracing::error!("{command:?}: {status}"),
        Err(error) => tracing::error!("{command:?}: {error}"),
    }
}

/// Opens the UART that the user named.
struct Opener(UartEndpoint);

impl OpenUart for Opener {
    type End = Uart;

    fn open(&mut self) -> Result<Uart, OpenFailure> {
        let uart = Uart::open(&self.0)
            .map_err(|error| OpenFailure { text: error.to_string(), permanent: !error.is_temporary() })?;
        if let Some(path) = uart.path() {
            tracing::info!("{} is {}", self.0, path.display());
        }
        Ok(uart)
    }
}

fn report(what: &str, stats: &Stats) {
    let Stats { line, .. } = stats;
    tracing::info!(
        target: "uartbridge::counters",
        uart_rx = stats.uart_rx,
        tx_acked = stats.tx_acked,
        up_held = stats.up_held,
        up_dropped = stats.up_dropped,
        up_dropped_packets = stats.up_dropped_packets,
        replayed = stats.replayed,
        sock_rx = stats.sock_rx,
        uart_tx = stats.uart_tx,
        down_held = stats.down_held,
        down_cut = stats.down_cut,
        overruns = line.overrun,
        framing_errors = line.framing,
        parity_errors = line.parity,
        attempts = stats.attempts,
        connections = stats.connections,
        failures = stats.failures,
        heartbeats = stats.heartbeats,
        "{what}"
    );
}

/// Different for each bridge and each start: it spreads the attempts to reconnect.
fn seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds its hash maps from the system's random numbers.
    RandomState::new().hash_one(std::process::id()) as u32
}

/// A process with a thousand ports needs more descriptors than the usual 1024; the hard limit is ours to use.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, wanted).is_err() {
        tracing::debug!("the limit of open files stays at {:?}", limit.current);
    }
}
