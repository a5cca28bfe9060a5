//! Reading: from bytes, of which none is trusted, to records.

use uartbridge_core::{Instant, Sleep};

use crate::MAGIC;
use crate::check::Check;
use crate::number::Input;
use crate::record::{self, Record, TIMED, What, kind};
use crate::setup::{self, Setup};

/// A trace that was opened.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// What the bridge was made of.
    pub setup: Setup<'a>,
    /// The version of its core.
    pub core: &'a str,
    /// What happened.
    pub records: Records<'a>,
}

/// What is wrong with a trace, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTrace {
    /// An offset, in bytes.
    pub at: usize,
    /// What.
    pub what: Wrong,
}

/// What can be wrong with a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It does not begin like one.
    NoTrace,
    /// It is in another version of the format.
    Version(u8),
    /// It ends within a record: the writer was stopped, or the file was cut.
    Truncated,
    /// A checksum does not match, of the bytes before.
    Checksum,
    /// A record that makes no sense.
    Malformed,
    /// Its beginning, which says what the bridge was made of, makes no sense.
    Setup,
}

impl core::fmt::Display for BadTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.what {
            Wrong::NoTrace => return f.write_str("not a trace of uartbridge"),
            Wrong::Version(version) => {
                let own = MAGIC[MAGIC.len() - 1];
                return write!(f, "a trace in version {version} of the format, and this reads version {own}");
            }
            Wrong::Truncated => f.write_str("cut off within a record")?,
            Wrong::Checksum => f.write_str("damaged: the checksum of what comes before does not match")?,
            Wrong::Malformed => f.write_str("damaged: a record that makes no sense")?,
            Wrong::Setup => f.write_str("damaged: its beginning makes no sense")?,
        }
        write!(f, " (byte {})", self.at)
    }
}

impl core::error::Error for BadTrace {}

impl<'a> Trace<'a> {
    /// Reads how a trace begins.
    ///
    /// # Errors
    /// [`BadTrace`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, BadTrace> {
        let bad = |what| BadTrace { at: 0, what };
        let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or(bad(Wrong::NoTrace))?;
        match magic.split_last() {
            Some((_, name)) if name != &MAGIC[..name.len()] => return Err(bad(Wrong::NoTrace)),
            Some((&version, _)) if version != MAGIC[MAGIC.len() - 1] => {
                return Err(bad(Wrong::Version(version)));
            }
            Some(_) | None => {}
        }
        let mut records = Records {
            rest: Input(rest),
            len: bytes.len(),
            last: Instant::START,
            slept: None,
            check: Some(Check::START),
            begun: false,
            over: false,
        };
        let core = records.of(kind::CORE, |input| core::str::from_utf8(input.rest()).ok())?;
        let mut setup = records.of(kind::SETUP, Setup::read)?;
        let content = setup.content;
        if let Some(greeting) = records.own(kind::GREETING, content)? {
            setup.config.greeting = greeting;
        }
        if let Some(heartbeat) = records.own(kind::HEARTBEAT, content)? {
            setup.config.heartbeat.bytes = heartbeat;
        }
        Ok(Self { setup, core, records })
    }
}

/// The records of a trace, one after the other. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: Input<'a>,
    /// Of the whole trace.
    len: usize,
    last: Instant,
    slept: Option<Sleep>,
    /// Of the records since the last checksum; `None` where some of them are missing.
    check: Option<Check>,
    /// Something has happened to the bridge.
    begun: bool,
    over: bool,
}

/// A record whose meaning is not read yet.
struct Raw<'a> {
    at: usize,
    kind: u8,
    since: u64,
    input: Input<'a>,
}

impl<'a> Records<'a> {
    /// How much of the trace is read, in bytes.
    pub const fn offset(&self) -> usize {
        self.len - self.rest.0.len()
    }

    /// The next record, and what it and its length are made of.
    fn raw(&mut self) -> Result<Option<(Raw<'a>, &'a [u8])>, BadTrace> {
        let (at, all) = (self.offset(), self.rest.0);
        if all.is_empty() {
            return Ok(None);
        }
        let what = |what| BadTrace { at, what };
        let mut rest = self.rest.clone();
        let len =
            rest.number().ok_or(what(if all.len() < 10 { Wrong::Truncated } else { Wrong::Malformed }))?;
        let body = usize::try_from(len).ok().and_then(|len| rest.take(len)).ok_or(what(Wrong::Truncated))?;
        let mut input = Input(body);
        let first = input.byte().ok_or(what(Wrong::Malformed))?;
        let since = if first & TIMED == 0 { Some(0) } else { input.number() };
        let since = since.ok_or(what(Wrong::Malformed))?;
        self.rest = rest;
        let whole = &all[..all.len() - self.rest.0.len()];
        Ok(Some((Raw { at, kind: first & !TIMED, since, input }, whole)))
    }

    /// A record that must come next.
    fn of<T>(&mut self, kind: u8, read: impl FnOnce(&mut Input<'a>) -> Option<T>) -> Result<T, BadTrace> {
        let at = self.offset();
        let bad = BadTrace { at, what: Wrong::Setup };
        let (mut raw, whole) = self.raw()?.ok_or(BadTrace { at, what: Wrong::Truncated })?;
        if raw.kind != kind {
            return Err(bad);
        }
        let read = read(&mut raw.input).filter(|_| raw.input.0.is_empty()).ok_or(bad)?;
        self.add(whole);
        Ok(read)
    }

    /// Greeting or heartbeat, if that is what comes next.
    fn own(&mut self, kind: u8, content: bool) -> Result<Option<&'a [u8]>, BadTrace> {
        let before = self.rest.clone();
        let next = match self.raw() {
            Ok(next) => next,
            // Whoever reads on will find out.
            Err(_) => return Ok(None),
        };
        let is_it = next.is_some_and(|(raw, _)| raw.kind == kind);
        self.rest = before;
        if !is_it {
            return Ok(None);
        }
        let read = |input: &mut Input<'a>| {
            let len = input.size()?;
            if content { Some(input.rest()).filter(|bytes| bytes.len() == len) } else { setup::hidden(len) }
        };
        self.of(kind, read).map(Some)
    }

    fn add(&mut self, whole: &[u8]) {
        if let Some(check) = &mut self.check {
            check.add(whole);
        }
    }

    fn step(&mut self) -> Result<Option<Record<'a>>, BadTrace> {
        loop {
            let Some((mut raw, whole)) = self.raw()? else {
                return Ok(None);
            };
            let bad = |what| BadTrace { at: raw.at, what };
            match raw.kind {
                kind::CHECK => {
                    self.agree(&mut raw.input).map_err(bad)?;
                    self.check = Some(Check::START);
                }
                kind::LOST => return self.lost(&mut raw.input).map(Some).map_err(bad),
                _ => {
                    self.add(whole);
                    return self.meaning(raw).map(Some);
                }
            }
        }
    }

    /// Whether the sum that comes next is that of the records since the last one.
    fn agree(&self, input: &mut Input<'_>) -> Result<(), Wrong> {
        let sum = input.rest().try_into().map_err(|_| Wrong::Malformed)?;
        let differs = self.check.is_some_and(|check| check.sum() != u32::from_le_bytes(sum));
        if differs { Err(Wrong::Checksum) } else { Ok(()) }
    }

    /// Records are missing: in the middle of a trace because its sink did not take them, with a checksum of what comes
    /// before; at the beginning because a ring had no room for them.
    fn lost(&mut self, input: &mut Input<'_>) -> Result<Record<'a>, Wrong> {
        let lost = input.number().filter(|&lost| lost > 0).ok_or(Wrong::Malformed)?;
        let at = input.number().ok_or(Wrong::Malformed)?;
        if input.0.is_empty() && !self.begun {
            self.check = None;
        } else {
            self.agree(input)?;
            self.check = Some(Check::START);
        }
        self.begun = true;
        self.last = self.last.max(Instant::from_micros(at));
        self.slept = None;
        Ok(Record { at: self.last, what: What::Lost(lost) })
    }

    fn meaning(&mut self, mut raw: Raw<'a>) -> Result<Record<'a>, BadTrace> {
        let at = Instant::from_micros(self.last.as_micros().saturating_add(raw.since));
        let what = record::read(raw.kind, &mut raw.input, at, self.slept)
            .filter(|_| raw.input.0.is_empty())
            .ok_or(BadTrace { at: raw.at, what: Wrong::Malformed })?;
        self.last = at;
        if let What::Asked(uartbridge_core::Action::Sleep(sleep)) = what {
            self.slept = Some(sleep);
        }
        self.begun |= !matches!(what, What::Name(..));
        self.over = what == What::Full;
        if self.over && !self.rest.0.is_empty() {
            return Err(BadTrace { at: raw.at, what: Wrong::Malformed });
        }
        Ok(Record { at, what })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BadTrace>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.step().transpose();
        self.over |= !matches!(next, Some(Ok(_)));
        next
    }
}
