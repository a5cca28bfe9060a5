//! The watchdog, on a bridge that really hangs.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use uartbridge_firmware_host::Machine;

use super::gdb;
use super::peer::{PATIENCE, Peer, settings, start};
use crate::verbs::image;

/// The limit that the image sets, and the half of it that the watchdog's warning comes after.
const LIMIT: Duration = Duration::from_secs(9);

pub(super) fn resets_a_hung_bridge() -> Result<()> {
    let peer = Peer::new()?;
    let place = peer.for_board();
    let mut board = start(&image("plain")?, &settings(&place), true)?;
    board.log.wait("started by Power", PATIENCE)?;
    let mut socket = peer.accept()?;
    echo(&mut board, &mut socket, b"before")?;
    // Longer than its limit: it must be fed all this time.
    ensure!(
        board.log.wait("started by", LIMIT + Duration::from_secs(3)).is_err(),
        "the watchdog bites a bridge that is well"
    );
    let hung = Instant::now();
    gdb::hang(&board.debugger())?;
    board.log.wait("started by Watchdog", PATIENCE)?;
    let took = hung.elapsed();
    ensure!(took <= LIMIT + Duration::from_secs(5), "the watchdog has taken {took:?}");
    let mut socket = peer.accept()?;
    echo(&mut board, &mut socket, b"after")
}

/// Bytes in both directions.
fn echo(board: &mut Machine, socket: &mut (impl Read + Write), word: &[u8]) -> Result<()> {
    let uart = board.uart.as_mut().context("the UART")?;
    uart.set_read_timeout(Some(PATIENCE))?;
    let mut got = vec![0; word.len()];
    uart.write_all(word)?;
    socket.read_exact(&mut got).context("uplink")?;
    ensure!(got == word, "uplink brought {got:?}");
    socket.write_all(word)?;
    uart.read_exact(&mut got).context("downlink")?;
    ensure!(got == word, "downlink brought {got:?}");
    Ok(())
}
