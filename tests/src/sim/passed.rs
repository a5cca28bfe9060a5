//! What has crossed the bridge's ports, byte for byte: kept here, not by the bridge, for checks to which every byte has its
//! place.

/// See the module. Connections are counted as in [`Observed::connections`](crate::Observed::connections).
#[derive(Debug, Default)]
pub struct Passed {
    /// Read from the UART's driver: what the peers are owed.
    pub up: Vec<u8>,
    /// Read from TCP, less what the driver had when it was unplugged: what the device is owed.
    pub down: Vec<u8>,
    /// Which byte of `up` each connection has to begin with: the first that the bridge's host has not seen acknowledged when the
    /// connection before it went, if all that was ever written is bytes from the UART.
    pub begins: Vec<u64>,
    /// Written on connections that have gone, and not acknowledged by then: to be sent again.
    pub again: u64,
    acked: u64,
    written: u64,
    delivered: usize,
}

impl Passed {
    /// The bridge's host has connection `conn` now.
    pub(super) fn connected(&mut self, conn: usize) {
        self.begins.resize(conn + 1, self.acked);
        self.written = 0;
    }

    /// So many bytes are written on it.
    pub(super) const fn writes(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// The bridge's host has it no more; so many bytes of it are known to have been acknowledged.
    pub(super) const fn gone(&mut self, acked: u64) {
        self.acked += acked;
        self.again += self.written - acked;
    }

    /// The device has got so many bytes.
    pub(super) const fn delivers(&mut self, bytes: usize) {
        self.delivered += bytes;
    }

    /// The next so many bytes for the device are lost.
    pub(super) fn unplugged(&mut self, bytes: usize) {
        let from = self.delivered.min(self.down.len());
        let to = (from + bytes).min(self.down.len());
        self.down.drain(from..to);
    }
}
