//! The demo: a pty as the serial port, a device on it, an echoing server, and an outage in the middle.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use uartbridge::endpoint::{NetEndpoint, SerialSettings, UartEndpoint};
use uartbridge::ends::{OpenFailure, OpenUart, UartRead};
use uartbridge::run::{Observer, Orders, PagedBridge, RunError, run};
use uartbridge::sock::{Peers, TcpOptions};
use uartbridge::spec::Show;
use uartbridge::storage::Storage;
use uartbridge::uart::Uart;
use uartbridge_core::{Backoff, Config, LinkState, Stats};

use super::exit;
use super::show::{Out, Traffic};
use super::signals::{Order, Signals};

/// The tutorial's greeting: two spaces.
const GREETING: &[u8] = b"TCP  CONNECT";
const CONFIG: Config<'static> = Config {
    greeting: GREETING,
    backoff: Backoff { max: uartbridge_core::Duration::from_secs(1), ..Config::DEFAULT.backoff },
    ..Config::DEFAULT
};
/// How long the server stays away.
const OUTAGE: Duration = Duration::from_secs(2);
/// The pause between the device's lines.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the device waits for the echo of its last line.
const PATIENCE: Duration = Duration::from_secs(20);
const RINGS: (usize, usize) = (1 << 20, 64 << 10);

/// What the demo is to do.
pub(crate) struct Demo {
    /// How many lines the device sends.
    pub(crate) lines: u32,
    /// End when they have come back, instead of waiting for the user's own.
    pub(crate) exit: bool,
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

    let mut bridge = PagedBridge::new(&CONFIG, super::seed(), Storage::new(RINGS.0)?, Storage::new(RINGS.1)?)
        .map_err(std::io::Error::other)?;
    let peer = NetEndpoint::Tcp { host: server.ip().to_string(), port: server.port() };
    let options = TcpOptions { keepalive: None, user_timeout: None };
    let peers = Peers::new(vec![peer], options).await.map_err(std::io::Error::other)?;

    let orders = watch::Sender::new(Orders::default());
    let (outage, plug) = watch::channel(false);
    let mut screen = Screen { traffic: Traffic::new(Out::Output, Show::Both, "") };
    let echo = tokio::spawn(echo(listener, plug));
    let bridging = run(&mut bridge, Opened(Some(pty)), peers, orders.subscribe(), &mut screen);
    let complete = attend(bridging, device(path, demo.lines, outage), &orders, (&mut signals, &demo)).await;
    echo.abort();
    say(&format!("goodbye: {}", sums(&bridge.stats())));
    Ok(complete? || !demo.exit)
}

/// Waits for the bridge to end, which it does when it is told to; true if the device got everything back.
async fn attend(
    bridging: impl Future<Output = Result<(), RunError>>,
    device: impl Future<Output = std::io::Result<bool>>,
    orders: &watch::Sender<Orders>,
    (signals, demo): (&mut Signals, &Demo),
) -> std::io::Result<bool> {
    let (mut bridging, mut device) = (pin!(bridging), pin!(device));
    let (mut talking, mut complete) = (true, false);
    loop {
        let stop = tokio::select! {
            ended = &mut bridging => {
                ended?;
                return Ok(complete);
            }
            came_back = &mut device, if talking => {
                talking = false;
                complete = came_back?;
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

/// The device: sends lines and checks that each comes back. In the middle it has the server's plug pulled.
async fn device(path: PathBuf, lines: u32, outage: watch::Sender<bool>) -> std::io::Result<bool> {
    let end = UartEndpoint::Serial {
        path: path.clone(),
        settings: SerialSettings { exclusive: false, ..SerialSettings::default() },
    };
    let mut port = Uart::open(&end).map_err(std::io::Error::other)?;
    let mut sent = Vec::new();
    let mut back = Vec::new();
    for number in 1..=lines {
        if number == lines / 2 + 1 {
            say(&format!(
                "the server's plug is pulled for {} s; the device goes on talking",
                OUTAGE.as_secs()
            ));
            // The server lives as long as the demo.
            let _ = outage.send(true);
        }
        let line = format!("temp {number} {}.{} C\r\n", 20 + number / 10, number % 10);
        sent.extend_from_slice(line.as_bytes());
        send(&mut port, line.as_bytes()).await?;
        let until = tokio::time::Instant::now() + PAUSE;
        collect(&mut port, &mut back, until, usize::MAX).await?;
    }
    let expected = sent.len();
    collect(&mut port, &mut back, tokio::time::Instant::now() + PATIENCE, expected).await?;
    let came_back = contains_in_order(&back, &sent);
    say(&format!("try: picocom -q {0}    or: socat -,rawer,escape=0x0f {0}", path.display()));
    Ok(came_back)
}

async fn send(port: &mut Uart, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::future::poll_fn(|cx| port.poll_write(cx, bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads until `until`, or until the echoes, without the greetings, are `enough` bytes.
async fn collect(
    port: &mut Uart,
    back: &mut Vec<u8>,
    until: tokio::time::Instant,
    enough: usize,
) -> std::io::Result<()> {
    let mut buffer = [0; 512];
    while without_greetings(back).len() < enough {
        let read = std::future::poll_fn(|cx| port.poll_read(cx, &mut buffer));
        match tokio::time::timeout_at(until, read).await {
            Ok(UartRead::Bytes(n)) => back.extend_from_slice(&buffer[..n]),
            Ok(UartRead::Gone(error)) => return Err(error),
            Ok(UartRead::Ended) | Err(_) => break,
        }
    }
    Ok(())
}

/// The server echoes the greeting of each connection too.
fn without_greetings(back: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(back);
    text.replace(&*String::from_utf8_lossy(GREETING), "").into_bytes()
}

/// Every line came back, in order; a line whose echo was lost with the connection may have come back twice.
fn contains_in_order(back: &[u8], sent: &[u8]) -> bool {
    let clean = without_greetings(back);
    let mut back = clean.split_inclusive(|&byte| byte == b'\n');
    sent.split_inclusive(|&byte| byte == b'\n').all(|line| back.any(|echo| echo.ends_with(line)))
}

/// Sends back what it gets; once `plug` is pulled it resets its connection and is away for a while.
async fn echo(mut listener: TcpListener, mut plug: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        if serve(stream, &mut plug).await == Served::PlugPulled {
            drop(listener);
            tokio::time::sleep(OUTAGE).await;
            say("the server is back");
            match listen_again(address) {
                Ok(back) => listener = back,
                Err(error) => return say(&format!("the server cannot come back: {error}")),
            }
        }
    }
}

/// How a connection to the server ended.
#[derive(PartialEq, Eq)]
enum Served {
    Closed,
    PlugPulled,
}

async fn serve(mut stream: TcpStream, plug: &mut watch::Receiver<bool>) -> Served {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            Ok(()) = plug.changed() => {
                // A pulled plug says nothing; a reset is the nearest that one machine can do.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return Served::PlugPulled;
            }
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return Served::Closed,
                Ok(n) => if stream.write_all(&buffer[..n]).await.is_err() {
                    return Served::Closed;
                }
            }
        }
    }
}

fn listen_again(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1)
}

fn say(line: &str) {
    Out::Output.note(line);
}

/// Shows traffic and changes of state.
struct Screen {
    traffic: Traffic,
}

impl Observer for Screen {
    fn uplink(&mut self, bytes: &[u8]) {
        self.traffic.uplink(bytes);
    }

    fn downlink(&mut self, bytes: &[u8]) {
        self.traffic.downlink(bytes);
    }

    fn state(&mut self, state: LinkState, words: &str) {
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
