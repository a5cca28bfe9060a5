//! The demo: a pty as the serial port, a device on it, an echoing server, and an outage in the middle.

mod browser;
mod device;
mod server;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use uartbridge::endpoint::{NetEndpoint, UartEndpoint};
use uartbridge::ends::{Expiry, OpenFailure, OpenUart};
use uartbridge::run::{Observer, Orders, PagedBridge, RunError, run};
use uartbridge::sock::{Peers, TcpOptions};
use uartbridge::spec::Show;
use uartbridge::storage::Storage;
use uartbridge::uart::Uart;
use uartbridge_core::{Backoff, Config, LinkState, Stats};

use super::exit;
use super::show::{Out, Traffic};
use super::signals::{Order, Signals};
use super::web::{Direction, Hub};
use browser::Browser;
use device::Device;
use server::echo;

/// The tutorial's greeting: two spaces.
const GREETING: &[u8] = b"TCP  CONNECT";
const CONFIG: Config<'static> = Config {
    greeting: GREETING,
    backoff: Backoff { max: uartbridge_core::Duration::from_secs(1), ..Config::DEFAULT.backoff },
    ..Config::DEFAULT
};
/// How long the server stays away.
const OUTAGE: Duration = Duration::from_secs(2);
/// How often those who watch get counters.
const COUNT_EVERY: Duration = Duration::from_secs(1);
const RINGS: (usize, usize) = (1 << 20, 64 << 10);

/// What the demo is to do.
pub(crate) struct Demo {
    /// How many lines the device sends.
    pub(crate) lines: u32,
    /// End when they have come back, instead of waiting for the user's own.
    pub(crate) exit: bool,
    /// Serve the page in which a browser can watch.
    pub(crate) web: bool,
}

/// Runs the demo.
pub(crate) fn demo(demo: Demo) -> ExitCode {
    let run = || -> std::io::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(show(demo))
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(exit::TRY_AGAIN),
        Err(error) => {
            tracing::error!("the demo cannot run: {error}");
            ExitCode::from(exit::IO)
        }
    }
}

/// True if every line came back.
async fn show(demo: Demo) -> std::io::Result<bool> {
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let server = listener.local_addr()?;
    let pty = Uart::open(&UartEndpoint::Pty { link: None }).map_err(std::io::Error::other)?;
    let path = pty.path().map(Path::to_owned).unwrap_or_default();
    introduce(&path, server);
    let (hub, said) = Hub::new();
    let browser = if demo.web { Browser::invite(&hub, server).await } else { None };
    let device = Device::open(&path, said)?;

    let mut bridge = PagedBridge::new(&CONFIG, super::seed(), Storage::new(RINGS.0)?, Storage::new(RINGS.1)?)
        .map_err(std::io::Error::other)?;
    let peer = NetEndpoint::Tcp { host: server.ip().to_string(), port: server.port() };
    let options = TcpOptions { keepalive: None, user_timeout: None };
    let peers = Peers::new(vec![peer], options).await.map_err(std::io::Error::other)?;

    let orders = watch::Sender::new(Orders::default());
    let (outage, plug) = watch::channel(false);
    let mut screen = Screen { traffic: Traffic::new(Out::Output, Show::Both, ""), hub: Arc::clone(&hub) };
    let echo = tokio::spawn(echo(listener, plug));
    let bridging = run(&mut bridge, Opened(Some(pty)), peers, orders.subscribe(), &mut screen);
    hub.uart_open(&format!("{} is open", path.display()));
    let (done, came_back) = oneshot::channel();
    let playing = device.play(demo.lines, outage, done);
    let complete = attend(bridging, (playing, came_back), &orders, (&mut signals, &demo, &hub)).await;
    echo.abort();
    if let Some(browser) = browser {
        browser.leave().await;
    }
    say(&format!("goodbye: {}", sums(&bridge.stats())));
    Ok(complete? || !demo.exit)
}

/// Waits for the bridge to end, which it does when it is told to; true if the device got everything back.
async fn attend(
    bridging: impl Future<Output = Result<(), RunError>>,
    (playing, came_back): (impl Future<Output = std::io::Result<()>>, oneshot::Receiver<bool>),
    orders: &watch::Sender<Orders>,
    (signals, demo, hub): (&mut Signals, &Demo, &Hub),
) -> std::io::Result<bool> {
    let (mut bridging, mut playing, mut came_back) = (pin!(bridging), pin!(playing), pin!(came_back));
    let (mut talking, mut playing_on, mut complete) = (true, true, false);
    let mut count = interval(COUNT_EVERY);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stop = tokio::select! {
            ended = &mut bridging => {
                ended?;
                return Ok(complete);
            }
            played = &mut playing, if playing_on => {
                played?;
                playing_on = false;
                false
            }
            came = &mut came_back, if talking => {
                talking = false;
                complete = came.unwrap_or(false);
                conclude(complete, demo);
                demo.exit
            }
            order = signals.next() => match order {
                Order::Stop => {
                    say("stopping: delivering what is held; Ctrl-C again ends at once");
                    true
                }
                Order::StopNow => return Ok(complete),
                Order::Report => false,
            },
            _ = count.tick() => {
                // Asked anew each time: nothing here wakes when somebody begins to watch.
                if hub.is_watched() {
                    orders.send_modify(|orders| orders.report += 1);
                }
                false
            }
        };
        if stop {
            orders.send_modify(|orders| orders.stop = true);
        }
    }
}

fn introduce(path: &Path, server: SocketAddr) {
    say("uartbridge demo: a device on a serial port, a server on the network, and the bridge between them.");
    say(&format!("serial port  {}   (a pty)", path.display()));
    say(&format!("server       {server}   (sends back what it gets)"));
    say("The bridge greets the server with \"TCP  CONNECT\" and keeps what the server has not acknowledged.");
}

fn conclude(complete: bool, demo: &Demo) {
    if complete {
        say(&format!("all {} lines came back in order, over the outage: nothing lost", demo.lines));
    } else {
        say("not all lines came back");
    }
    if !demo.exit {
        say(
            "Now you: type into the serial port from another terminal, with the command above; Ctrl-C ends the demo.",
        );
    }
}

fn sums(stats: &Stats) -> String {
    format!(
        "{} bytes from the device, {} acknowledged by the server, {} sent again after the outage; {} bytes to the device",
        stats.uart_rx, stats.tx_acked, stats.replayed, stats.uart_tx
    )
}

fn say(line: &str) {
    Out::Output.note(line);
}

/// Shows traffic and changes of state, here and to those who watch.
struct Screen {
    traffic: Traffic,
    hub: Arc<Hub>,
}

impl Observer for Screen {
    fn uplink(&mut self, bytes: &[u8]) {
        self.traffic.uplink(bytes);
        self.hub.traffic(Direction::Up, bytes);
    }

    fn downlink(&mut self, bytes: &[u8]) {
        self.traffic.downlink(bytes);
        self.hub.traffic(Direction::Down, bytes);
    }

    fn report(&mut self, stats: &Stats, _: &[Expiry]) {
        self.hub.stats(stats);
    }

    fn state(&mut self, state: LinkState, words: &str) {
        self.hub.state(state, words);
        match state {
            LinkState::BackOff(_) | LinkState::Open(_) => say(words),
            LinkState::NoIp
            | LinkState::Parked
            | LinkState::Connecting(_)
            | LinkState::Closing
            | LinkState::Finished => {}
        }
    }
}

/// A UART that is open already.
struct Opened(Option<Uart>);

impl OpenUart for Opened {
    type End = Uart;

    fn open(&mut self) -> Result<Uart, OpenFailure> {
        self.0
            .take()
            .ok_or_else(|| OpenFailure { text: "the demo's pty is gone".to_owned(), permanent: true })
    }
}
