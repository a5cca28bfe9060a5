//! The process around the bridges: one task each, signals, the service manager, the exit code.

mod certs;
mod demo;
mod notify;
mod replay;
mod serve;
mod show;
mod signals;
mod trace;
mod watcher;
mod web;

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;
use uartbridge::coalesce::coalesce;
use uartbridge::endpoint::UartEndpoint;
use uartbridge::ends::{OpenFailure, OpenUart};
use uartbridge::run::{Orders, PagedBridge, RunError, run, run_traced};
use uartbridge::sock::{Peers, PrepareError, TcpOptions};
use uartbridge::spec::BridgeSpec;
use uartbridge::storage::Storage;
use uartbridge::uart::Uart;
use uartbridge_trace::Tape;

pub(crate) use certs::{Certs, ClientName, Host, certs};
pub(crate) use demo::{Demo, demo};
use notify::Service;
pub(crate) use replay::{Replay, replay};
pub(crate) use serve::{Serve, serve};
use show::Screen;
use signals::{Order, Signals};
use watcher::{Watcher, report_last};
pub(crate) use web::{Allow, Limits, Origin};

/// The target of log lines that the user has asked for by SIGUSR1: they are written at every level.
pub(crate) const COUNTERS: &str = "uartbridge::counters";
/// The target of log lines about how a bridge begins and ends: they come once and are never suppressed.
pub(crate) const ENDS: &str = "uartbridge::program";

/// Exit codes of sysexits.h, for what can go wrong once everything is parsed.
mod exit {
    /// Of `replay`, as of diff(1).
    pub(super) const DIFFERENT: u8 = 1;
    pub(super) const DATA: u8 = 65;
    pub(super) const UNAVAILABLE: u8 = 69;
    pub(super) const SOFTWARE: u8 = 70;
    pub(super) const CANNOT_CREATE: u8 = 73;
    pub(super) const IO: u8 = 74;
    pub(super) const TRY_AGAIN: u8 = 75;
    pub(super) const NO_INPUT: u8 = 66;
    pub(super) const CONFIG: u8 = 78;
}

/// Runs all bridges until they have finished: each ends by itself when its UART is a pipe that ends, and all of them
/// on SIGTERM, SIGINT or SIGHUP.
pub(crate) fn bridges(specs: Vec<BridgeSpec>, watchdog: bool) -> ExitCode {
    raise_descriptor_limit();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    coalesce(&mut runtime);
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(exit::IO);
        }
    };
    let code = runtime.block_on(all(specs, watchdog));
    // A name look-up may still be waiting in a thread of its own; nobody needs its answer.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn all(specs: Vec<BridgeSpec>, watchdog: bool) -> u8 {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("cannot wait for signals: {error}");
            return exit::IO;
        }
    };
    let service = Service::new(watchdog, specs.len());
    let (screen, flush) = specs.iter().any(|spec| spec.show.is_some()).then(Screen::start).unzip();
    let tasks = {
        let mut starting = pin!(start(specs, &service, screen.as_ref()));
        loop {
            tokio::select! {
                started = &mut starting => break started,
                order = signals.next() => match order {
                    // Looking up the name of an address to listen on may take long; nothing is held yet.
                    Order::Stop | Order::StopNow => return 0,
                    Order::Report => {}
                }
            }
        }
    };
    let code = match tasks {
        Ok(tasks) => supervise(tasks, signals, service).await,
        Err(code) => code,
    };
    drop(flush);
    match screen.map_or(0, |screen| screen.missing()) {
        0 => {}
        rows => {
            tracing::warn!("--show: nobody read fast enough; {rows} pieces of the traffic were not shown")
        }
    }
    code
}

/// The bridges at work.
struct Tasks {
    running: JoinSet<Ended>,
    orders: watch::Sender<Orders>,
    alive: Vec<Arc<AtomicU64>>,
}

/// How a bridge has ended.
struct Ended {
    code: u8,
    /// The whole program is to be started again.
    restart: bool,
}

async fn start(specs: Vec<BridgeSpec>, service: &Service, screen: Option<&Screen>) -> Result<Tasks, u8> {
    let orders = watch::Sender::new(Orders::default());
    let mut tasks = Tasks { running: JoinSet::new(), orders, alive: Vec::new() };
    for spec in specs {
        let span = spec.span();
        let prepared = prepare(&spec).instrument(span.clone()).await.map_err(|(code, text)| {
            span.in_scope(|| tracing::error!("{text}"));
            code
        })?;
        let watcher = Watcher::new(&spec, service, screen);
        tasks.alive.push(Arc::clone(&watcher.alive));
        tasks.running.spawn(one(spec.uart, prepared, watcher, tasks.orders.subscribe()).instrument(span));
    }
    Ok(tasks)
}

/// What a bridge needs from the start.
struct Prepared {
    bridge: Box<PagedBridge>,
    peers: Peers,
    tape: Option<Tape<trace::Disk>>,
}

/// Binds and allocates what must be there from the start.
async fn prepare(spec: &BridgeSpec) -> Result<Prepared, (u8, String)> {
    let ring = |option: &str, bytes: usize| {
        Storage::new(bytes).map_err(|error| {
            (exit::UNAVAILABLE, format!("--{option} {bytes}: no memory for it: {error}; make it smaller"))
        })
    };
    let rings = (ring("up-buffer", spec.up_buffer)?, ring("down-buffer", spec.down_buffer)?);
    // The settings live as long as the program.
    let seed = seed();
    let bridge = PagedBridge::new(Box::leak(Box::new(spec.config)), seed, rings.0, rings.1)
        .map_err(|error| (exit::CONFIG, error.to_string()))?;
    let unacked = spec.config.supervise.unacked;
    let options = TcpOptions {
        keepalive: spec.keepalive,
        user_timeout: (!unacked.is_never()).then(|| Duration::from_micros(unacked.as_micros())),
    };
    let peers = Peers::new(spec.peers.clone(), options).await.map_err(|error| {
        let code = match error {
            PrepareError::Listen(_) => exit::UNAVAILABLE,
            PrepareError::Files(_) => exit::CONFIG,
        };
        (code, error.to_string())
    })?;
    let tape = trace::start(spec, seed, &peers).map_err(|text| (exit::CANNOT_CREATE, text))?;
    Ok(Prepared { bridge: Box::new(bridge), peers, tape })
}

async fn one(
    uart: UartEndpoint,
    Prepared { mut bridge, peers, tape }: Prepared,
    mut watcher: Watcher,
    orders: watch::Receiver<Orders>,
) -> Ended {
    let is_stdio = uart == UartEndpoint::Stdio;
    let opener = Opener { end: uart, was_open: false };
    let ended = match tape {
        // Apart, so that a bridge without a trace takes no memory for it.
        Some(tape) => Box::pin(run_traced(&mut bridge, tape, opener, peers, orders, &mut watcher)).await,
        None => run(&mut bridge, opener, peers, orders, &mut watcher).await,
    };
    let ended = ended.map_err(|error| {
        let code = match error {
            RunError::Uart(_) if is_stdio => exit::IO,
            RunError::Uart(_) => exit::NO_INPUT,
            RunError::Net(_) => exit::IO,
            RunError::Restart => exit::TRY_AGAIN,
            RunError::Misuse(_) => exit::SOFTWARE,
        };
        let restart = matches!(error, RunError::Restart);
        (Ended { code, restart }, error.to_string())
    });
    watcher.alive.store(u64::MAX, Ordering::Relaxed);
    let stats = bridge.stats();
    report_last(&stats);
    let held = stats.up_held + stats.down_held > 0;
    if held {
        tracing::warn!(
            "not delivered: {} bytes from the UART, {} bytes from the network",
            stats.up_held,
            stats.down_held
        );
    }
    match ended {
        Ok(()) => Ended { code: if held { exit::TRY_AGAIN } else { 0 }, restart: false },
        Err((ended, text)) => {
            if !ended.restart {
                tracing::error!("{text}");
            }
            ended
        }
    }
}

/// Hands signals to the bridges and waits for the last one.
async fn supervise(mut tasks: Tasks, mut signals: Signals, mut service: Service) -> u8 {
    service.ready();
    let mut worst = 0;
    loop {
        tokio::select! {
            ended = tasks.running.join_next() => {
                let Some(ended) = ended else {
                    return worst;
                };
                let ended = ended.unwrap_or(Ended { code: exit::SOFTWARE, restart: false });
                worst = worse(worst, ended.code);
                if ended.restart && !tasks.orders.borrow().stop {
                    tracing::info!("stopping: delivering what other bridges hold");
                    tasks.stop(&service);
                }
            }
            order = signals.next() => match order {
                Order::Stop => {
                    tracing::info!("stopping: delivering what is held; a second signal ends at once");
                    tasks.stop(&service);
                }
                Order::StopNow => {
                    tracing::warn!("stopped at once; what was held is lost");
                    return worse(worst, exit::TRY_AGAIN);
                }
                Order::Report => tasks.orders.send_modify(|orders| orders.report += 1),
            },
            () = service.tick() => {
                let ping = tasks.orders.borrow().ping;
                if tasks.alive.iter().all(|alive| alive.load(Ordering::Relaxed) >= ping) {
                    service.feed();
                }
                tasks.orders.send_modify(|orders| orders.ping += 1);
            }
        }
    }
}

impl Tasks {
    fn stop(&self, service: &Service) {
        service.stopping();
        self.orders.send_modify(|orders| orders.stop = true);
    }
}

/// The exit code that says more about what went wrong: a bug above all.
fn worse(a: u8, b: u8) -> u8 {
    if [a, b].contains(&exit::SOFTWARE) { exit::SOFTWARE } else { a.max(b) }
}

/// Opens the UART that the user named.
struct Opener {
    end: UartEndpoint,
    was_open: bool,
}

impl OpenUart for Opener {
    type End = Uart;

    fn open(&mut self) -> Result<Uart, OpenFailure> {
        if self.was_open && self.end == UartEndpoint::Stdio {
            let text = "-: standard output takes no more".to_owned();
            return Err(OpenFailure { text, permanent: true });
        }
        let uart = Uart::open(&self.end)
            .map_err(|error| OpenFailure { text: error.to_string(), permanent: !error.is_temporary() })?;
        self.was_open = true;
        if let Some(path) = uart.path() {
            tracing::info!("{} is {}", self.end, path.display());
        }
        Ok(uart)
    }
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
