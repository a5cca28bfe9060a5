//! A bridge with its UART in a test's hands, and a peer on the other end of the cable.

use std::future::Future;

use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::{Pipe, Reader, Writer};
use embedded_hal::digital::OutputPin;
use embedded_io_async::{Read, Write};
use uartbridge_core::{Bridge, Config, Duration};
use uartbridge_embassy::log::Why;
use uartbridge_embassy::options::{Board, Options};
use uartbridge_embassy::run::{Ended, run};
use uartbridge_embassy::sock::{Peer, Tcp, TcpBuffers, Tls, Udp, UdpBuffers};
use uartbridge_embassy::uart::{Halves, NoPin};

use crate::cable::Cable;

/// What a driver's ring holds.
const UART_RING: usize = 64;

type Ring = Pipe<NoopRawMutex, UART_RING>;

type Receiver = Reader<'static, NoopRawMutex, UART_RING>;
type Transmitter = Writer<'static, NoopRawMutex, UART_RING>;

/// The device on the UART.
pub(crate) struct Device {
    pub(crate) rx: Receiver,
    pub(crate) tx: Transmitter,
}

/// What a test holds.
pub(crate) struct Hands {
    pub(crate) device: Device,
    pub(crate) cable: Cable,
    /// The peer's stack: 10.0.0.2.
    pub(crate) peer: Stack<'static>,
}

pub(crate) const PORT: u16 = 4000;

/// The pins of a UART besides RX and TX.
pub(crate) struct Pins<F, E> {
    pub(crate) rts: F,
    /// Driver enable of a shared line, with its lead and its tail.
    pub(crate) enable: Option<(E, Duration, Duration)>,
}

pub(crate) type TestBridge = Bridge<'static, [u8; 256], [u8; 256], 4>;

/// Runs `bridge` with peers `peers` on 10.0.0.1 while `test` has its hands on both ends; the test must end first, or
/// else the bridge's end is its result.
pub(crate) fn with_bridge<T, F: Future<Output = T>>(
    bridge: &mut TestBridge,
    peers: &'static [Peer<'static>],
    board: impl Board<Why>,
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    with_pins(bridge, peers, Pins { rts: NoPin, enable: None::<(NoPin, _, _)> }, board, test)
}

/// The same with pins.
pub(crate) fn with_pins<T, F: Future<Output = T>>(
    bridge: &mut TestBridge,
    peers: &'static [Peer<'static>],
    pins: Pins<impl OutputPin, impl OutputPin>,
    board: impl Board<Why>,
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    let work = |stack, rx, tx| {
        let (net, names) = Tcp::new(stack, peers, leak(TcpBuffers::<512, 512>::new()), |_| {});
        let uart = Halves::new(rx, tx).rts(pins.rts);
        async move {
            match pins.enable {
                Some((enable, lead, tail)) => {
                    run(bridge, uart.rs485(enable, lead, tail), net, names.run(), board).await
                }
                None => run(bridge, uart, net, names.run(), board).await,
            }
        }
    };
    with_loop(work, test)
}

/// The same over UDP.
pub(crate) fn with_udp<T, F: Future<Output = T>>(
    bridge: &mut TestBridge,
    peers: &'static [Peer<'static>],
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    let work = move |stack, rx, tx| {
        let (net, names) = Udp::new(stack, peers, leak(UdpBuffers::<512, 512>::new()));
        async move { run(bridge, Halves::new(rx, tx), net, names.run(), Options::new()).await }
    };
    with_loop(work, test)
}

/// The same over TLS.
pub(crate) fn with_tls<T, F: Future<Output = T>>(
    bridge: &mut TestBridge,
    peers: &'static [Peer<'static>],
    config: &'static uartbridge_tls::Config,
    board: impl Board<Why>,
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    let work = move |stack, rx, tx| {
        let (tcp, names) = Tcp::new(stack, peers, leak(TcpBuffers::<512, 512>::new()), |_| {});
        let (input, output) = (leak([0; uartbridge_tls::INPUT_FOR_ANY_RECORD]), leak([0; 4096]));
        let tls = Tls::new(tcp, 1, config, input.as_mut_slice(), output.as_mut_slice());
        let net = tls.expect("good settings");
        async move { run(bridge, Halves::new(rx, tx), net, names.run(), board).await }
    };
    with_loop(work, test)
}

/// Runs a loop, made of a stack and a UART's halves, and a test beside it.
fn with_loop<T, F: Future<Output = T>, W: Future<Output = Ended>>(
    work: impl FnOnce(Stack<'static>, Receiver, Transmitter) -> W,
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    let cable = Cable::default();
    let [ours, theirs] = cable.ends();
    let (stack, mut runner) = embassy_net::new(ours, address(1), leak(StackResources::<4>::new()), 1);
    let (peer, mut peer_runner) = embassy_net::new(theirs, address(2), leak(StackResources::<6>::new()), 2);
    let (up, down): (&'static mut Ring, &'static mut Ring) = (leak(Pipe::new()), leak(Pipe::new()));
    let ((uart_rx, device_tx), (device_rx, uart_tx)) = (up.split(), down.split());
    let hands = Hands { device: Device { rx: device_rx, tx: device_tx }, cable, peer };
    let work = work(stack, uart_rx, uart_tx);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let both = async {
            tokio::select! {
                biased;
                result = test(hands) => Ok(result),
                ended = work => Err(ended),
                never = runner.run() => never,
                never = peer_runner.run() => never,
            }
        };
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, both).await.expect("the test ends in time")
    })
}

/// A bridge with rings of 256 bytes.
pub(crate) fn bridge(config: Config<'static>) -> TestBridge {
    Bridge::new(leak(config), 1, [0; 256], [0; 256]).expect("good settings")
}

pub(crate) async fn read_exactly(from: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).await.expect("all of the bytes");
    bytes
}

/// Waits until the bridge has an acknowledgement of all that the peer has read: a byte downlink carries it.
pub(crate) async fn acknowledge(socket: &mut TcpSocket<'static>, device: &mut Device) {
    socket.write_all(b"!").await.expect("the bridge reads");
    assert_eq!(read_exactly(&mut device.rx, 1).await, b"!");
}

fn address(last: u8) -> embassy_net::Config {
    embassy_net::Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, last), 24),
        gateway: None,
        dns_servers: Default::default(),
    })
}

pub(crate) fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

impl Hands {
    /// A UDP socket of the peer's.
    pub(crate) fn datagrams(&self, port: u16) -> UdpSocket<'static> {
        let meta = || leak([PacketMetadata::EMPTY; 8]);
        let (rx, tx) = (leak([0; 2048]), leak([0; 2048]));
        let mut socket = UdpSocket::new(self.peer, meta(), rx, meta(), tx);
        socket.bind(port).expect("a free port");
        socket
    }

    /// A socket of the peer's, listening until the bridge connects.
    pub(crate) async fn accept(&self) -> TcpSocket<'static> {
        let mut socket = TcpSocket::new(self.peer, leak([0; 1024]), leak([0; 1024]));
        socket.accept(PORT).await.expect("a client");
        socket
    }
}
