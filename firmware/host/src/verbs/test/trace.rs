//! What the image `traced` leaves in its memory.

use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use uartbridge_core::Stats;
use uartbridge_trace::{Player, Trace};

use super::peer::{Peer, board, read_exactly, settings};
use super::stream::noise;
use crate::verbs::image;

/// The image tells its packets apart by this many.
const PACKETS: usize = 8;
/// Bytes each way on each connection.
const BURST: usize = 2000;

/// Bytes both ways on two connections; then the trace in the board's memory, replayed by the core of this host, gives the same
/// actions.
pub(super) fn replays_without_a_difference() -> Result<()> {
    let peer = Peer::new()?;
    let place = peer.for_board();
    let image = image("traced")?;
    let mut board = board(&image, &settings(&place))?;
    let mut uart = board.uart.take().context("the board has no UART")?;
    for seed in [5, 6] {
        let mut socket = peer.accept()?;
        let (up, down) = (noise(BURST, seed), noise(BURST, seed + 10));
        uart.write_all(&up)?;
        ensure!(read_exactly(&mut socket, BURST)? == up, "uplink {seed}");
        socket.write_all(&down)?;
        ensure!(read_exactly(&mut uart, BURST)? == down, "downlink {seed}");
        // The peer ends the connection, and the bridge makes another one.
        socket.shutdown(std::net::Shutdown::Write)?;
        ensure!(socket.read(&mut [0])? == 0, "more than the device has sent");
    }
    let trace = board.trace(&image)?.context("the board has not begun its trace")?;
    let (stats, checked) = replayed(&trace)?;
    let bytes = 2 * BURST as u64;
    ensure!(stats.uart_rx == bytes && stats.tx_acked == bytes, "up, in the trace: {stats:?}");
    ensure!(stats.sock_rx == bytes && stats.uart_tx == bytes, "down, in the trace: {stats:?}");
    ensure!(stats.connections >= 2, "connections, in the trace: {stats:?}");
    println!("        {} bytes of trace, {checked} events and actions", trace.len());
    Ok(())
}

/// What the counters are after the last record, and how many were carried out or compared.
fn replayed(trace: &[u8]) -> Result<(Stats, u64)> {
    let Trace { setup, records, .. } = Trace::open(trace)?;
    ensure!(setup.packets == PACKETS, "a bridge with {} packets", setup.packets);
    let (up, down) = (vec![0; setup.up], vec![0; setup.down]);
    let mut player = Player::<_, _, PACKETS>::new(&setup.config, setup.seed, up, down)?;
    for record in records {
        player.play(&record?)?;
    }
    Ok((player.bridge().stats(), player.checked()))
}
