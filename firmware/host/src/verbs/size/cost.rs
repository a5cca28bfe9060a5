//! What a running image costs: stack, and instructions a byte, counted by QEMU's `-icount`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use uartbridge_firmware_config::{Settings, Tls, Transport};
use uartbridge_firmware_host::{Image, Machine, Plan, Serial};

use super::{Figure, stack};
use crate::verbs::image;
use crate::verbs::test::peer::{PATIENCE, Peer, settings};
use crate::verbs::test::tls::{self, Certificates, Server};

/// Each instruction takes 2^6 ns: 15.6 million a second, a Cortex-M3 at the board's 25 MHz in all likelihood.
const SHIFT: u8 = 6;
/// A cycle of the board's clock, in ns.
const CYCLE: u64 = 40;
/// So many bytes at a time, and how long they take at 115 200 baud: few enough that the line does not seem quiet between them.
const BYTES: usize = 4;
const THEIR_TIME: Duration = Duration::from_micros(347);
/// A burst's bytes, and the pause after it.
const BURST: usize = 240;
const PAUSE: Duration = Duration::from_millis(30);
/// How many of them in a round, and how many rounds. The cheapest counts: a host that is busy tears bursts apart, which
/// makes others dearer than any UART would.
const BURSTS: usize = 20;
const ROUNDS: usize = 5;

/// A board with a connection, under count.
struct Rig<'i> {
    image: &'i Image,
    board: Machine,
    uart: UnixStream,
    /// The peer's end, whatever it is.
    socket: File,
    /// With TLS, the server, its port and its certificates.
    server: Option<(Server, u16, Certificates)>,
}

/// Stack, heap and instructions of the images.
///
/// # Errors
/// A board does not run as it should.
pub(super) fn measure() -> Result<Vec<Figure>> {
    let (plain, tls) = (image("plain")?, image("tls")?);
    let mut figures = Rig::plain(&plain)?.figures("plain")?;
    let mut secured = Rig::tls(&tls)?;
    figures.extend(secured.figures("tls")?);
    figures.push(("tls: instructions a handshake".into(), secured.handshake()?));
    Ok(figures)
}

impl<'i> Rig<'i> {
    fn plain(image: &'i Image) -> Result<Self> {
        let peer = Peer::new()?;
        let place = peer.for_board();
        let board = counted(image, &settings(&place))?;
        let socket = OwnedFd::from(peer.accept()?);
        Self::new(image, board, socket, None)
    }

    fn tls(image: &'i Image) -> Result<Self> {
        let certificates = Certificates::new("size")?;
        let port = tls::free_port()?;
        let server = Server::start(port, &certificates, &certificates)?;
        let place = format!("10.0.2.2:{port}");
        let (ca, certificate, key) = certificates.client()?;
        let settings = Settings {
            transport: Transport::Tls,
            tls: Tls { authorities: &ca, certificates: &certificate, key: &key },
            ..settings(&place)
        };
        let mut board = counted(image, &settings)?;
        board.log.wait("connected to", PATIENCE)?;
        let socket = OwnedFd::from(server.data.try_clone()?);
        Self::new(image, board, socket, Some((server, port, certificates)))
    }

    fn new(
        image: &'i Image,
        mut board: Machine,
        socket: OwnedFd,
        server: Option<(Server, u16, Certificates)>,
    ) -> Result<Self> {
        let uart = board.uart.take().context("the UART")?;
        uart.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { image, board, uart, socket: File::from(socket), server })
    }

    /// What the board costs.
    fn figures(&mut self, name: &str) -> Result<Vec<Figure>> {
        // Whatever a connection does at its start is over.
        sleep(Duration::from_secs(2));
        let idle = self.idle()?;
        let up = self.up(idle)?;
        let down = self.down(idle)?;
        self.flood()?;
        let stack = stack::high_water(&mut self.board, self.image)?;
        let sizes = self.image.sizes()?;
        let mut figures = vec![
            (format!("{name}: stack at most, bytes"), stack),
            (format!("{name}: RAM at most, bytes"), sizes.data + sizes.bss + stack),
            (format!("{name}: instructions a second, idle"), idle),
            (format!("{name}: instructions a byte up"), up),
            (format!("{name}: instructions a byte down"), down),
        ];
        if let Ok(peak) = self.image.symbol("HEAP_PEAK") {
            let peak = self.board.memory(peak.address, 4)?;
            let peak = u32::from_le_bytes(peak.try_into().ok().context("the heap's peak")?);
            figures.push((format!("{name}: heap at most, bytes"), peak.into()));
        }
        Ok(figures)
    }

    /// Instructions that it takes to connect once more, when the server has gone and come back: the handshake, and a few
    /// thousand for TCP and for whoever waits.
    fn handshake(&mut self) -> Result<u64> {
        let idle = self.idle()?;
        let (old, port, certificates) = self.server.take().context("this image shakes no hands")?;
        drop(old);
        self.board.log.wait("not connected", PATIENCE)?;
        let (before, start) = (self.spent()?, Instant::now());
        let server = Server::start(port, &certificates, &certificates)?;
        self.board.log.wait("connected to", PATIENCE)?;
        sleep(Duration::from_secs(2));
        let base = (start.elapsed().as_secs_f64() * idle as f64) as u64;
        self.server = Some((server, port, certificates));
        Ok((self.spent()? - before).saturating_sub(base))
    }
}

/// A board whose instructions are counted.
fn counted(image: &Image, settings: &Settings<'_>) -> Result<Machine> {
    let plan = Plan { image, settings, serial: Serial::Socket, icount: Some(SHIFT), debugger: false };
    // Whatever goes wrong, the board says so.
    Machine::start(&plan, |line| {
        if line.level == "error" {
            eprintln!("{line}");
        }
    })
}

impl Rig<'_> {
    /// Instructions so far.
    fn spent(&mut self) -> Result<u64> {
        let meter = self.image.symbol("METER")?;
        let bytes = self.board.memory(meter.address, 8)?;
        let cycles = u64::from_le_bytes(bytes.try_into().ok().context("the meter")?);
        Ok((cycles * CYCLE) >> SHIFT)
    }

    /// Instructions a second with nothing to do.
    fn idle(&mut self) -> Result<u64> {
        let (before, start) = (self.spent()?, Instant::now());
        sleep(Duration::from_secs(4));
        let took = start.elapsed();
        Ok(((self.spent()? - before) as f64 / took.as_secs_f64()).round() as u64)
    }

    /// Instructions that `work` took for each byte of a round, less those that would have been spent anyway.
    fn per_byte(&mut self, idle: u64, work: impl Fn(&mut Self) -> Result<()>) -> Result<u64> {
        let mut least = u64::MAX;
        for _ in 0..ROUNDS {
            let (before, start) = (self.spent()?, Instant::now());
            work(self)?;
            // The acknowledgements, too.
            sleep(Duration::from_millis(300));
            let base = start.elapsed().as_secs_f64() * idle as f64;
            let each = ((self.spent()? - before) as f64 - base) / (BURSTS * BURST) as f64;
            least = least.min(each.round() as u64);
        }
        Ok(least)
    }

    /// The device sends bursts as its baud rate lets it.
    fn up(&mut self, idle: u64) -> Result<u64> {
        self.per_byte(idle, |rig| {
            let mut got = vec![0; BURST];
            for _ in 0..BURSTS {
                let start = Instant::now();
                for (nth, part) in vec![b'u'; BURST].chunks(BYTES).enumerate() {
                    // The line is the clock here: nothing could be awaited instead.
                    sleep((start + THEIR_TIME * nth as u32).saturating_duration_since(Instant::now()));
                    rig.uart.write_all(part)?;
                }
                rig.socket.read_exact(&mut got).context("uplink")?;
                sleep(PAUSE);
            }
            Ok(())
        })
    }

    /// The peer sends the same bursts.
    fn down(&mut self, idle: u64) -> Result<u64> {
        self.per_byte(idle, |rig| {
            let mut got = vec![0; BURST];
            for _ in 0..BURSTS {
                rig.socket.write_all(&vec![b'd'; BURST])?;
                rig.uart.read_exact(&mut got).context("downlink")?;
                sleep(PAUSE);
            }
            Ok(())
        })
    }

    /// As much as goes, so that the stack sees the worst.
    fn flood(&mut self) -> Result<()> {
        const FLOOD: usize = 64 * 1024;
        let (mut uart, mut socket) = (self.uart.try_clone()?, self.socket.try_clone()?);
        std::thread::scope(|scope| -> Result<()> {
            scope.spawn(move || uart.write_all(&vec![b'u'; FLOOD]));
            scope.spawn(move || socket.write_all(&vec![b'd'; FLOOD]));
            let (uart, socket) = (&mut self.uart, &mut self.socket);
            let reader = scope.spawn(move || socket.read_exact(&mut vec![0; FLOOD]));
            uart.read_exact(&mut vec![0; FLOOD]).context("downlink")?;
            reader.join().ok().context("the peer's reader")?.context("uplink")
        })
    }
}
