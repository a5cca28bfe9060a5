//! Traces that nobody vouches for: bytes of any kind, records of any kind behind a genuine beginning, and genuine traces of which a
//! byte has changed.

use crate::core;
use crate::script::Script;
use uartbridge_core::Config;
use uartbridge_reference::World;
use uartbridge_trace::{BadTrace, Difference, Played, Player, Ring, Setup, Sink, Tape, Trace};

/// How far a trace could be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its beginning is none, or its settings cannot work, or need more memory than whoever reads it wants to spend.
    Refused,
    /// Something in it makes no sense.
    Bad(BadTrace),
    /// It is not what a bridge does.
    Differs(Difference),
    /// To its end: records that were carried out or compared, and others.
    Replayed(u64, u64),
}

/// The largest ring of a bridge that is replayed here, in bytes.
const LARGEST: usize = 1 << 16;
const PACKETS: usize = 4;

/// One run.
///
/// # Panics
/// A genuine trace does not replay, or one of which a byte has changed passes for it.
pub fn run(data: &[u8]) -> Depth {
    let mut script = Script::new(data);
    match script.byte() % 4 {
        0 => replay(script.rest()),
        1 => {
            let mut bytes = recorded(&mut script, false);
            bytes.extend_from_slice(script.rest());
            replay(&bytes)
        }
        2 => {
            let (capacity, bytes) = (script.size().clamp(1, 2048), script.rest());
            let mut out = vec![0; capacity];
            match Ring::unroll(bytes, &mut out) {
                Some(length) => replay(&out[..length]),
                None => Depth::Refused,
            }
        }
        _ => {
            let (place, flip) = (script.number() as usize, script.byte());
            let trace = recorded(&mut script, true);
            let genuine = replay(&trace);
            assert!(matches!(genuine, Depth::Replayed(_, 0)), "{genuine:?}");
            changed(trace, place, flip, genuine)
        }
    }
}

/// The trace of a bridge that lives through the script, or of one to which nothing happens.
fn recorded(script: &mut Script<'_>, lives: bool) -> Vec<u8> {
    let shape = script.byte();
    let (up, down) = core::rings(script);
    let (up, down) = (up.max(1), down.max(1));
    let config = core::config(script, Some(up));
    let setup = setup(config, (up, down), shape);
    let mut tape = Tape::new(Paper::default(), &setup);
    tape.name(uartbridge_core::PeerIndex(0), "tcp://192.0.2.1:4000");
    let mut world =
        World::<_, PACKETS>::new(&config, (up, down), setup.seed, tape).expect("settings that work");
    if lives {
        core::happens(&mut world, script);
    }
    std::mem::take(&mut world.recorder().sink().0)
}

fn setup(config: Config<'_>, (up, down): (usize, usize), shape: u8) -> Setup<'_> {
    let began = (shape & 2 != 0).then_some(1_780_272_000_000_000);
    Setup { config, seed: shape.into(), up, down, packets: PACKETS, content: shape & 1 != 0, began }
}

/// A byte that has changed is found out, if a checksum comes behind it.
fn changed(mut trace: Vec<u8>, place: usize, flip: u8, genuine: Depth) -> Depth {
    let place = place % trace.len();
    let covered = place < last_check(&trace);
    trace[place] ^= flip;
    let depth = replay(&trace);
    assert!(!covered || flip == 0 || depth != genuine, "{flip:#x} at {place} of {} passes", trace.len());
    depth
}

/// Where the last checksum of a genuine trace begins: after each of so many records.
fn last_check(trace: &[u8]) -> usize {
    const CHECK: [u8; 2] = [5, 5];
    let mut records = &trace[uartbridge_trace::MAGIC.len()..];
    let mut last = 0;
    while !records.is_empty() {
        let at = trace.len() - records.len();
        if records.starts_with(&CHECK) {
            last = at;
        }
        // LEB128.
        let digits = records.iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
        let length =
            records[..digits].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        records = &records[digits + length..];
    }
    last
}

fn replay(bytes: &[u8]) -> Depth {
    let trace = match Trace::open(bytes) {
        Ok(trace) => trace,
        Err(bad) => {
            assert!(bad.at <= bytes.len() && !bad.to_string().is_empty());
            return Depth::Refused;
        }
    };
    let Setup { config, seed, up, down, packets, .. } = trace.setup;
    if up > LARGEST || down > LARGEST || packets != PACKETS {
        return Depth::Refused;
    }
    let Ok(mut player) = Player::<_, _, PACKETS>::new(&config, seed, vec![0; up], vec![0; down]) else {
        return Depth::Refused;
    };
    let (mut count, mut unchecked) = (0, 0);
    for record in trace.records {
        count += 1;
        assert!(count <= bytes.len(), "a record takes a byte at least");
        let record = match record {
            Ok(record) => record,
            Err(bad) => {
                assert!(bad.at <= bytes.len() && bad.to_string().contains("byte"));
                return Depth::Bad(bad);
            }
        };
        match player.play(&record) {
            Ok(Played::Same) => {}
            Ok(Played::Unchecked) => unchecked += 1,
            Err(difference) => {
                assert!(difference.recorded != difference.replayed && !difference.to_string().is_empty());
                return Depth::Differs(difference);
            }
        }
    }
    Depth::Replayed(player.checked(), unchecked)
}

/// A trace without bounds.
#[derive(Debug, Default)]
struct Paper(Vec<u8>);

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        self.0.extend(parts.concat());
        true
    }
}
