//! What the images have in common: the parts of a bridge, made from the settings.

use embassy_net::tcp::TcpSocket;
use static_cell::{ConstStaticCell, StaticCell};
use uartbridge_core::{Bridge, Duration, LineErrors, Stats, Step};
use uartbridge_embassy::log::{Defmt, Log, Said, Why};
use uartbridge_embassy::options::{Board, Pace};
#[cfg(feature = "udp")]
use uartbridge_embassy::sock::UdpBuffers;
use uartbridge_embassy::sock::{Peer, TcpBuffers};
use uartbridge_embassy::uart::{Buffered, Classify, Halves};
use uartbridge_firmware_config::{MAX_PEERS, Settings, Transport};

use crate::counters;
use crate::fault::{self, restart};
use crate::uart::{Overruns, UartRx, UartTx};
use crate::watchdog::{FEED, Watchdog};

/// Bytes in each ring of the bridge.
const RING: usize = 2048;
/// Bytes in each buffer of the TCP socket.
const SOCKET: usize = 2048;
/// Packets that the up ring can tell apart.
pub(crate) const PACKETS: usize = 8;

/// The bridge, over rings in static memory.
pub type Bridged = Bridge<'static, &'static mut [u8], &'static mut [u8], PACKETS>;
/// The UART as the loop knows it.
pub type Uart = Halves<Buffered<UartRx, Classify<Overruns>>, Buffered<UartTx>>;
/// The TCP socket's memory.
pub type Buffers = TcpBuffers<SOCKET, SOCKET>;

/// The bridge that `settings` ask for; once.
pub fn bridge(settings: &'static Settings<'static>) -> &'static mut Bridged {
    static BRIDGE: StaticCell<Bridged> = StaticCell::new();
    static RINGS: ConstStaticCell<[[u8; RING]; 2]> = ConstStaticCell::new([[0; RING]; 2]);
    let [up, down] = RINGS.take();
    let (up, down) = (part(up, settings.up_buffer), part(down, settings.down_buffer));
    match Bridge::new(&settings.config, settings.seed, up, down) {
        Ok(bridge) => BRIDGE.init(bridge),
        Err(error) => {
            defmt::error!("configuration: {=str} must {=str}", error.field, error.must);
            fault::stop()
        }
    }
}

/// The first `wanted` bytes of a ring's storage; 0: all of it.
fn part(storage: &'static mut [u8; RING], wanted: u32) -> &'static mut [u8] {
    &mut storage[..ring_size(wanted)]
}

/// The size of a ring of which `wanted` bytes are wanted; 0: as large as it can be.
pub(crate) fn ring_size(wanted: u32) -> usize {
    match usize::try_from(wanted) {
        Ok(0) => RING,
        Ok(wanted @ 1..=RING) => wanted,
        Ok(_) | Err(_) => {
            defmt::error!("configuration: a ring of {} bytes; this image has {}", wanted, RING);
            fault::stop()
        }
    }
}

/// The peers in `settings`, if they are to be spoken to as this image does: by `transport`. Once.
pub fn peers(settings: &Settings<'static>, transport: Transport) -> &'static [Peer<'static>] {
    if settings.transport != transport {
        defmt::error!("configuration: {}, and this image speaks {}", settings.transport, transport);
        fault::stop()
    }
    static PEERS: StaticCell<[Peer<'static>; MAX_PEERS]> = StaticCell::new();
    let peers = PEERS.init([Peer { host: "", port: 0 }; MAX_PEERS]);
    // What is wrong with a peer, reading the configuration has found out.
    let listed = settings.peers().flatten();
    let count =
        peers.iter_mut().zip(listed).map(|(place, (host, port))| *place = Peer { host, port }).count();
    &peers[..count]
}

/// The TCP socket's memory; once.
pub fn tcp_buffers() -> &'static mut Buffers {
    // Filled in here: a first value would lie in flash as well.
    static BUFFERS: StaticCell<Buffers> = StaticCell::new();
    BUFFERS.init_with(Buffers::new)
}

/// The UDP socket's memory; once.
#[cfg(feature = "udp")]
pub fn udp_buffers() -> &'static mut UdpBuffers<SOCKET, SOCKET> {
    static BUFFERS: StaticCell<UdpBuffers<SOCKET, SOCKET>> = StaticCell::new();
    BUFFERS.init_with(UdpBuffers::new)
}

/// The UART as the loop wants it.
pub fn uart(rx: UartRx, tx: UartTx) -> Uart {
    let overruns: Classify<Overruns> = |lost| LineErrors { overrun: lost.0, framing: 0, parity: 0 };
    Halves::of(Buffered::receiver(rx).errors(overruns), Buffered::transmitter(tx))
}

/// A connection that is quiet is asked every 30 s whether it still lives: the way to the peer forgets it otherwise.
pub fn configure(socket: &mut TcpSocket<'static>) {
    socket.set_keep_alive(Some(embassy_time::Duration::from_secs(30)));
}

/// The board as the loop knows it: its log and its watchdog; no radio, no LED, no sleep deeper than WFI.
#[derive(Debug)]
pub struct Loop {
    /// Fed as long as the loop comes round.
    pub watchdog: Watchdog,
}

impl Board<Why> for Loop {
    fn pace(&self) -> Pace {
        // The UART's driver gathers by itself.
        Pace { feed_every: Duration::from_secs(u64::from(FEED)), ..Pace::EAGER }
    }

    fn say(&mut self, said: &Said<'_>) {
        Defmt.say(said);
    }

    fn feed(&mut self) {
        self.watchdog.feed();
    }

    fn counters(&mut self, stats: &Stats) {
        counters::publish(stats);
    }

    fn recover(&mut self, step: Step) {
        defmt::warn!("the network is stuck: {}", step);
        match step {
            // The Ethernet controller has nothing that a reset would mend.
            Step::ResetRadio => {}
            Step::Restart => restart(),
        }
    }
}
