//! What the bridge promises, over the image without TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uartbridge_firmware_config::Transport;
use uartbridge_firmware_host::Machine;

use super::peer::{PATIENCE, Peer, board, read_exactly, settings};
use super::stream::{difference, joined, noise};
use crate::verbs::image;

const MEBIBYTE: usize = 1024 * 1024;

/// The UART of a board, for a thread of its own.
fn uart_of(board: &Machine) -> Result<UnixStream> {
    let uart = board.uart.as_ref().context("the board has no UART")?.try_clone()?;
    uart.set_read_timeout(Some(PATIENCE))?;
    uart.set_write_timeout(Some(PATIENCE))?;
    Ok(uart)
}

pub(super) fn a_mebibyte_each_way() -> Result<()> {
    let peer = Peer::new()?;
    let place = peer.for_board();
    let board = board(&image("plain")?, &settings(&place))?;
    let (up, down) = (noise(MEBIBYTE, 1), noise(MEBIBYTE, 2));
    both_ways(&board, peer.accept()?, (&up, &up), &down)
}

/// Streams both ways at once, and compares. `up` is what the device sends, and what the peer is to get, which may begin
/// with what the device has sent before.
pub(super) fn both_ways(
    board: &Machine,
    socket: impl Read + Write + Send + Clonable,
    up: (&[u8], &[u8]),
    down: &[u8],
) -> Result<()> {
    let (mut uart_in, mut uart_out) = (uart_of(board)?, uart_of(board)?);
    let (mut socket_in, mut socket_out) = (socket.another()?, socket);
    let (got_up, got_down) = thread::scope(|scope| {
        let sends_up = scope.spawn(|| uart_out.write_all(up.0));
        let sends_down = scope.spawn(|| socket_out.write_all(down));
        let got_up = scope.spawn(|| read_exactly(&mut socket_in, up.1.len()));
        let got_down = read_exactly(&mut uart_in, down.len());
        let got_up = got_up.join().map_err(|_| anyhow!("the peer's reader has panicked"));
        // What they could not send shows in what was not received.
        let _ = (sends_up.join(), sends_down.join());
        (got_up, got_down)
    });
    let got_up = got_up?.context("uplink")?;
    let got_down = got_down.context("downlink")?;
    ensure!(got_up == up.1, "uplink: {}", difference(&got_up, up.1));
    ensure!(got_down == down, "downlink: {}", difference(&got_down, down));
    Ok(())
}

/// A socket that two threads can have.
pub(super) trait Clonable: Sized {
    fn another(&self) -> Result<Self>;
}

impl Clonable for TcpStream {
    fn another(&self) -> Result<Self> {
        Ok(self.try_clone()?)
    }
}

impl Clonable for UnixStream {
    fn another(&self) -> Result<Self> {
        Ok(self.try_clone()?)
    }
}

/// So many times the cable is pulled.
const CUTS: usize = 10;
/// How much flows between two cuts.
const STRETCH: usize = 16 * 1024;

/// Streams in both directions while the cable comes and goes. Up, every byte arrives, in order; what was unacknowledged
/// at a cut may come twice. Down, every connection's bytes arrive in order and without a gap, up to where it was cut.
pub(super) fn cable_pulled_ten_times() -> Result<()> {
    let peer = Peer::new()?;
    let place = peer.for_board();
    let mut board = board(&image("plain")?, &settings(&place))?;
    let up = noise((CUTS + 2) * STRETCH, 3);
    let (uart_in, mut uart_out) = (uart_of(&board)?, uart_of(&board)?);
    let over = AtomicBool::new(false);
    let result = thread::scope(|scope| -> Result<(Served, Vec<u8>)> {
        let device = scope.spawn(|| uart_out.write_all(&up));
        let reader = scope.spawn(|| read_until(uart_in, &over));
        let server = serve(&peer, &mut board, &up);
        over.store(true, Ordering::Relaxed);
        let written = match &server {
            Ok(_) => device.join().map_err(|_| anyhow!("the device has panicked")),
            // It may be waiting for a board that takes no more bytes.
            Err(_) => {
                drop(board);
                let _ = device.join();
                Ok(Ok(()))
            }
        };
        let down = reader.join().map_err(|_| anyhow!("the device's reader has panicked"))?;
        let server = server?;
        written?.context("the device")?;
        Ok((server, down?))
    });
    let (served, down) = result?;
    let (brought, twice) = joined(&up, &served.brought).map_err(|why| anyhow!("uplink: {why}"))?;
    ensure!(brought == up.len(), "uplink: {brought} of {} bytes", up.len());
    ensure!(served.brought.len() > CUTS, "only {} connections for {CUTS} cuts", served.brought.len());
    let whole = check_down(&down, served.sent.len())?;
    println!(
        "        {} connections, {twice} of {} bytes twice, {whole} downlink records",
        served.brought.len(),
        up.len()
    );
    Ok(())
}

/// What the peer has seen.
struct Served {
    /// What each connection brought.
    brought: Vec<Vec<u8>>,
    /// How many records each was sent.
    sent: Vec<u32>,
}

/// A record of the downlink: which connection, which record of it.
fn record(connection: usize, nth: u32) -> [u8; 8] {
    // Few connections.
    let connection = connection as u32;
    (u64::from(connection) << 32 | u64::from(nth)).to_be_bytes()
}

/// Takes connections until all of `up` has come, pulls the cable on the way, and sends records on each.
fn serve(peer: &Peer, board: &mut Machine, up: &[u8]) -> Result<Served> {
    let mut served = Served { brought: Vec::new(), sent: Vec::new() };
    let (mut cuts, mut next_cut) = (0, STRETCH);
    let until = Instant::now() + 5 * PATIENCE;
    let mut socket = peer.accept()?;
    loop {
        socket.set_nonblocking(true)?;
        served.brought.push(Vec::new());
        served.sent.push(0);
        let nth = served.brought.len() - 1;
        loop {
            drain(&mut socket, &mut served.brought[nth])?;
            let total: usize = joined(up, &served.brought).map_err(|why| anyhow!("uplink: {why}"))?.0;
            if total == up.len() && cuts == CUTS {
                return Ok(served);
            }
            if cuts < CUTS && total >= next_cut {
                cuts += 1;
                next_cut = total + STRETCH;
                board.qmp.set_link(false)?;
                board.log.wait("link_up = false", PATIENCE)?;
                board.qmp.set_link(true)?;
            }
            send_record(&mut socket, nth, &mut served.sent[nth])?;
            ensure!(Instant::now() < until, "{total} of {} bytes and {cuts} cuts so far", up.len());
            if let Some(next) = peer.try_accept(Duration::from_millis(1))? {
                // What the old one's TCP had acknowledged is here already.
                drain(&mut socket, &mut served.brought[nth])?;
                socket = next;
                break;
            }
        }
    }
}

/// Takes what has come.
fn drain(socket: &mut TcpStream, into: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => bail!("the peer's socket: {error}"),
        }
    }
}

/// Sends the next record, if there is room for it.
fn send_record(socket: &mut TcpStream, connection: usize, sent: &mut u32) -> Result<()> {
    match socket.write(&record(connection, *sent)) {
        Ok(8) => {
            *sent += 1;
            Ok(())
        }
        Ok(part) => bail!("{part} bytes of a record: the socket's buffer is smaller than thought"),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ) =>
        {
            Ok(())
        }
        Err(error) => bail!("the peer's socket: {error}"),
    }
}

/// Everything that comes down until `over`, and then until the line is quiet.
fn read_until(mut uart: UnixStream, over: &AtomicBool) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let quiet = Timespec { tv_sec: 1, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&uart, PollFlags::IN)], Some(&quiet))? == 0 {
            if over.load(Ordering::Relaxed) {
                return Ok(all);
            }
            continue;
        }
        match uart.read(&mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Whether the downlink is, connection for connection, records 0, 1, 2, … of it; how many are whole. A connection
/// that was cut may end in the middle of a record.
fn check_down(down: &[u8], connections: usize) -> Result<usize> {
    let (mut at, mut whole) = (0, 0);
    for connection in 0..connections {
        let mut nth = 0;
        loop {
            let want = record(connection, nth);
            let rest = &down[at..];
            let same = rest.iter().zip(&want).take_while(|(got, want)| got == want).count();
            // The start of the next connection's first record looks like this one's for some bytes.
            if same < want.len() {
                let next = record(connection + 1, 0);
                let cut = (0..=same)
                    .find(|cut| rest[*cut..].starts_with(&next[..next.len().min(rest.len() - cut)]));
                at += cut.with_context(|| {
                    format!("downlink: a gap at byte {at}, record {nth} of connection {connection}")
                })?;
                break;
            }
            at += want.len();
            nth += 1;
            whole += 1;
        }
    }
    ensure!(at == down.len() || connections == 0, "downlink: {} bytes too many", down.len() - at);
    Ok(whole)
}

/// Each burst from the device is a datagram, and each datagram comes back to it.
pub(super) fn udp_datagrams() -> Result<()> {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a peer's socket")?;
    peer.set_read_timeout(Some(PATIENCE))?;
    let place = format!("10.0.2.2:{}", peer.local_addr()?.port());
    let mut settings = settings(&place);
    settings.transport = Transport::Udp;
    settings.config.greeting = b"TCP  CONNECT";
    settings.config.packing.datagrams = true;
    settings.config.packing.max_len = 500;
    // The board's clock is the host's, and a busy host tears a burst apart for longer than a device would.
    settings.config.packing.gap = uartbridge_core::Duration::from_millis(500);
    let board = board(&image("udp")?, &settings)?;
    let mut uart = uart_of(&board)?;
    let mut datagram = [0; 2048];
    let (len, _) = peer.recv_from(&mut datagram).context("the greeting")?;
    ensure!(datagram[..len] == *b"TCP  CONNECT", "the first datagram is {:?}", &datagram[..len]);
    for nth in 0..10 {
        // The last ones are longer than a datagram may be here, and go as two.
        let burst = noise(60 * (nth + 1), nth as u64);
        uart.write_all(&burst)?;
        for want in burst.chunks(500) {
            let (len, from) = peer.recv_from(&mut datagram).context("a datagram")?;
            ensure!(datagram[..len] == *want, "burst {nth}: {}", difference(&datagram[..len], want));
            peer.send_to(&datagram[..len], from)?;
        }
        let got = read_exactly(&mut uart, burst.len())?;
        ensure!(got == burst, "back from burst {nth}: {}", difference(&got, &burst));
    }
    Ok(())
}

/// Nobody listens for 30 s of the board's time; then everything arrives.
pub(super) fn server_absent() -> Result<()> {
    const ABSENT: Duration = Duration::from_secs(30);
    let place = {
        // The port is free again, and the kernel gives it to nobody else so soon.
        let peer = Peer::new()?;
        peer.port()
    };
    let address = format!("10.0.2.2:{place}");
    let mut board = board(&image("plain")?, &settings(&address))?;
    let mut uart = uart_of(&board)?;
    let up = noise(8 * 1024, 5);
    let device = thread::spawn({
        let up = up.clone();
        move || uart.write_all(&up)
    });
    let away = Instant::now();
    let mut attempts = 0;
    while away.elapsed() < ABSENT {
        let left = ABSENT.saturating_sub(away.elapsed());
        if board.log.wait("connection refused", left).is_ok() {
            attempts += 1;
        }
    }
    ensure!(attempts > 10, "only {attempts} attempts in {ABSENT:?}");
    let peer = Peer::at(place)?;
    let mut socket = peer.accept()?;
    let open = board.log.wait("connected to", PATIENCE)?;
    ensure!(open.at >= ABSENT, "connected after {:?} of the board's time", open.at);
    let got = read_exactly(&mut socket, up.len()).context("uplink")?;
    ensure!(got == up, "uplink: {}", difference(&got, &up));
    device.join().map_err(|_| anyhow!("the device has panicked"))?.context("the device")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_downlink_check_sees_gaps() {
        let connection = |connection: usize, count: u32| -> Vec<u8> {
            (0..count).flat_map(|nth| record(connection, nth)).collect()
        };
        let mut down = connection(0, 5);
        down.truncate(37);
        down.extend(connection(1, 3));
        assert_eq!(check_down(&down, 2).expect("a cut is no gap"), 7);
        let mut gap = connection(0, 5);
        gap.drain(8..16);
        assert!(check_down(&gap, 1).is_err());
        let mut twice = connection(0, 2);
        twice.extend(connection(0, 1));
        assert!(check_down(&twice, 1).is_err());
    }
}
