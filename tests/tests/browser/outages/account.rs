//! What has become of all bytes.

use libtest_mimic::Failed;
use uartbridge_tests::World;
use uartbridge_tests::align::{Own, Tally, align};
use uartbridge_tests::browser::BrowserWorld;

/// The most that is handed to a port at a time: how much of it a port that has gone had taken, nobody says.
const CHUNK: usize = 4096;

/// Compared by what both ends and the bridge itself say.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) up: Tally,
    down: Tally,
    /// What the bridge has counted.
    replayed: usize,
    read_from_uart: usize,
    read_from_server: usize,
    written_to_uart: usize,
    connections: usize,
    /// By the two ends.
    device_sent: usize,
    peer_sent: usize,
    device_got: usize,
}

impl Account {
    pub(super) fn new(world: &mut BrowserWorld) -> Result<Self, String> {
        let mut stat = |name| world.stat(name).map(|count| count as usize);
        let [replayed, read_from_uart, read_from_server, written_to_uart] =
            [stat("replayed")?, stat("uart-rx")?, stat("sock-rx")?, stat("uart-tx")?];
        let observed = world.observed();
        let own = Own::default();
        Ok(Self {
            up: align(&observed.device_sent, &observed.streams(None), &own),
            down: align(&observed.peer_sent, &[&observed.device_got], &own),
            replayed,
            read_from_uart,
            read_from_server,
            written_to_uart,
            connections: observed.connections.len(),
            device_sent: observed.device_sent.len(),
            peer_sent: observed.peer_sent.len(),
            device_got: observed.device_got.len(),
        })
    }

    pub(super) fn print(&self, what: &str) {
        for (direction, sent, tally) in
            [("up", self.device_sent, &self.up), ("down", self.peer_sent, &self.down)]
        {
            println!(
                "{what}: {direction}: {sent} bytes sent, {} lost in {} places, {} twice, {} out of order, {} damaged",
                tally.lost(),
                tally.missing.len(),
                tally.duplicated,
                tally.reordered,
                tally.corrupt
            );
        }
        println!(
            "{what}: {} connections; the bridge has read {} bytes of the device and {} of the server, sent {} again, and written {} of {} to the device",
            self.connections,
            self.read_from_uart,
            self.read_from_server,
            self.replayed,
            self.written_to_uart,
            self.device_got
        );
    }

    /// Every byte of the device is there, in order, and no more of them twice than the bridge knows of.
    pub(super) fn up_is_whole(&self) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        match (self.up.lost(), reordered, corrupt) {
            (0, 0, 0) if duplicated <= self.replayed => Ok(()),
            _ => Err(format!("up: {:?}", self.up).into()),
        }
    }

    /// Whatever the bridge has read of the server is there, in order and once; what it has not, is missing in so many places
    /// at most.
    pub(super) fn down_is_what_was_read(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.down;
        let all = self.device_got == self.read_from_server && self.device_got == self.written_to_uart;
        if all && (reordered, corrupt, duplicated) == (0, 0, 0) && self.down.missing.len() <= breaks {
            Ok(())
        } else {
            Err(format!("down: {:?}", self.down).into())
        }
    }

    /// Whatever the bridge has read of the device has arrived, in order and once, on one connection.
    pub(super) fn up_is_what_was_read(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        let unread = self.device_sent - self.read_from_uart;
        let whole = self.up.lost() == unread && self.up.missing.len() <= breaks;
        if whole && (reordered, corrupt, duplicated) == (0, 0, 0) && self.connections == 1 {
            Ok(())
        } else {
            Err(format!("up, of which {unread} were not read: {:?}", self.up).into())
        }
    }

    /// Every byte of the server has been written to the port, in order. At most a chunk a time has gone with the port, or was
    /// written again to the next though the device had it.
    pub(super) fn down_is_written(&self, breaks: usize) -> Result<(), Failed> {
        let Tally { reordered: twice, corrupt, .. } = self.down;
        let lost = self.down.lost();
        let most = breaks * CHUNK;
        let adds_up = self.device_got == self.written_to_uart - lost + twice;
        if adds_up && corrupt == 0 && lost <= most && twice <= most && self.connections == 1 {
            Ok(())
        } else {
            Err(format!("down: {:?}", self.down).into())
        }
    }

    /// Nothing is damaged, repeated or out of order, and what is missing is missing where something broke.
    pub(super) fn is_in_order(&self, breaks: usize) -> Result<(), Failed> {
        self.down_is_what_was_read(breaks)?;
        let Tally { reordered, corrupt, duplicated, .. } = self.up;
        if (reordered, corrupt, duplicated) == (0, 0, 0) && self.up.missing.len() <= breaks {
            Ok(())
        } else {
            Err(format!("up: {:?}", self.up).into())
        }
    }
}
