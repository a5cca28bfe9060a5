//! Replaying: the same events at the same times, and whether the same actions follow.

use core::fmt;

use uartbridge_core::{Action, Bridge, Config, ConfigError, Delimiter, Event, Instant, Misuse};

use crate::record::{Record, What};
use crate::traced::place;

/// A bridge that is told what another one was told.
#[derive(Clone, Debug)]
pub struct Player<'c, U, D, const P: usize> {
    bridge: Bridge<'c, U, D, P>,
    /// A byte that the delimiter does not have.
    filler: u8,
    /// How many of the bytes that the UART brings next are in place.
    placed: usize,
    /// What it was told last, and refused.
    owed: Option<Misuse>,
    /// Records are missing: from here on nothing can be replayed.
    blind: bool,
    checked: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// It was carried out, or is what the bridge did, too.
    Same,
    /// Records before it are missing, so nobody knows.
    Unchecked,
}

/// The first place where the bridge does not do what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at: Instant,
    /// What the trace has.
    pub recorded: Did,
    /// What the bridge did now.
    pub replayed: Did,
}

/// What a bridge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It asked for this.
    Asked(Action),
    /// It took what it was told.
    Took,
    /// It refused what it was told.
    Refused(Misuse),
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(action) => write!(f, "{action:?}"),
            Self::Took => f.write_str("it took the event"),
            Self::Refused(misuse) => write!(f, "it refused the event: {misuse}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, recorded, replayed } = self;
        write!(f, "after {} µs: recorded: {recorded}; replayed: {replayed}", at.as_micros())
    }
}

impl core::error::Error for Difference {}

impl<'c, U, D, const P: usize> Player<'c, U, D, P>
where
    U: AsRef<[u8]> + AsMut<[u8]>,
    D: AsRef<[u8]> + AsMut<[u8]>,
{
    /// A fresh bridge: everything as the trace's [`Setup`](crate::Setup) says, `P` too.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(config: &'c Config<'c>, seed: u32, up: U, down: D) -> Result<Self, ConfigError> {
        let mark = config.packing.delimiter;
        let mark = mark.as_ref().map_or(&[][..], Delimiter::as_bytes);
        // A delimiter has four bytes at most.
        let filler = (b'?'..=u8::MAX).find(|byte| !mark.contains(byte)).unwrap_or_default();
        let bridge = Bridge::new(config, seed, up, down)?;
        Ok(Self { bridge, filler, placed: 0, owed: None, blind: false, checked: 0 })
    }

    /// Does what a record says, or compares with it.
    ///
    /// # Errors
    /// The bridge does something else. Whatever follows means nothing.
    pub fn play(&mut self, record: &Record<'_>) -> Result<Played, Difference> {
        if self.blind {
            return Ok(Played::Unchecked);
        }
        let Record { at, what } = *record;
        let owed = self.owed.take();
        if let (Some(misuse), false) = (owed, matches!(what, What::Refused(_) | What::Lost(_) | What::Full)) {
            return Err(Difference { at, recorded: Did::Took, replayed: Did::Refused(misuse) });
        }
        match what {
            What::Told(event, bytes) => self.tell(at, event, bytes),
            What::Refused(misuse) => {
                let replayed = owed.map_or(Did::Took, Did::Refused);
                self.compare(at, Did::Refused(misuse), replayed)?;
            }
            What::Asked(action) => {
                let replayed = Did::Asked(self.bridge.poll(at));
                self.compare(at, Did::Asked(action), replayed)?;
            }
            What::Mark { skip, byte } => {
                self.place(skip, byte);
            }
            What::Lost(_) => {
                self.blind = true;
                return Ok(Played::Unchecked);
            }
            // The reader knows what an earlier record said, or there is none.
            What::Name(..) | What::Unclear | What::Full => {}
        }
        Ok(Played::Same)
    }

    /// The bridge as it is now.
    pub const fn bridge(&self) -> &Bridge<'c, U, D, P> {
        &self.bridge
    }

    /// How many records were carried out or compared.
    pub const fn checked(&self) -> u64 {
        self.checked
    }

    fn compare(&mut self, at: Instant, recorded: Did, replayed: Did) -> Result<(), Difference> {
        self.checked += 1;
        if recorded == replayed { Ok(()) } else { Err(Difference { at, recorded, replayed }) }
    }

    fn tell(&mut self, now: Instant, event: Event, bytes: &[u8]) {
        let (from, filler) = match matches!(event, Event::UartRx(_)) {
            true => (core::mem::take(&mut self.placed), self.filler),
            false => (0, b'?'),
        };
        match place(&mut self.bridge, event) {
            Some(place) if place.len() == bytes.len() => place.copy_from_slice(bytes),
            Some(place) => place.iter_mut().skip(from).for_each(|byte| *byte = filler),
            None => {}
        }
        self.checked += 1;
        self.owed = self.bridge.handle(now, event).err();
    }

    /// A byte of the delimiter, in the room for what comes next.
    fn place(&mut self, skip: usize, byte: u8) {
        let (from, filler) = (self.placed, self.filler);
        let at = from.saturating_add(skip);
        let room = self.bridge.uart_rx();
        if let Some(between) = room.get_mut(from..at) {
            between.fill(filler);
        }
        if let Some(place) = room.get_mut(at) {
            *place = byte;
        }
        self.placed = at.saturating_add(1);
    }
}
