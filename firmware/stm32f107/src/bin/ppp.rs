//! A UART on the cellular network, by a modem that speaks PPP.
//!
//! | pin | to |
//! |---|---|
//! | PA9, PA10 | the device's RX and TX (USART1), through an RS-485 transceiver, 9 600 baud |
//! | PA8 | the transceiver's driver enable |
//! | PA2, PA3 | the modem's RX and TX (USART2), 115 200 baud |
//! | PC8 | the modem's PWRKEY, through a transistor |

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{ConfigV4, Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_ppp::{Ipv4Status, Runner, State};
use embassy_stm32::bind_interrupts;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{USART1, USART2};
use embassy_stm32::usart::{self, BufferedUart};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration as Pause, Timer, with_timeout};
use embedded_io_async::{BufRead, Write};
use panic_probe as _;
use static_cell::{ConstStaticCell, StaticCell};
use uartbridge_core::{Bridge, Config, Duration, Heartbeat, Ladder, Step};
use uartbridge_embassy::log::Defmt;
use uartbridge_embassy::options::{Options, Power};
use uartbridge_embassy::run::run;
use uartbridge_embassy::sock::{Peer, Tcp, TcpBuffers};
use uartbridge_embassy::uart::Halves;
use uartbridge_stm32f107::seed;

static PEERS: [Peer<'static>; 1] = [Peer { host: "collector.example", port: 4000 }];

static CONFIG: Config<'static> = Config {
    greeting: b"meter 17\r\n",
    // Keeps the operator's address translation alive.
    heartbeat: Heartbeat { bytes: b"\0", after: Duration::from_secs(60) },
    // Name look-up and TCP over a cellular network take their time.
    connect_timeout: Duration::from_secs(30),
    ladder: Ladder { reset_radio: 5, restart: 30, ..Config::DEFAULT.ladder },
    ..Config::DEFAULT
};

static UP: ConstStaticCell<[u8; 8192]> = ConstStaticCell::new([0; 8192]);
static DOWN: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static TCP: ConstStaticCell<TcpBuffers<2048, 2048>> = ConstStaticCell::new(TcpBuffers::new());

/// The bridge wants the modem to be reset.
static RESET: Signal<CriticalSectionRawMutex, ()> = Signal::new();

bind_interrupts!(struct Interrupts {
    USART1 => usart::BufferedInterruptHandler<USART1>;
    USART2 => usart::BufferedInterruptHandler<USART2>;
});

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_stm32::init(Default::default());

    static PPP: StaticCell<State<2, 2>> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<2>> = StaticCell::new();
    let (device, ppp) = embassy_net_ppp::new(PPP.init(State::new()));
    let resources = RESOURCES.init(StackResources::new());
    // The address comes with each PPP connection.
    let (stack, runner) = embassy_net::new(device, embassy_net::Config::default(), resources, seed());
    spawner.spawn(defmt::unwrap!(network(runner)));

    static MODEM_TX: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
    static MODEM_RX: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
    let (tx, rx) = (MODEM_TX.take(), MODEM_RX.take());
    let uart = BufferedUart::new(p.USART2, p.PA3, p.PA2, tx, rx, Interrupts, usart::Config::default());
    let key = Output::new(p.PC8, Level::Low, Speed::Low);
    spawner.spawn(defmt::unwrap!(modem(stack, ppp, defmt::unwrap!(uart), key)));

    static UART_TX: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
    static UART_RX: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
    let (tx, rx) = (UART_TX.take(), UART_RX.take());
    let mut line = usart::Config::default();
    line.baudrate = 9_600;
    let uart = BufferedUart::new(p.USART1, p.PA10, p.PA9, tx, rx, Interrupts, line);
    let enable = Output::new(p.PA8, Level::Low, Speed::Low);
    spawner.spawn(defmt::unwrap!(bridge(stack, defmt::unwrap!(uart), enable)));
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, embassy_net_ppp::Device<'static>>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn bridge(stack: Stack<'static>, uart: BufferedUart<'static>, enable: Output<'static>) {
    let bridge: Result<Bridge<_, _>, _> = Bridge::new(&CONFIG, seed() as u32, UP.take(), DOWN.take());
    let mut bridge = defmt::unwrap!(bridge);
    let (net, names) = Tcp::new(stack, &PEERS, TCP.take(), |_| {});
    let (tx, rx) = uart.split();
    // The driver waits until the last bit has left, so no character needs to be added to the turn-round delay.
    let halves = Halves::new(rx, tx).rs485(enable, Duration::from_micros(50), Duration::from_micros(50));
    let ended = run(&mut bridge, halves, net, names.run(), Options::new().log(Defmt).power(Radio)).await;
    defmt::error!("{}: restarting", ended);
    cortex_m::peripheral::SCB::sys_reset()
}

/// The rung of the ladder that concerns the modem.
struct Radio;

impl Power for Radio {
    fn recover(&mut self, step: Step) {
        match step {
            Step::ResetRadio => RESET.signal(()),
            // The loop ends, and its task restarts the device.
            Step::Restart => {}
        }
    }
}

/// Dials, speaks PPP until that ends, and begins again.
#[embassy_executor::task]
async fn modem(
    stack: Stack<'static>,
    mut ppp: Runner<'static>,
    mut uart: BufferedUart<'static>,
    mut key: Output<'static>,
) -> ! {
    loop {
        if dial(&mut uart).await {
            let up = |status| stack.set_config_v4(address(status));
            let login = embassy_net_ppp::Config { username: b"", password: b"" };
            let wanted = embassy_futures::select::select(ppp.run(&mut uart, login, up), RESET.wait()).await;
            defmt::warn!("PPP has ended: {}", defmt::Debug2Format(&wanted));
            stack.set_config_v4(ConfigV4::None);
        }
        // As the modem's data sheet wants it: the key is held for more than a second.
        key.set_high();
        Timer::after(Pause::from_millis(1_200)).await;
        key.set_low();
        Timer::after(Pause::from_secs(8)).await;
    }
}

/// Brings the modem to speak PPP (3GPP TS 27.007 §8.6, context 1).
async fn dial(uart: &mut BufferedUart<'static>) -> bool {
    for (command, answer) in [("ATE0\r", "OK"), ("ATD*99***1#\r", "CONNECT")] {
        let said = async {
            uart.write_all(command.as_bytes()).await.is_ok() && hears(uart, answer.as_bytes()).await
        };
        match with_timeout(Pause::from_secs(30), said).await {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                defmt::warn!("the modem does not answer {=str} with {=str}", command, answer);
                return false;
            }
        }
    }
    true
}

/// Reads until `wanted` has come, whose first byte must occur in it only once.
async fn hears(uart: &mut BufferedUart<'static>, wanted: &[u8]) -> bool {
    let mut matched = 0;
    while matched < wanted.len() {
        let Ok(&[byte, ..]) = uart.fill_buf().await else {
            return false;
        };
        uart.consume(1);
        matched = match byte {
            byte if byte == wanted[matched] => matched + 1,
            byte if byte == wanted[0] => 1,
            _ => 0,
        };
    }
    true
}

/// What the network has assigned.
fn address(status: Ipv4Status) -> ConfigV4 {
    let mut config = StaticConfigV4 {
        address: Ipv4Cidr::new(status.address.unwrap_or(Ipv4Address::UNSPECIFIED), 32),
        gateway: status.peer_address,
        dns_servers: Default::default(),
    };
    for server in status.dns_servers.into_iter().flatten() {
        // There is room for three, and PPP brings two.
        let _ = config.dns_servers.push(server);
    }
    ConfigV4::Static(config)
}
