//! The board, started: everything that an image needs of it.

use embassy_executor::Spawner;
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use static_cell::StaticCell;
use uartbridge_firmware_config::{Address, Settings, StaticAddress};

use crate::lan9118::Lan9118;
use crate::uart::{self, UartRx, UartTx};
use crate::watchdog::Watchdog;
use crate::{clock, executor, fault, flash, meter};

/// Sockets that the network stack has room for: DHCP, name look-ups, the bridge's connection.
const SOCKETS: usize = 3;

/// The running board.
pub struct Board {
    /// What makes this image this device.
    pub settings: &'static Settings<'static>,
    /// The receiving half of the UART.
    pub uart_rx: UartRx,
    /// The sending half of the UART.
    pub uart_tx: UartTx,
    /// The network.
    pub stack: Stack<'static>,
    /// The watchdog, running.
    pub watchdog: Watchdog,
}

/// Starts everything, lets `begin` spawn the image's tasks, and runs them for ever.
///
/// A device whose configuration or hardware makes no sense says so and stops: starting again would not mend it.
pub fn run(begin: impl FnOnce(Spawner, Board)) -> ! {
    meter::start();
    clock::start();
    let (why, starts) = fault::why_started();
    #[cfg(feature = "tls")]
    {
        crate::heap::start();
        crate::entropy::start(starts);
    }
    defmt::info!("uartbridge {=str}, started by {}", env!("CARGO_PKG_VERSION"), why);
    static SETTINGS: StaticCell<Settings<'static>> = StaticCell::new();
    let settings: &'static Settings<'static> = match flash::settings() {
        Ok(settings) => SETTINGS.init(settings),
        Err(error) => {
            defmt::error!("configuration: {}; write it with `cargo xtask firmware run`", error);
            fault::stop()
        }
    };
    let (uart_rx, uart_tx) = uart::start(settings.baud).unwrap_or_else(|error| {
        defmt::error!("configuration: {}: this UART makes 24 to 1562500 baud", error);
        fault::stop()
    });
    let ethernet = Lan9118::start(settings.mac).unwrap_or_else(|error| {
        defmt::error!("Ethernet controller: {}", error);
        fault::stop()
    });
    executor::run(|spawner| {
        let (stack, runner) = network(ethernet, settings, starts);
        spawn(spawner, run_network(runner));
        let watchdog = Watchdog::start();
        begin(spawner, Board { settings, uart_rx, uart_tx, stack, watchdog });
    })
}

/// Spawns a task of which there is one.
pub fn spawn<S>(
    spawner: Spawner,
    task: Result<embassy_executor::SpawnToken<S>, embassy_executor::SpawnError>,
) {
    match task {
        Ok(token) => spawner.spawn(token),
        Err(error) => defmt::panic!("a task was spawned twice: {}", error),
    }
}

/// `starts` makes this start another one than the last: with the same ports and sequence numbers, a server that still has
/// the old connection would take the new one for it (RFC 9293, 3.4.1).
fn network(
    ethernet: Lan9118,
    settings: &Settings<'_>,
    starts: u32,
) -> (Stack<'static>, Runner<'static, Lan9118>) {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let config = match settings.address {
        Address::Dhcp => Config::dhcpv4(Default::default()),
        Address::Static(own) => Config::ipv4_static(static_address(own)),
    };
    let resources = RESOURCES.init_with(StackResources::new);
    let seed = u64::from(settings.seed) << 32 | u64::from(starts);
    embassy_net::new(ethernet, config, resources, seed)
}

fn static_address(own: StaticAddress) -> StaticConfigV4 {
    let some = |address: [u8; 4]| (address != [0; 4]).then(|| address.into());
    let mut config = StaticConfigV4 {
        address: Ipv4Cidr::new(own.address.into(), own.prefix),
        gateway: some(own.gateway),
        dns_servers: Default::default(),
    };
    if let Some(server) = some(own.dns) {
        // An empty list has room for one.
        let _ = config.dns_servers.push(server);
    }
    config
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Lan9118>) {
    runner.run().await;
}
