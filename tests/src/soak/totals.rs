//! What came of soaks, added up.

use std::fmt::Write as _;
use std::time::Duration;

use super::fault::Fault;

/// Bytes, unless said otherwise; where there are two, up and down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bridges.
    pub runs: u64,
    /// Of each kind.
    pub faults: [u64; Fault::ALL.len()],
    /// Said by the device.
    pub device_sent: u64,
    /// Received by the server, over all connections.
    pub peer_got: u64,
    /// Said by the server.
    pub peer_sent: u64,
    /// Received by the device.
    pub device_got: u64,
    /// How many the server has seen.
    pub connections: u64,
    /// By the bridge's own counter.
    pub replayed: u64,
    /// By the network, in packets.
    pub packets_lost: u64,
    /// Lost by the UART's driver when it was unplugged.
    pub unplugged: u64,
    /// Said by the server, and still with its own TCP when the connection broke.
    pub not_taken: u64,
    /// By the bridge.
    pub lost: [u64; 2],
    /// Arrived again.
    pub duplicated: [u64; 2],
    /// Arrived where it does not belong, if it belongs anywhere.
    pub wrong: [u64; 2],
    /// Virtual time, in µs.
    pub micros: u64,
}

impl Totals {
    /// All faults.
    pub fn fault_count(&self) -> u64 {
        self.faults.iter().sum()
    }

    /// Carried from one end to the other.
    pub const fn carried(&self) -> u64 {
        self.peer_got + self.device_got
    }

    /// And these.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.runs, other.runs),
            (&mut self.device_sent, other.device_sent),
            (&mut self.peer_got, other.peer_got),
            (&mut self.peer_sent, other.peer_sent),
            (&mut self.device_got, other.device_got),
            (&mut self.connections, other.connections),
            (&mut self.replayed, other.replayed),
            (&mut self.packets_lost, other.packets_lost),
            (&mut self.unplugged, other.unplugged),
            (&mut self.not_taken, other.not_taken),
            (&mut self.micros, other.micros),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum += more);
        let pairs = [
            (&mut self.lost, other.lost),
            (&mut self.duplicated, other.duplicated),
            (&mut self.wrong, other.wrong),
        ];
        for (sum, more) in pairs {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        self.faults.iter_mut().zip(other.faults).for_each(|(sum, more)| *sum += more);
    }
}

/// A table with a column for each.
pub fn table(columns: &[(&str, Totals)]) -> String {
    let mut table = String::new();
    let mut row = |name: &str, cells: Vec<String>| {
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
    };
    row("", columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    row("---", vec!["---:".to_owned(); columns.len()]);
    let mut rows = |name: &str, of: &dyn Fn(&Totals) -> String| {
        row(name, columns.iter().map(|(_, totals)| of(totals)).collect());
    };
    rows("runs, each with a seed of its own", &|t| spaced(t.runs));
    rows("faults", &|t| spaced(t.fault_count()));
    for fault in Fault::ALL {
        rows(&format!("· {}", fault.name()), &|t| spaced(t.faults[fault as usize]));
    }
    rows("packets lost", &|t| spaced(t.packets_lost));
    rows("connections", &|t| spaced(t.connections));
    rows("bytes up: said, received", &|t| pair([t.device_sent, t.peer_got]));
    rows("bytes down: said, received", &|t| pair([t.peer_sent, t.device_got]));
    rows("never came to the bridge: unplugged with their port, left in the server's TCP", &|t| {
        pair([t.unplugged, t.not_taken])
    });
    rows("replayed", &|t| spaced(t.replayed));
    rows("**lost by the bridge**, up and down", &|t| pair(t.lost));
    rows("came twice, up and down", &|t| pair(t.duplicated));
    rows("out of order or damaged, up and down", &|t| pair(t.wrong));
    rows("virtual time", &|t| {
        let time = Duration::from_micros(t.micros).as_secs();
        format!("{} h {:02} min", time / 3600, time / 60 % 60)
    });
    table
}

pub(super) fn pair(values: [u64; 2]) -> String {
    values.map(spaced).join(", ")
}

/// With a space before each three digits.
pub(super) fn spaced(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable_and_added_up() {
        assert_eq!([0, 999, 1000, 1_234_567].map(spaced), ["0", "999", "1 000", "1 234 567"]);
        let one = Totals { runs: 1, lost: [1, 2], faults: [3; 10], ..Totals::default() };
        let mut sum = one;
        sum.add(&one);
        assert_eq!((sum.runs, sum.lost, sum.fault_count()), (2, [2, 4], 60));
    }
}
