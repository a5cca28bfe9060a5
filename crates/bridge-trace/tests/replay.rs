//! Whatever happens to a bridge, its trace replays; and whatever happens to a trace, reading it does not panic.

use proptest::collection::vec;
use proptest::prelude::*;
use uartbridge_core::{
    Acks, Action, Bridge, CloseReason, Config, Delimiter, Duration, Event, Heartbeat, Instant, LineErrors,
    Overflow, Packing, Power,
};
use uartbridge_trace::{Played, Player, Record, Ring, Setup, Sink, Tape, Trace, Traced, What, Wrong};

type Bytes = Vec<u8>;
const PACKETS: usize = 4;

/// A trace without bounds, or one that loses what comes while it is blocked.
#[derive(Debug, Default)]
struct Paper {
    bytes: Vec<u8>,
    blocked: bool,
}

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        if !self.blocked {
            self.bytes.extend(parts.concat());
        }
        !self.blocked
    }
}

/// Something that happens: what, how much, after how many µs.
type Op = (u8, u16, u32);

fn config(kind: u8) -> Config<'static> {
    let base = Config { greeting: b"hello", ..Config::DEFAULT };
    let lines = Packing { delimiter: Delimiter::new(b"\r\n"), max_len: 20, ..Packing::NONE };
    match kind % 5 {
        0 => base,
        1 => Config { packing: lines, overflow: Overflow::DropOldest, ..base },
        2 => Config {
            packing: Packing {
                datagrams: true,
                gap: Duration::from_millis(3),
                delimiter: Delimiter::new(b"??"),
                ..lines
            },
            ..base
        },
        3 => Config {
            heartbeat: Heartbeat { bytes: b"beat", after: Duration::from_millis(9) },
            power: Power::OnDemand { linger: Duration::from_millis(40) },
            ..base
        },
        _ => Config { packing: lines, overflow: Overflow::DropNewest, ..base },
    }
}

/// Lets a bridge live through `ops`; each call is recorded on `tape`, whose sink `turn` may look after.
fn live<S: Sink>(setup: &Setup<'_>, ops: &[Op], tape: &mut Tape<S>, turn: impl Fn(usize, &mut S)) {
    let mut bridge: Bridge<Bytes, Bytes, PACKETS> =
        Bridge::new(&setup.config, setup.seed, vec![0; setup.up], vec![0; setup.down]).expect("valid");
    let mut traced = Traced::new(&mut bridge, tape);
    let mut now = 1;
    for (index, &(what, n, after)) in ops.iter().enumerate() {
        turn(index, traced.recorder().sink());
        now += u64::from(after);
        let at = Instant::from_micros(now);
        let size = usize::from(n);
        let up_to = |most: usize| size % (most + 1);
        let event = match what % 16 {
            0 => Event::IpReady,
            1 if n % 8 == 0 => Event::IpLost,
            2 => Event::Connected(if n % 4 == 0 { Acks::OnWrite } else { Acks::Peer }),
            3 => Event::Closed(CloseReason::Reset),
            4 if n % 4 == 0 => Event::PeerClosed,
            5 if n % 4 == 0 => Event::TxFailed,
            6..=8 => {
                let room = traced.uart_rx();
                let n = up_to(room.len());
                let line: Vec<u8> = b"a?\r\nbc\n\r???".iter().copied().cycle().skip(size).take(n).collect();
                room[..n].copy_from_slice(&line);
                Event::UartRx(n)
            }
            9 => {
                let n = up_to(traced.sock_rx().len());
                traced.sock_rx()[..n].fill(b'd');
                Event::SockRx(n)
            }
            10 | 11 => {
                let lent: usize = traced.tx().iter().map(|part| part.len()).sum();
                Event::TxDone(if setup.config.packing.datagrams { lent } else { up_to(lent) })
            }
            12 => Event::TxAcked(u64::from(n) % (traced.tx_total() + 2)),
            13 => Event::UartTxDone(up_to(traced.uart_tx().len())),
            14 if n % 16 == 0 => Event::Stop,
            14 => Event::UartErrors(LineErrors { overrun: n.into(), framing: 1, parity: 0 }),
            15 if n % 8 == 0 => Event::UartClosed,
            _ => Event::Timeout,
        };
        // What is refused belongs into the trace, too.
        let _ = traced.handle(at, event);
        loop {
            match traced.poll(at) {
                Action::OpenUart => {
                    let _ = traced.handle(at, Event::UartOpened);
                }
                Action::QueryAcks => {
                    let _ = traced.handle(at, Event::TxAcked(traced.tx_total()));
                }
                Action::Connect(_) | Action::Close(_) | Action::UartFlow(_) | Action::Recover(_) => {}
                Action::Sleep(_) | Action::Finished => break,
            }
        }
    }
}

/// Replays `trace`: its records, how many of them were checked, and how many could not be.
fn replay(trace: &[u8]) -> Result<(u64, u64), String> {
    let Trace { setup, records, .. } = Trace::open(trace).map_err(|bad| bad.to_string())?;
    let rings = (vec![0; setup.up], vec![0; setup.down]);
    let mut player: Player<'_, Bytes, Bytes, PACKETS> =
        Player::new(&setup.config, setup.seed, rings.0, rings.1).map_err(|error| error.to_string())?;
    let mut unchecked = 0;
    for record in records {
        let record = record.map_err(|bad| bad.to_string())?;
        let played = player.play(&record).map_err(|difference| difference.to_string())?;
        unchecked += u64::from(played == Played::Unchecked);
    }
    Ok((player.checked(), unchecked))
}

fn setup(kind: u8, content: bool) -> Setup<'static> {
    Setup { config: config(kind), seed: 9, up: 64, down: 48, packets: PACKETS, content, began: None }
}

fn ops(n: core::ops::Range<usize>) -> impl Strategy<Value = Vec<Op>> {
    vec((any::<u8>(), any::<u16>(), prop_oneof![Just(0), 0..5_000_u32, 0..3_000_000_u32]), n)
}

proptest! {
    #[test]
    fn every_trace_replays(kind: u8, content: bool, ops in ops(1..200)) {
        let mut tape = Tape::new(Paper::default(), &setup(kind, content));
        live(&setup(kind, content), &ops, &mut tape, |_, _| {});
        let (checked, unchecked) = replay(&tape.sink().bytes).expect("the same");
        prop_assert!(checked >= 2 * ops.len() as u64);
        prop_assert_eq!(unchecked, 0);
    }

    #[test]
    fn what_a_sink_does_not_take_is_missed_and_counted(ops in ops(60..200), from in 0..30_usize, n in 1..20_usize) {
        let setup = setup(1, false);
        let mut tape = Tape::new(Paper::default(), &setup);
        live(&setup, &ops, &mut tape, |at, paper: &mut Paper| paper.blocked = (from..from + n).contains(&at));
        let trace = &tape.sink().bytes;
        let records: Result<Vec<Record<'_>>, _> = Trace::open(trace).expect("a trace").records.collect();
        let records = records.expect("readable");
        let lost = records.iter().find_map(|record| if let What::Lost(lost) = record.what { Some(lost) } else { None });
        prop_assert!(lost.is_some_and(|lost| lost >= 2 * n as u64), "{:?}", lost);
        let (checked, unchecked) = replay(trace).expect("the same, as far as it goes");
        prop_assert!(checked >= 2 * from as u64 && unchecked > 0);
    }

    /// The newest records are those of an endless trace, with their times; what gave way is counted.
    #[test]
    fn a_ring_keeps_the_newest_whole_records(ops in ops(1..200), content: bool, size in 200..2_000_usize) {
        let setup = setup(1, content);
        let (mut endless, mut bounded) =
            (Tape::new(Paper::default(), &setup), Tape::new(Ring::new(vec![0_u8; size]), &setup));
        live(&setup, &ops, &mut endless, |_, _| {});
        live(&setup, &ops, &mut bounded, |_, _| {});
        let mut out = vec![0; size + 32];
        let len = bounded.sink().copy_to(&mut out);
        let all: Vec<_> = Trace::open(&endless.sink().bytes).expect("a trace").records.flatten().collect();
        let kept: Vec<_> = Trace::open(&out[..len]).expect("a trace").records.map(|r| r.expect("whole")).collect();
        let (kept, whole) = match kept.split_first() {
            Some((Record { what: What::Lost(_), .. }, kept)) => (kept, false),
            _ => (&kept[..], true),
        };
        prop_assert!(!kept.is_empty());
        let newest = &all[all.len() - kept.len()..];
        for (kept, newest) in kept.iter().zip(newest) {
            prop_assert!(kept == newest || kept.what == What::Unclear && kept.at == newest.at);
        }
        prop_assert_eq!(whole, replay(&out[..len]).expect("the same") == replay(&endless.sink().bytes).expect("the same"));
    }

    #[test]
    fn a_ring_that_keeps_the_first_stops_when_it_is_full(ops in ops(100..200), size in 300..2_000_usize) {
        let setup = setup(0, false);
        let mut tape = Tape::new(Ring::until_full(vec![0_u8; size]), &setup);
        live(&setup, &ops, &mut tape, |_, _| {});
        let mut out = vec![0; size + 32];
        let len = tape.sink().copy_to(&mut out);
        prop_assert!(len <= size);
        let (checked, unchecked) = replay(&out[..len]).expect("the same");
        prop_assert_eq!(unchecked, 0);
        let last = Trace::open(&out[..len]).expect("a trace").records.last().expect("one").expect("whole");
        prop_assert_eq!(last.what == What::Full, tape.lost() > 0);
        prop_assert!(checked > 0);
    }

    #[test]
    fn a_trace_that_is_cut_replays_up_to_there_and_says_so(ops in ops(20..60), cut in 0.0..1.0_f64) {
        let setup = setup(2, true);
        let mut tape = Tape::new(Paper::default(), &setup);
        live(&setup, &ops, &mut tape, |_, _| {});
        let whole = &tape.sink().bytes;
        let cut = &whole[..(whole.len() as f64 * cut) as usize];
        let Ok(trace) = Trace::open(cut) else { return Ok(()) };
        let mut whole = Trace::open(whole).expect("a trace").records;
        for record in trace.records {
            match record {
                Ok(record) => prop_assert_eq!(whole.next().and_then(Result::ok), Some(record)),
                Err(bad) => prop_assert_eq!(bad.what, Wrong::Truncated),
            }
        }
    }

    /// A byte that is wrong is found, by what it makes of the records or by the checksum; only after the last
    /// checksum may it pass.
    #[test]
    fn a_trace_that_is_damaged_is_found_out(ops in ops(80..120), at in 0.0..1.0_f64, flip in 1..=255_u8) {
        let setup = setup(0, true);
        let mut tape = Tape::new(Paper::default(), &setup);
        live(&setup, &ops, &mut tape, |_, _| {});
        let mut trace = tape.sink().bytes.clone();
        // Two checksums at least stand in it, and the second one covers this half.
        let at = (trace.len() as f64 * at / 2.0) as usize;
        trace[at] ^= flip;
        prop_assert!(replay(&trace).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300), real: bool) {
        let mut trace = uartbridge_trace::MAGIC.to_vec();
        if real {
            trace = Tape::new(Paper::default(), &setup(1, false)).sink().bytes.clone();
        }
        trace.extend(&bytes);
        let _ = replay(&trace);
        let _ = Ring::unroll(&bytes, &mut [0; 400]);
    }
}

#[test]
fn what_is_no_trace_is_told() {
    let said = |bytes: &[u8]| Trace::open(bytes).map(|_| ()).map_err(|bad| bad.to_string());
    assert_eq!(said(b""), Err("not a trace of uartbridge".to_owned()));
    assert_eq!(said(b"#!/bin/sh\n"), Err("not a trace of uartbridge".to_owned()));
    let newer = "a trace in version 9 of the format, and this reads version 1";
    assert_eq!(said(b"UBtrace\x09"), Err(newer.to_owned()));
    assert_eq!(said(b"UBtrace\x01"), Err("cut off within a record (byte 8)".to_owned()));
}

/// Bytes that may be secrets are not there unless they were asked for.
#[test]
fn without_content_no_byte_of_the_stream_is_in_a_trace() {
    // An address, time, a connection, and bytes both ways.
    let ops: [Op; 5] = [(0, 0, 9), (15, 1, 9_000), (2, 1, 9), (7, 12, 9), (9, 9, 9)];
    let holds = |content, needle: &[u8]| {
        let mut tape = Tape::new(Paper::default(), &setup(1, content));
        live(&setup(1, content), &ops, &mut tape, |_, _| {});
        tape.sink().bytes.windows(needle.len()).any(|window| window == needle)
    };
    for needle in [&b"hello"[..], b"a?", b"ddd"] {
        assert!(holds(true, needle) && !holds(false, needle), "{}", needle.escape_ascii());
    }
}
