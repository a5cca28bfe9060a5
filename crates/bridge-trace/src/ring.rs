//! Records in memory: the newest, or the first, as many as fit.
//!
//! All there is to know stands in the memory itself, so that whoever can read it (a debugger, a host over a probe, the next
//! start after a crash) has the trace: [`unroll`](Ring::unroll). A dump may be longer than the ring: its size stands in it.
//!
//! ```text
//! UBtring1 | size | kept | head | len | lost (8) | time (8) | kept records | records in a circle
//! ```
//!
//! Numbers are little-endian, of 4 bytes where nothing is said.

use crate::number::{Head, Input, LONGEST};
use crate::record::{TIMED, kind};
use crate::tape::{FULL, Sink};

/// Records in `S`, which holds bytes.
#[derive(Clone, Debug)]
pub struct Ring<S> {
    memory: S,
    state: State,
    keeps: Keeps,
    over: bool,
}

/// Which records give way when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    Newest,
    First,
}

/// Where what is. Offsets are counted from the end of this state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// Bytes behind this state.
    size: usize,
    /// Bytes that stay: magic and setup.
    kept: usize,
    /// Where the oldest record in the circle begins, from the end of what stays.
    head: usize,
    /// Bytes of all records in the circle.
    len: usize,
    /// Records that had to give way.
    lost: u64,
    /// What the time was when the last of them came, in µs.
    time: u64,
}

/// How a ring begins.
pub const RING_MAGIC: [u8; 8] = *b"UBtring1";
/// Bytes that the state takes in the memory.
const STATE: usize = 40;

impl<S: AsRef<[u8]> + AsMut<[u8]>> Ring<S> {
    /// Keeps the newest records. A trace whose beginning had to give way tells its story, but cannot be replayed.
    pub fn new(memory: S) -> Self {
        Self::with(memory, Keeps::Newest)
    }

    /// Keeps the first records, which can be replayed, and stops when it is full.
    pub fn until_full(memory: S) -> Self {
        Self::with(memory, Keeps::First)
    }

    /// Writes the trace to `out`, which should be as long as the memory and 32 bytes more; how many bytes it has.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        Ring::<&[u8]>::unroll(self.memory.as_ref(), out).unwrap_or(0)
    }

    fn with(memory: S, keeps: Keeps) -> Self {
        let size = memory.as_ref().len().saturating_sub(STATE);
        let mut ring = Self { memory, state: State { size, ..State::default() }, keeps, over: false };
        ring.note();
        ring
    }

    /// Writes the state down.
    fn note(&mut self) {
        let bytes = self.state.to_bytes();
        if let Some(place) = self.memory.as_mut().first_chunk_mut() {
            *place = bytes;
        }
    }

    /// Makes room for `n` bytes in the circle, whose size is `size`.
    fn make_room(&mut self, n: usize, size: usize) {
        let mut gave_way = false;
        while self.state.len + n > size {
            let circle = &self.memory.as_ref()[STATE + self.state.kept..];
            let Some((len, since)) = measure(circle, self.state.head) else {
                // Cannot be: only whole records are put in. An empty circle has room.
                (self.state.head, self.state.len) = (0, 0);
                break;
            };
            self.state.head = (self.state.head + len) % size;
            self.state.len = self.state.len.saturating_sub(len);
            self.state.lost += 1;
            self.state.time = self.state.time.saturating_add(since);
            gave_way = true;
        }
        // Before they are overwritten.
        if gave_way {
            self.note();
        }
    }
}

impl Ring<&[u8]> {
    /// The trace in the `memory` of a ring, which may go on behind it, into `out`; how many bytes it has. `None` if there is no
    /// ring at its beginning, or not all of one, or no room in `out`: as many bytes as `memory` has, and 32 more, are enough.
    pub fn unroll(memory: &[u8], out: &mut [u8]) -> Option<usize> {
        let (state, rest) = memory.split_first_chunk::<STATE>()?;
        let State { size, kept, head, len, lost, time } = State::from_bytes(state)?;
        let (kept, circle) = rest.get(..size)?.split_at_checked(kept)?;
        if len > circle.len() || head > circle.len() {
            return None;
        }
        let mut missing = Head::<32>::new();
        if lost > 0 {
            let mut body = Head::<24>::new();
            body.byte(kind::LOST);
            body.number(lost);
            body.number(time);
            missing.number(body.as_bytes().len() as u64);
            body.as_bytes().iter().for_each(|&byte| missing.byte(byte));
        }
        let first = &circle[head..circle.len().min(head + len)];
        let wrapped = &circle[..len - first.len()];
        let mut written = 0;
        for part in [kept, missing.as_bytes(), first, wrapped] {
            let end = written + part.len();
            out.get_mut(written..end)?.copy_from_slice(part);
            written = end;
        }
        Some(written)
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Sink for Ring<S> {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let n: usize = parts.iter().map(|part| part.len()).sum();
        let size = self.memory.as_ref().len().saturating_sub(STATE + self.state.kept);
        match self.keeps {
            _ if self.over => return false,
            Keeps::First if self.state.len + n + FULL.len() > size => {
                self.over = true;
                if self.state.len + FULL.len() <= size {
                    self.write(&[&FULL], size);
                }
                return false;
            }
            Keeps::Newest if n > size => return false,
            Keeps::First | Keeps::Newest => self.make_room(n, size),
        }
        self.write(parts, size);
        true
    }

    fn keep(&mut self) {
        // Nothing has wrapped yet: setups are shorter than any ring that is of use.
        if self.state.head == 0 && self.state.lost == 0 {
            self.state.kept += self.state.len;
            self.state.len = 0;
            self.note();
        }
    }
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Ring<S> {
    fn write(&mut self, parts: &[&[u8]], size: usize) {
        let circle = &mut self.memory.as_mut()[STATE + self.state.kept..];
        for part in parts {
            let at = (self.state.head + self.state.len) % size;
            let (whole, wrapped) = part.split_at(part.len().min(size - at));
            circle[at..at + whole.len()].copy_from_slice(whole);
            circle[..wrapped.len()].copy_from_slice(wrapped);
            self.state.len += part.len();
        }
        self.note();
    }
}

impl State {
    fn to_bytes(self) -> [u8; STATE] {
        let mut bytes = [0; STATE];
        bytes[..8].copy_from_slice(&RING_MAGIC);
        for (place, number) in
            bytes[8..24].chunks_exact_mut(4).zip([self.size, self.kept, self.head, self.len])
        {
            place.copy_from_slice(&(number as u32).to_le_bytes());
        }
        for (place, number) in bytes[24..].chunks_exact_mut(8).zip([self.lost, self.time]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; STATE]) -> Option<Self> {
        let rest = bytes.strip_prefix(&RING_MAGIC)?;
        let small = |at: usize| Some(u32::from_le_bytes(*rest.get(at..)?.first_chunk()?));
        let large = |at: usize| Some(u64::from_le_bytes(*rest.get(at..)?.first_chunk()?));
        Some(Self {
            size: small(0)?.try_into().ok()?,
            kept: small(4)?.try_into().ok()?,
            head: small(8)?.try_into().ok()?,
            len: small(12)?.try_into().ok()?,
            lost: large(16)?,
            time: large(24)?,
        })
    }
}

/// How many bytes the record at `head` takes with its length, and how many µs passed before it.
fn measure(circle: &[u8], head: usize) -> Option<(usize, u64)> {
    // The length, the kind and the time: no more is looked at.
    const FRONT: usize = LONGEST + 1 + LONGEST;
    let mut front = [0; FRONT];
    for (place, byte) in front.iter_mut().zip(circle.iter().cycle().skip(head).take(circle.len())) {
        *place = *byte;
    }
    let mut input = Input(&front);
    let body = input.size()?;
    let prefix = FRONT - input.0.len();
    let since = if input.byte()? & TIMED == 0 { 0 } else { input.number()? };
    Some((prefix.checked_add(body).filter(|&len| len <= circle.len())?, since))
}
