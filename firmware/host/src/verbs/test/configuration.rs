//! What the image makes of its configuration.

use std::io::Read;
use std::time::Duration;

use anyhow::{Result, ensure};
use uartbridge_core::Config;
use uartbridge_firmware_config::{Address, Settings, StaticAddress};

use super::peer::{PATIENCE, Peer, board, settings};
use crate::verbs::image;

/// A board whose settings cannot work says which, and stops.
pub(super) fn is_told() -> Result<()> {
    let image = image("plain")?;
    let good = settings("10.0.2.2:1");
    let backwards = Config { uart_retry: uartbridge_core::Duration::ZERO, ..good.config };
    for (settings, told) in [
        (Settings { baud: 3_000_000, ..good.clone() }, "BadBaud(3000000): this UART makes"),
        (Settings { up_buffer: 1 << 20, ..good.clone() }, "a ring of 1048576 bytes; this image has"),
        (Settings { config: backwards, ..good.clone() }, "uart_retry must be above zero"),
    ] {
        let mut board = board(&image, &settings)?;
        let line = board.log.wait(told, PATIENCE)?;
        ensure!(line.level == "error", "{line}");
        ensure!(board.log.wait("started by", Duration::from_secs(1)).is_err(), "it starts again and again");
    }
    Ok(())
}

/// No DHCP; and the peer found through the name server.
pub(super) fn static_address() -> Result<()> {
    let peer = Peer::new()?;
    let own =
        StaticAddress { address: [10, 0, 2, 77], prefix: 24, gateway: [10, 0, 2, 2], dns: [10, 0, 2, 3] };
    let place = peer.for_board();
    let mut settings = Settings { address: Address::Static(own), ..settings(&place) };
    settings.config.greeting = b"TCP  CONNECT";
    let mut board = board(&image("plain")?, &settings)?;
    let mut socket = peer.accept()?;
    let mut greeting = [0; 12];
    socket.read_exact(&mut greeting)?;
    ensure!(greeting == *b"TCP  CONNECT", "the greeting is {greeting:?}");
    board.log.wait("connected to tcp://", PATIENCE)?;
    Ok(())
}
