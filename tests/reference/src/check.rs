//! What must hold after every step.

use uartbridge_core::{LinkState, Overflow, Power, Stats};
use uartbridge_trace::Recorder;

use crate::world::{Net, Uart, World};

/// A datagram is read only where there is room for so many bytes, or none is held.
const DATAGRAM_ROOM: usize = 2048;

impl<R: Recorder, const P: usize> World<'_, R, P> {
    /// The README's promises.
    ///
    /// # Panics
    /// One of them is broken.
    pub(crate) fn check(&mut self) {
        let stats = self.bridge.stats();
        self.counts(&stats);
        self.ports(&stats);
        self.goes_on();
        self.before = stats;
        let depth = &mut self.depth;
        (depth.connections, depth.acked, depth.replayed) =
            (stats.connections, stats.tx_acked, stats.replayed);
        (depth.dropped, depth.device, depth.heartbeats) = (stats.up_dropped, stats.uart_tx, stats.heartbeats);
    }

    /// Every byte is counted once, and counters do not go back.
    fn counts(&self, stats: &Stats) {
        assert_eq!(stats.uart_rx, self.said);
        assert_eq!(stats.uart_rx, stats.tx_acked + stats.up_dropped + stats.up_held);
        assert_eq!((stats.sock_rx, stats.uart_tx, stats.down_cut), (self.told, self.device, self.cut));
        assert_eq!(stats.sock_rx, stats.uart_tx + stats.down_held);
        assert!(stats.up_held <= self.up as u64 && stats.down_held <= self.down as u64, "memory is bounded");
        if self.exactly() {
            assert_eq!((stats.tx_acked, stats.up_dropped), (self.reached, 0));
            assert_eq!(stats.replayed, self.replayed);
        }
        if let Net::Up(stream) = &self.net {
            assert_eq!(self.bridge.tx_total(), stream.written);
            assert!(stream.reaches() <= self.said, "out of order, or twice");
        }
        let only_grow = |of: fn(&Stats) -> u64| assert!(of(stats) >= of(&self.before), "{stats:?}");
        only_grow(|stats| stats.tx_acked);
        only_grow(|stats| stats.up_dropped);
        only_grow(|stats| stats.up_dropped_packets.into());
        only_grow(|stats| stats.attempts.into());
        only_grow(|stats| stats.connections.into());
    }

    /// What is lent: the same together and one by one; and a full ring stops its sender alone.
    fn ports(&mut self, stats: &Stats) {
        let ports = self.bridge.ports();
        let together =
            (ports.uart_rx.len(), ports.sock_rx.len(), ports.tx.map(<[u8]>::to_vec), ports.uart_tx.to_vec());
        self.shadow.ports();
        let alone = (
            self.uart_rx(),
            self.sock_rx(),
            self.bridge.tx().map(<[u8]>::to_vec),
            self.bridge.uart_tx().to_vec(),
        );
        assert_eq!(alone, together);
        let (uart_rx, sock_rx, tx, uart_tx) = together;
        assert!(!tx[0].is_empty() || tx[1].is_empty());

        let reads = self.uart == Uart::Open && !self.stopping;
        let may_wait = self.config.packing.datagrams && self.config.overflow == Overflow::Block;
        let full = self.config.overflow == Overflow::Block && stats.up_held == self.up as u64;
        assert!(uart_rx == 0 || reads && !full);
        assert!(uart_rx > 0 || !reads || full || may_wait, "the UART waits without need: {:?}", self.bridge);

        let takes = matches!(self.uart, Uart::Open | Uart::Ended);
        assert_eq!(!uart_tx.is_empty(), takes && stats.down_held > 0);

        let free = self.down - stats.down_held as usize;
        let datagrams = self.config.packing.datagrams;
        let half = free >= self.down.div_ceil(2);
        // A datagram is read whole, and the room may lie across the ring's fold.
        let (must, may) = if datagrams { (free == self.down, free >= DATAGRAM_ROOM) } else { (half, half) };
        let open = matches!(self.bridge.link_state(), LinkState::Open(_));
        assert!(sock_rx > 0 || !open || !must, "the peer waits without need: {:?}", self.bridge);
        assert!(sock_rx == 0 || (must || may) && matches!(self.net, Net::Up(_)));
        let lent = tx[0].len() + tx[1].len();
        match &self.net {
            Net::Up(stream) if open && !stream.own.is_empty() => {
                assert_eq!((tx[0].as_slice(), tx[1].len()), (stream.own, 0), "first of all");
            }
            Net::Up(stream) => {
                assert!(!datagrams || !stream.own.is_empty() || lent <= self.config.packing.max_len);
            }
            Net::Down | Net::Asked => assert!(tx[0].is_empty()),
        }
    }

    /// There is something to do, a deadline, or an event that must come.
    fn goes_on(&self) {
        let down = matches!(self.net, Net::Down);
        match self.bridge.link_state() {
            LinkState::NoIp => assert!(down && !self.ip, "there is an address: {:?}", self.bridge),
            LinkState::Parked => {
                let on_demand = matches!(self.config.power, Power::OnDemand { .. });
                assert!(down && (on_demand || self.stopping), "parked: {:?}", self.bridge);
            }
            LinkState::BackOff(_) => {
                let ends = self.bridge.poll_timeout().is_some() || !self.spans_end();
                assert!(down && ends, "{:?}", self.bridge);
            }
            LinkState::Connecting(_) => assert!(!matches!(self.net, Net::Up(_))),
            LinkState::Open(_) => assert!(matches!(self.net, Net::Up(_))),
            LinkState::Closing => assert!(!down),
            LinkState::Finished => assert!(down && self.bridge.poll_timeout().is_none()),
        }
    }
}
