//! The image that speaks TCP, and keeps a trace of what its bridge was told and asked for.

#![no_std]
#![no_main]

use uartbridge_embassy::run::run_traced;
use uartbridge_embassy::sock::Tcp;
use uartbridge_firmware_config::Transport;
use uartbridge_mps2_an385::{Board, image, spawn, trace};

#[cortex_m_rt::entry]
fn main() -> ! {
    uartbridge_mps2_an385::run(|spawner, board| spawn(spawner, bridge(board)))
}

#[embassy_executor::task]
async fn bridge(board: Board) {
    let Board { settings, uart_rx, uart_tx, stack, watchdog } = board;
    let peers = image::peers(settings, Transport::Tcp);
    let (tcp, names) = Tcp::new(stack, peers, image::tcp_buffers(), image::configure);
    let (bridge, tape) = (image::bridge(settings), trace::tape(settings));
    let uart = image::uart(uart_rx, uart_tx);
    let ended = run_traced(bridge, tape, uart, tcp, names.run(), image::Loop { watchdog }).await;
    defmt::panic!("the bridge has ended: {}", ended);
}
