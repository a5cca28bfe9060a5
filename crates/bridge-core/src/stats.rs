//! Counters. Every byte that entered is in exactly one place:
//! `uart_rx = tx_acked + up_dropped + up_held` and `sock_rx = uart_tx + down_held`.

use crate::event::LineErrors;

/// What a bridge has done since it was made. Bytes unless said otherwise; nothing here ever goes back, except what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Read from the UART.
    pub uart_rx: u64,
    /// Acknowledged by a peer, without greetings and heartbeats.
    pub tx_acked: u64,
    /// Held in the up ring.
    pub up_held: u64,
    /// Given up by the overflow policy. Those already in flight may still arrive.
    pub up_dropped: u64,
    /// How many packets (reads, if packing is off) that were.
    pub up_dropped_packets: u32,
    /// Sent again after a connection was lost; the peer may have them twice.
    pub replayed: u64,
    /// Read from the socket.
    pub sock_rx: u64,
    /// Accepted by the UART.
    pub uart_tx: u64,
    /// Held in the down ring.
    pub down_held: u64,
    /// Cut off datagrams that were larger than the room for them.
    pub down_cut: u64,
    /// Line errors that the UART's driver reported.
    pub line: LineErrors,
    /// Attempts to connect.
    pub attempts: u32,
    /// Attempts that succeeded.
    pub connections: u32,
    /// Failures in a row: 0 while all is well.
    pub failures: u16,
    /// Heartbeats started.
    pub heartbeats: u32,
}
