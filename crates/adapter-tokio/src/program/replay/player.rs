//! The bridge that does again what another one did, and what it knows beyond the records.

use uartbridge::storage::Storage;
use uartbridge_core::{Event, LinkState, PeerIndex, Stats};
use uartbridge_trace::{Difference, Played, Player, Record, Setup, What};

/// A record, and what was found out about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) record: Record<'a>,
    /// The bytes that it moved, if they are known.
    pub(super) bytes: Option<&'a [u8]>,
    /// The bridge after it, as long as it does what it did.
    pub(super) bridge: Option<View>,
}

/// What a bridge says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) state: LinkState,
    pub(super) peer: PeerIndex,
    pub(super) stats: Stats,
}

/// A trace being replayed.
pub(super) struct Run<'c> {
    player: Option<Box<dyn Play + 'c>>,
    unchecked: Option<String>,
    content: bool,
    moved: Vec<u8>,
    checked: u64,
    records: u64,
    last: Option<View>,
}

impl<'c> Run<'c> {
    /// A fresh bridge, as `setup` says.
    pub(super) fn new(setup: &'c Setup<'c>) -> Result<Self, String> {
        let player = match of(setup) {
            Some(player) => Some(player?),
            None => None,
        };
        let unchecked = player.is_none().then(|| {
            let known = PACKETS.map(|known| known.to_string()).join(", ");
            format!(
                "its bridge tells {} packets apart, and this program has bridges for {known}",
                setup.packets
            )
        });
        Ok(Self {
            player,
            unchecked,
            content: setup.content,
            moved: Vec::new(),
            checked: 0,
            records: 0,
            last: None,
        })
    }

    /// Why nothing can be checked from the start.
    pub(super) fn unchecked(&self) -> Option<&str> {
        self.unchecked.as_deref()
    }

    /// How many records were carried out or compared, of how many.
    pub(super) const fn checked(&self) -> (u64, u64) {
        (self.checked, self.records)
    }

    /// Whether nothing was missing or different so far.
    pub(super) const fn is_sure(&self) -> bool {
        self.player.is_some()
    }

    /// The bridge when it was last known.
    pub(super) const fn last(&self) -> Option<&View> {
        self.last.as_ref()
    }

    /// Does what `record` says, or compares with it. After a difference nothing is compared any more.
    pub(super) fn step<'s>(&'s mut self, record: Record<'s>) -> (Step<'s>, Option<Difference>) {
        self.records += 1;
        let known = self.take_moved(&record);
        let (mut bridge, mut difference) = (None, None);
        if let Some(player) = &mut self.player {
            match player.play(&record) {
                Ok(Played::Same) => bridge = Some(player.view()),
                Ok(Played::Unchecked) => {}
                Err(found) => difference = Some(found),
            }
            self.checked = player.checked();
        }
        match bridge {
            Some(view) => self.last = Some(view),
            None => self.player = None,
        }
        let told = if let What::Told(_, bytes) = record.what { bytes } else { &[] };
        let bytes = if told.is_empty() { known.then_some(&self.moved[..]) } else { Some(told) };
        (Step { record, bytes, bridge }, difference)
    }

    /// Copies the bytes that the bridge gives away by `record`, before it does; whether they are known.
    fn take_moved(&mut self, record: &Record<'_>) -> bool {
        self.moved.clear();
        let Some(player) = self.player.as_ref().filter(|_| self.content) else { return false };
        if let What::Told(Event::TxDone(n), _) = record.what {
            let [first, second] = player.tx();
            self.moved.extend(first.iter().chain(second).take(n));
            self.moved.len() == n
        } else if let What::Told(Event::UartTxDone(n), _) = record.what {
            self.moved.extend(player.uart_tx().iter().take(n));
            self.moved.len() == n
        } else {
            false
        }
    }
}

/// A player of any number of packets.
trait Play {
    fn play(&mut self, record: &Record<'_>) -> Result<Played, Difference>;
    fn checked(&self) -> u64;
    fn view(&self) -> View;
    fn tx(&self) -> [&[u8]; 2];
    fn uart_tx(&self) -> &[u8];
}

impl<const P: usize> Play for Player<'_, Storage, Storage, P> {
    fn play(&mut self, record: &Record<'_>) -> Result<Played, Difference> {
        self.play(record)
    }

    fn checked(&self) -> u64 {
        self.checked()
    }

    fn view(&self) -> View {
        let bridge = self.bridge();
        View { state: bridge.link_state(), peer: bridge.peer(), stats: bridge.stats() }
    }

    fn tx(&self) -> [&[u8]; 2] {
        self.bridge().tx()
    }

    fn uart_tx(&self) -> &[u8] {
        self.bridge().uart_tx()
    }
}

/// Bridges that tell so many packets apart are there: that number is a part of their type.
const PACKETS: [usize; 6] = [4, 8, 16, 32, 64, 256];

type Made<'c> = Result<Box<dyn Play + 'c>, String>;

/// `None`: there is no such bridge here.
fn of<'c>(setup: &'c Setup<'c>) -> Option<Made<'c>> {
    Some(match setup.packets {
        4 => sized::<4>(setup),
        8 => sized::<8>(setup),
        16 => sized::<16>(setup),
        32 => sized::<32>(setup),
        64 => sized::<64>(setup),
        256 => sized::<256>(setup),
        _ => return None,
    })
}

fn sized<'c, const P: usize>(setup: &'c Setup<'c>) -> Made<'c> {
    let ring =
        |bytes: usize| Storage::new(bytes).map_err(|error| format!("a ring of {bytes} bytes: {error}"));
    let (up, down) = (ring(setup.up)?, ring(setup.down)?);
    let player =
        Player::<_, _, P>::new(&setup.config, setup.seed, up, down).map_err(|error| error.to_string())?;
    Ok(Box::new(player))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uartbridge_core::Config;

    #[test]
    fn every_number_that_is_listed_has_a_bridge_and_no_other() {
        for packets in 0..300 {
            let config = Config::DEFAULT;
            let setup = Setup { config, seed: 1, up: 64, down: 64, packets, content: false, began: None };
            assert_eq!(of(&setup).is_some(), PACKETS.contains(&packets), "{packets}");
        }
    }
}
