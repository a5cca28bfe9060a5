//! A UART on a wired network.
//!
//! | pin | to |
//! |---|---|
//! | PA9, PA10 | the device's RX and TX (USART1), 115 200 baud |
//! | PA1, PA2, PA7, PC1, PC4, PC5, PB11, PB12, PB13 | an RMII PHY that makes its own 50 MHz |
//! | PD12 | an LED: on while there is a connection |

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{Stack, StackResources};
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{ETH, ETH_SMA, IWDG, USART1};
use embassy_stm32::usart::{self, BufferedUart};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, rcc};
use panic_probe as _;
use static_cell::{ConstStaticCell, StaticCell};
use uartbridge_core::{Backoff, Bridge, Config, Duration};
use uartbridge_embassy::log::Defmt;
use uartbridge_embassy::options::Options;
use uartbridge_embassy::run::run;
use uartbridge_embassy::sock::{Peer, Tcp, TcpBuffers};
use uartbridge_embassy::uart::Halves;
use uartbridge_stm32f107::seed;

/// Where to connect to; the second one if the first does not answer.
static PEERS: [Peer<'static>; 2] =
    [Peer { host: "collector.example", port: 4000 }, Peer { host: "192.0.2.7", port: 4000 }];

/// What the bridge does. Everything else is as in `Config::DEFAULT`.
static CONFIG: Config<'static> = Config {
    peers: PEERS.len() as u8,
    greeting: b"meter 17\r\n",
    backoff: Backoff { max: Duration::from_secs(60), ..Config::DEFAULT.backoff },
    ..Config::DEFAULT
};

/// The rings: bytes from the device that the peer does not have yet, and bytes for the device.
static UP: ConstStaticCell<[u8; 8192]> = ConstStaticCell::new([0; 8192]);
static DOWN: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static TCP: ConstStaticCell<TcpBuffers<2048, 4096>> = ConstStaticCell::new(TcpBuffers::new());

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    USART1 => usart::BufferedInterruptHandler<USART1>;
});

type Card = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_stm32::init(clocks());

    static QUEUE: ConstStaticCell<PacketQueue<4, 4>> = ConstStaticCell::new(PacketQueue::new());
    let card = Ethernet::new(
        QUEUE.take(),
        p.ETH,
        Interrupts,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PB12,
        p.PB13,
        p.PB11,
        address(),
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    // One socket each for DHCP, DNS and the bridge.
    static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) =
        embassy_net::new(card, embassy_net::Config::dhcpv4(Default::default()), resources, seed());
    spawner.spawn(defmt::unwrap!(network(runner)));

    static UART_TX: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
    static UART_RX: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
    let (tx, rx) = (UART_TX.take(), UART_RX.take());
    let uart = BufferedUart::new(p.USART1, p.PA10, p.PA9, tx, rx, Interrupts, usart::Config::default());
    let led = Output::new(p.PD12, Level::Low, Speed::Low);
    let watchdog = IndependentWatchdog::new(p.IWDG, 9_000_000);
    spawner.spawn(defmt::unwrap!(bridge(stack, defmt::unwrap!(uart), led, watchdog)));
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Card>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn bridge(
    stack: Stack<'static>,
    uart: BufferedUart<'static>,
    led: Output<'static>,
    mut watchdog: IndependentWatchdog<'static, IWDG>,
) {
    let bridge: Result<Bridge<_, _>, _> = Bridge::new(&CONFIG, seed() as u32, UP.take(), DOWN.take());
    let mut bridge = defmt::unwrap!(bridge);
    let (net, names) = Tcp::new(stack, &PEERS, TCP.take(), |_| {});
    let (tx, rx) = uart.split();
    watchdog.unleash();
    let options = Options::new().led(led).log(Defmt).watchdog(move || watchdog.pet(), Duration::from_secs(3));
    let ended = run(&mut bridge, Halves::new(rx, tx), net, names.run(), options).await;
    defmt::error!("{}: restarting", ended);
    cortex_m::peripheral::SCB::sys_reset()
}

/// 36 MHz from the internal oscillator; Ethernet wants 25 at least.
fn clocks() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc.pll =
        Some(rcc::Pll { src: rcc::PllSource::HSI, prediv: rcc::PllPreDiv::DIV2, mul: rcc::PllMul::MUL9 });
    config.rcc.sys = rcc::Sysclk::PLL1_P;
    config
}

/// An Ethernet address of our own: locally administered (IEEE 802, second bit of the first byte).
fn address() -> [u8; 6] {
    let [_, _, b, c, d, e, f, _] = seed().to_be_bytes();
    [0x02, b, c, d, e, f]
}
