//! The image that speaks TLS over TCP.

#![no_std]
#![no_main]

use uartbridge_embassy::run::run;
use uartbridge_embassy::sock::Tcp;
use uartbridge_firmware_config::Transport;
use uartbridge_mps2_an385::{Board, image, spawn, tls};

#[cortex_m_rt::entry]
fn main() -> ! {
    uartbridge_mps2_an385::run(|spawner, board| spawn(spawner, bridge(board)))
}

#[embassy_executor::task]
async fn bridge(board: Board) {
    let Board { settings, uart_rx, uart_tx, stack, watchdog } = board;
    let peers = image::peers(settings, Transport::Tls);
    let (tcp, names) = Tcp::new(stack, peers, image::tcp_buffers(), image::configure);
    let tls = tls::over(tcp, settings);
    let bridge = image::bridge(settings);
    let ended = run(bridge, image::uart(uart_rx, uart_tx), tls, names.run(), image::Loop { watchdog }).await;
    defmt::panic!("the bridge has ended: {}", ended);
}
