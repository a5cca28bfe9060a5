//! The loop without an executor, as in a super-loop or an RTOS task, here between a pty and TCP:
//!
//! ```text
//! nc -lk 127.0.0.1 4000                                        # a server
//! cargo run --package uartbridge-embassy --example blocking    # says which pty to open
//! ```

mod host;

use std::time::Instant;

use uartbridge_core::{Bridge, Config};
use uartbridge_embassy::blocking::{Sockets, run};
use uartbridge_embassy::log::Said;
use uartbridge_embassy::options::Options;
use uartbridge_embassy::uart::Halves;

/// In flash, on a microcontroller.
static CONFIG: Config<'static> = Config { greeting: b"hello\n", ..Config::DEFAULT };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let (uart, _slave, name) = host::pty()?;
    println!("the device's side of the UART is {name}");

    let mut bridge: Bridge<_, _> = Bridge::new(&CONFIG, std::process::id(), [0; 2048], [0; 2048])?;
    let (tcp, ports) = host::Tcp::new(server.parse()?, &uart);
    let halves = Halves::ready(uart.clone(), uart);
    let options = Options::new().log(|said: &Said<'_>| println!("{said}"));
    let start = Instant::now();
    let ended = run(
        &mut bridge,
        halves,
        Sockets::new(tcp),
        options,
        || host::since(start),
        |wait| host::wait(&ports, start, wait),
    );
    println!("{ended}");
    Ok(())
}
