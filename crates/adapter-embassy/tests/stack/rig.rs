//! A bridge with its UART in a test's hands, and a peer on the other end of the cable.

use std::future::Future;
use std::time::Duration;

use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::{Pipe, Reader, Writer};
use uartbridge_core::Bridge;
use uartbridge_embassy::options::Board;
use uartbridge_embassy::run::{Ended, run};
use uartbridge_embassy::sock::{Peer, Tcp, TcpBuffers};
use uartbridge_embassy::uart::Halves;

use crate::cable::Cable;

/// What a driver's ring holds.
const UART_RING: usize = 64;

type Ring = Pipe<NoopRawMutex, UART_RING>;

/// The device on the UART.
pub(crate) struct Device {
    pub(crate) rx: Reader<'static, NoopRawMutex, UART_RING>,
    pub(crate) tx: Writer<'static, NoopRawMutex, UART_RING>,
}

/// What a test holds.
pub(crate) struct Hands {
    pub(crate) device: Device,
    pub(crate) cable: Cable,
    /// The peer's stack: 10.0.0.2.
    pub(crate) peer: Stack<'static>,
}

pub(crate) const PORT: u16 = 4000;

/// Runs `bridge` with peers `peers` on 10.0.0.1 while `test` has its hands on both ends; the test must end first, or
/// else the bridge's end is its result.
pub(crate) fn with_bridge<T, F: Future<Output = T>>(
    bridge: &mut Bridge<'_, [u8; 256], [u8; 256], 4>,
    peers: &'static [Peer<'static>],
    board: impl Board,
    test: impl FnOnce(Hands) -> F,
) -> Result<T, Ended> {
    let cable = Cable::default();
    let [ours, theirs] = cable.ends();
    let (stack, mut runner) = embassy_net::new(ours, address(1), leak(StackResources::<4>::new()), 1);
    let (peer, mut peer_runner) = embassy_net::new(theirs, address(2), leak(StackResources::<6>::new()), 2);
    let (up, down): (&'static mut Ring, &'static mut Ring) = (leak(Pipe::new()), leak(Pipe::new()));
    let ((uart_rx, device_tx), (device_rx, uart_tx)) = (up.split(), down.split());
    let hands = Hands { device: Device { rx: device_rx, tx: device_tx }, cable, peer };
    let (net, names) = Tcp::new(stack, peers, leak(TcpBuffers::<512, 512>::new()), |_| {});
    let bridge = run(bridge, Halves::new(uart_rx, uart_tx), net, names.run(), board);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let both = async {
            tokio::select! {
                biased;
                result = test(hands) => Ok(result),
                ended = bridge => Err(ended),
                never = runner.run() => never,
                never = peer_runner.run() => never,
            }
        };
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("the test ends in time")
    })
}

fn address(last: u8) -> Config {
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, last), 24),
        gateway: None,
        dns_servers: Default::default(),
    })
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

impl Hands {
    /// A socket of the peer's, listening until the bridge connects.
    pub(crate) async fn accept(&self) -> TcpSocket<'static> {
        let mut socket = TcpSocket::new(self.peer, leak([0; 1024]), leak([0; 1024]));
        socket.accept(PORT).await.expect("a client");
        socket
    }
}
