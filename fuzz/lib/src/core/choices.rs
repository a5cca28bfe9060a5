//! From the fuzzer's bytes to settings, and to what happens.

use crate::script::Script;
use uartbridge_core::{
    Acks, Backoff, CloseReason, Config, Delimiter, Duration, Event, Heartbeat, Ladder, LineErrors, Overflow,
    Packing, Power, Supervise,
};
use uartbridge_reference::Op;

/// Bytes of the two rings: small ones above all, and now and then some that are moved back to their start.
pub(crate) fn rings(script: &mut Script<'_>) -> (usize, usize) {
    let mut ring = || match script.byte() {
        0 => 0,
        n @ 1..=200 => usize::from(n % 64) + 1,
        n => 4_000 + 90 * usize::from(n - 200),
    };
    (ring(), ring())
}

/// Any settings; with `up`, such as work with an up ring of so many bytes.
pub(crate) fn config<'a>(script: &mut Script<'a>, up: Option<usize>) -> Config<'a> {
    let overflow =
        [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest][usize::from(script.byte() % 3)];
    let packing = packing(script);
    let mut config = Config {
        peers: script.byte(),
        greeting: text(script),
        connect_timeout: span(script),
        close_timeout: span(script),
        drain_timeout: span(script),
        uart_retry: span(script),
        backoff: Backoff {
            first: span(script),
            max: span(script),
            jitter: script.flag(),
            stable_after: span(script),
        },
        packing,
        heartbeat: Heartbeat { bytes: text(script), after: span(script) },
        supervise: Supervise { unacked: span(script), silent: span(script), query: span(script) },
        ladder: Ladder {
            next_peer: script.byte().into(),
            reset_radio: script.byte().into(),
            restart: script.byte().into(),
            no_ip: span(script),
        },
        overflow,
        power: match script.byte() % 4 {
            0 => Power::Doze { after: span(script) },
            1 => Power::OnDemand { linger: span(script) },
            _ => Power::AlwaysOn,
        },
    };
    if let Some(up) = up {
        make_valid(&mut config, up);
    }
    config
}

fn make_valid(config: &mut Config<'_>, up: usize) {
    let positive = |span: &mut Duration| *span = (*span).max(Duration::from_micros(1));
    let ends = |span: &mut Duration| *span = (*span).min(Duration::from_secs(3_600));
    config.peers = config.peers.max(1);
    if up < 16 {
        config.overflow = Overflow::Block;
    }
    config.packing.max_len = config.packing.max_len.min(up);
    if config.packing.datagrams {
        config.packing.max_len = config.packing.max_len.clamp(1, 65_507);
    }
    for span in [
        &mut config.connect_timeout,
        &mut config.uart_retry,
        &mut config.packing.gap,
        &mut config.heartbeat.after,
        &mut config.supervise.unacked,
        &mut config.supervise.silent,
        &mut config.supervise.query,
        &mut config.ladder.no_ip,
    ] {
        positive(span);
    }
    for span in [
        &mut config.close_timeout,
        &mut config.drain_timeout,
        &mut config.backoff.max,
        &mut config.uart_retry,
    ] {
        ends(span);
    }
    config.backoff.first = config.backoff.first.min(config.backoff.max);
}

fn packing(script: &mut Script<'_>) -> Packing {
    let kind = script.byte();
    if kind.is_multiple_of(3) {
        return Packing::NONE;
    }
    let max_len = if kind & 8 == 0 { script.size() } else { 0 };
    let gap = if kind & 16 == 0 { span(script) } else { Duration::NEVER };
    // Marks that the device's bytes have, and one that they have not.
    let mark: &[u8] = match kind >> 5 {
        0 => &[10, 11],
        1 => &[7],
        2 => &[3, 4, 5, 6],
        3 => &[251],
        _ => &[],
    };
    Packing { max_len, gap, delimiter: Delimiter::new(mark), datagrams: kind & 4 == 0 }
}

fn text<'a>(script: &mut Script<'a>) -> &'a [u8] {
    match script.byte() {
        length @ 1..=20 => script.take(length.into()),
        _ => &[],
    }
}

/// Times that people set, and the edges.
fn span(script: &mut Script<'_>) -> Duration {
    match script.byte() {
        0 => Duration::from_secs(1),
        1 => Duration::NEVER,
        2 => Duration::ZERO,
        3 => Duration::from_micros(script.number()),
        n @ 4..=50 => Duration::from_micros(n.into()),
        n @ 51..=150 => Duration::from_millis(n.into()),
        n => Duration::from_secs(n.into()),
    }
}

/// What happens next.
pub(crate) fn op(script: &mut Script<'_>) -> Op {
    let byte = script.byte();
    match byte % 32 {
        0..=2 => Op::Uart(script.size()),
        3..=5 => Op::Write(script.size()),
        6 | 7 => Op::Ack(script.size()),
        8 | 9 => Op::Peer(script.size()),
        10 | 11 => Op::Drain(script.size()),
        12 => Op::PeerCloses,
        13 => Op::WriteFails,
        14 => Op::Breaks(reason(script)),
        15 => Op::Unplug,
        16 if byte > 128 => Op::UartEnds,
        16 => Op::IpFlaps,
        17 => Op::Ip(script.flag()),
        18 | 19 => Op::Wait(script.number().saturating_mul(1_000)),
        20 => Op::Wait(script.number()),
        21 => Op::Back(script.number()),
        22 => Op::Clock(script.number()),
        23 => Op::ToDeadline,
        24 => Op::Poll(script.flag()),
        25 => Op::Ignore,
        26 => Op::Act,
        27 => Op::Eager(script.flag()),
        28 => Op::Acks(if script.flag() { Acks::Peer } else { Acks::OnWrite }),
        29 if byte > 128 => Op::Stop,
        29 => Op::LineErrors(LineErrors { overrun: script.number() as u32, framing: 1, parity: u32::MAX }),
        _ => Op::Event(event(script)),
    }
}

/// Any event at all.
fn event(script: &mut Script<'_>) -> Event {
    match script.byte() % 19 {
        0 => Event::IpReady,
        1 => Event::IpLost,
        2 => Event::Connected(Acks::Peer),
        3 => Event::Connected(Acks::OnWrite),
        4 => Event::PeerClosed,
        5 => Event::TxFailed,
        6 => Event::Closed(reason(script)),
        7 => Event::UartRx(script.number() as usize),
        8 => Event::SockRx(script.number() as usize),
        9 => Event::SockRxCut(script.number() as usize),
        10 => Event::TxDone(script.number() as usize),
        11 => Event::TxAcked(script.number()),
        12 => Event::UartTxDone(script.number() as usize),
        13 => Event::UartOpened,
        14 => Event::UartClosed,
        15 => Event::UartEnded,
        16 => Event::UartErrors(LineErrors { overrun: 1, framing: u32::MAX, parity: 0 }),
        17 => Event::Stop,
        _ => Event::Timeout,
    }
}

fn reason(script: &mut Script<'_>) -> CloseReason {
    [CloseReason::Done, CloseReason::Reset, CloseReason::Refused, CloseReason::Replaced]
        [usize::from(script.byte() % 4)]
}
