//! `cargo xtask web bench`: the bridge in Chromium beside the least that a page can do, a few lines of JavaScript with websockify.
//! All have a device on a pty and a server on loopback, take turns within each round, and every byte is compared.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use uartbridge_tests::browser::{Bench, Page, Websockify};

use crate::{Place, SOON, embedded};

/// Of the first relay that this file needs.
const RELAYS: u16 = 8920;
/// A stream's length in bytes, each way.
const STREAM: usize = 8 << 20;
/// Round trips in a round.
const TRIPS: usize = 200;
/// How long a stream may take.
const LATE: Duration = Duration::from_secs(120);

const NAMES: [&str; 3] =
    ["plain JavaScript, websockify", "uartbridge, websockify", "uartbridge, its own relay"];
const FIGURES: [&str; 3] = ["round trip of 1 byte, µs", "up, MB/s", "down, MB/s"];

/// Measures in so many rounds, and prints medians with the median of each round's ratio to the first.
///
/// # Errors
/// A byte is lost, or one of them does not work.
pub(crate) fn run(place: &Place, rounds: usize) -> Result<(), String> {
    let words = |error: libtest_mimic::Failed| error.message().unwrap_or("it failed").to_owned();
    let mut entrants = [plain(place), through_websockify(place), through_serve(place)]
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(words)?;
    // By figure, entrant and round.
    let mut all = vec![vec![Vec::new(); entrants.len()]; FIGURES.len()];
    for round in 1..=rounds {
        for (index, entrant) in entrants.iter_mut().enumerate() {
            for (figure, measured) in all.iter_mut().zip(entrant.measure().map_err(words)?) {
                figure[index].push(measured);
            }
        }
        println!("round {round} of {rounds} is done");
    }
    println!("\n| medians of {rounds} rounds | {} |\n|---|---|---|---|", FIGURES.join(" | "));
    for (index, name) in NAMES.iter().enumerate() {
        let cells = all.iter().map(|figure| {
            let ratios = figure[index].iter().zip(&figure[0]).map(|(own, plain)| own / plain);
            format!("{:.3} ({:.2} ×)", median(figure[index].clone()), median(ratios.collect()))
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A device, a page that bridges it, and a server.
struct Entrant {
    device: Bench,
    _page: Page,
    _relay: Option<Websockify>,
    server: Server,
}

impl Entrant {
    fn measure(&mut self) -> Result<[f64; 3], libtest_mimic::Failed> {
        Ok([self.trips()?, self.up()?, self.down()?])
    }

    fn trips(&mut self) -> Result<f64, libtest_mimic::Failed> {
        self.server.echoes.store(true, Ordering::SeqCst);
        let mut times = Vec::new();
        for trip in 0..TRIPS {
            let start = Instant::now();
            self.device.send(&[trip as u8])?;
            if self.device.receive(1, SOON)? != [trip as u8] {
                return Err("another byte has come back".into());
            }
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        self.server.echoes.store(false, Ordering::SeqCst);
        Ok(median(times))
    }

    fn up(&mut self) -> Result<f64, libtest_mimic::Failed> {
        let (sent, start) = (pattern(), Instant::now());
        self.server.counted.store(0, Ordering::SeqCst);
        self.device.send(&sent)?;
        while self.server.counted.load(Ordering::SeqCst) < STREAM {
            if start.elapsed() > LATE || self.server.wrong.load(Ordering::SeqCst) {
                return Err("the server has not got what was sent".into());
            }
            self.device.receive(1, Duration::from_millis(2))?;
        }
        Ok(rate(start))
    }

    fn down(&mut self) -> Result<f64, libtest_mimic::Failed> {
        let (sent, start) = (pattern(), Instant::now());
        let mut stream = self.server.stream.try_clone()?;
        std::thread::spawn(move || stream.write_all(&pattern()));
        if self.device.receive(STREAM, LATE)? != sent {
            return Err("the device has not got what was sent".into());
        }
        Ok(rate(start))
    }
}

/// Millions of bytes a second.
fn rate(start: Instant) -> f64 {
    STREAM as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn pattern() -> Vec<u8> {
    (0..=250).cycle().take(STREAM).collect()
}

/// A few lines, without a bound, an acknowledgement or a way back.
fn plain(place: &Place) -> Result<Entrant, libtest_mimic::Failed> {
    let (listener, relay) = websockify(RELAYS)?;
    let device = Bench::new()?;
    let mut page = embedded::page(place, &device)?;
    page.evaluate(&format!(
        "(async () => {{
            await port.open({{ baudRate: 115200, bufferSize: 65536 }});
            const socket = new WebSocket('{}', 'binary');
            socket.binaryType = 'arraybuffer';
            await new Promise((resolve) => {{ socket.onopen = resolve; }});
            const writer = port.writable.getWriter();
            socket.onmessage = ({{ data }}) => {{ writer.write(new Uint8Array(data)); }};
            const reader = port.readable.getReader();
            (async () => {{ for (;;) socket.send((await reader.read()).value); }})();
        }})()",
        relay.relay()
    ))?;
    Ok(Entrant { device, _page: page, _relay: Some(relay), server: Server::accept(&listener)? })
}

fn through_websockify(place: &Place) -> Result<Entrant, libtest_mimic::Failed> {
    let (listener, relay) = websockify(RELAYS + 1)?;
    let peer = json!({ "relay": relay.relay(), "protocol": "binary" });
    bridged(place, peer, Some(relay), &listener)
}

fn through_serve(place: &Place) -> Result<Entrant, libtest_mimic::Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let peer = json!({ "relay": place.serve.relay(), "target": listener.local_addr()?.to_string() });
    bridged(place, peer, None, &listener)
}

fn bridged(
    place: &Place,
    peer: serde_json::Value,
    relay: Option<Websockify>,
    listener: &TcpListener,
) -> Result<Entrant, libtest_mimic::Failed> {
    let device = Bench::new()?;
    let mut page = embedded::page(place, &device)?;
    let line = json!({ "baudRate": 115_200, "bufferSize": 65_536 });
    embedded::run(&mut page, &json!({ "line": line, "peers": [peer] }))?;
    embedded::hears(&mut page, "state open")?;
    Ok(Entrant { device, _page: page, _relay: relay, server: Server::accept(listener)? })
}

fn websockify(port: u16) -> Result<(TcpListener, Websockify), libtest_mimic::Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let relay = Websockify::start(port, listener.local_addr()?)?;
    Ok((listener, relay))
}

/// The server's end of a connection: sends back what comes, or compares it with the pattern.
struct Server {
    stream: TcpStream,
    echoes: Arc<AtomicBool>,
    counted: Arc<AtomicUsize>,
    wrong: Arc<AtomicBool>,
}

impl Server {
    /// The last client that is there: websockify was asked before, whether it is up.
    fn accept(listener: &TcpListener) -> Result<Self, libtest_mimic::Failed> {
        let (mut stream, _) = listener.accept()?;
        listener.set_nonblocking(true)?;
        while let Ok((later, _)) = listener.accept() {
            stream = later;
        }
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let server = Self { stream, echoes: Arc::default(), counted: Arc::default(), wrong: Arc::default() };
        let mut stream = server.stream.try_clone()?;
        let (echoes, counted, wrong) =
            (Arc::clone(&server.echoes), Arc::clone(&server.counted), Arc::clone(&server.wrong));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let bytes = &buffer[..count];
                if echoes.load(Ordering::SeqCst) {
                    let _ = stream.write_all(bytes);
                    continue;
                }
                let from = counted.load(Ordering::SeqCst);
                if (from..).zip(bytes).any(|(at, byte)| *byte != (at % 251) as u8) {
                    wrong.store(true, Ordering::SeqCst);
                }
                counted.store(from + count, Ordering::SeqCst);
            }
        });
        Ok(server)
    }
}
