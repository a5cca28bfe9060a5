//! What a record says, and how it is written.

use uartbridge_core::{
    Acks, Action, Close, CloseCause, CloseReason, Depth, Event, Flow, Instant, LineErrors, Misuse, PeerIndex,
    Sleep, Step, Timer,
};

use crate::number::{Head, Input};

/// A line of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When, by the bridge's clock.
    pub at: Instant,
    /// What.
    pub what: What<'a>,
}

/// What a line of a trace says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The bridge was told this. The bytes are those of [`Event::UartRx`] and [`Event::SockRx`], if the trace has them.
    Told(Event, &'a [u8]),
    /// It refused what it was told last.
    Refused(Misuse),
    /// It asked for this.
    Asked(Action),
    /// In what the UART brings next, this byte of the delimiter stands so many bytes after the mark before it.
    Mark {
        /// Bytes in between, none of which the delimiter has.
        skip: usize,
        /// The byte.
        byte: u8,
    },
    /// What people call a peer.
    Name(PeerIndex, &'a str),
    /// Records are missing here, so many.
    Lost(u64),
    /// A record that refers to one that is missing: the bridge slept again as it had before.
    Unclear,
    /// There was no room for more: the bridge went on, the trace does not.
    Full,
}

/// More than the longest record takes, without bytes of the stream.
pub(crate) const ROOM: usize = 48;
/// In a record's first byte: a time follows.
pub(crate) const TIMED: u8 = 0x80;

pub(crate) mod kind {
    pub(crate) const CORE: u8 = 0;
    pub(crate) const SETUP: u8 = 1;
    pub(crate) const GREETING: u8 = 2;
    pub(crate) const HEARTBEAT: u8 = 3;
    pub(crate) const NAME: u8 = 4;
    pub(crate) const CHECK: u8 = 5;
    pub(crate) const LOST: u8 = 6;
    pub(crate) const FULL: u8 = 7;
    pub(crate) const MARK: u8 = 8;
    pub(crate) const REFUSED: u8 = 9;

    pub(crate) const IP_READY: u8 = 16;
    pub(crate) const IP_LOST: u8 = 17;
    pub(crate) const CONNECTED: u8 = 18;
    pub(crate) const CONNECTED_ON_WRITE: u8 = 19;
    pub(crate) const PEER_CLOSED: u8 = 20;
    pub(crate) const TX_FAILED: u8 = 21;
    pub(crate) const CLOSED: u8 = 22;
    pub(crate) const UART_RX: u8 = 23;
    pub(crate) const SOCK_RX: u8 = 24;
    pub(crate) const SOCK_RX_CUT: u8 = 25;
    pub(crate) const TX_DONE: u8 = 26;
    pub(crate) const TX_ACKED: u8 = 27;
    pub(crate) const UART_TX_DONE: u8 = 28;
    pub(crate) const UART_OPENED: u8 = 29;
    pub(crate) const UART_CLOSED: u8 = 30;
    pub(crate) const UART_ENDED: u8 = 31;
    pub(crate) const UART_ERRORS: u8 = 32;
    pub(crate) const TIMEOUT: u8 = 33;
    pub(crate) const STOP: u8 = 34;

    pub(crate) const OPEN_UART: u8 = 64;
    pub(crate) const CONNECT: u8 = 65;
    pub(crate) const CLOSE: u8 = 66;
    pub(crate) const ABORT: u8 = 67;
    pub(crate) const QUERY_ACKS: u8 = 68;
    pub(crate) const FLOW_GO: u8 = 69;
    pub(crate) const FLOW_STOP: u8 = 70;
    pub(crate) const RESET_RADIO: u8 = 71;
    pub(crate) const RESTART: u8 = 72;
    pub(crate) const SLEEP: u8 = 73;
    pub(crate) const SLEEP_AGAIN: u8 = 74;
    pub(crate) const FINISHED: u8 = 75;
}

/// A record without its length: its kind, its time, and what follows.
pub(crate) type Body = Head<ROOM>;

/// The kind of `event` and its numbers.
pub(crate) fn write_event(body: &mut Body, since: u64, event: Event) {
    let simple = |body: &mut Body, kind| start(body, since, kind);
    let count = |body: &mut Body, kind, n: u64| {
        start(body, since, kind);
        body.number(n);
    };
    match event {
        Event::IpReady => simple(body, kind::IP_READY),
        Event::IpLost => simple(body, kind::IP_LOST),
        Event::Connected(Acks::Peer) => simple(body, kind::CONNECTED),
        Event::Connected(Acks::OnWrite) => simple(body, kind::CONNECTED_ON_WRITE),
        Event::PeerClosed => simple(body, kind::PEER_CLOSED),
        Event::TxFailed => simple(body, kind::TX_FAILED),
        Event::Closed(reason) => {
            simple(body, kind::CLOSED);
            body.byte(index(&REASONS, reason));
        }
        Event::UartRx(n) => count(body, kind::UART_RX, n as u64),
        Event::SockRx(n) => count(body, kind::SOCK_RX, n as u64),
        Event::SockRxCut(n) => count(body, kind::SOCK_RX_CUT, n as u64),
        Event::TxDone(n) => count(body, kind::TX_DONE, n as u64),
        Event::TxAcked(total) => count(body, kind::TX_ACKED, total),
        Event::UartTxDone(n) => count(body, kind::UART_TX_DONE, n as u64),
        Event::UartOpened => simple(body, kind::UART_OPENED),
        Event::UartClosed => simple(body, kind::UART_CLOSED),
        Event::UartEnded => simple(body, kind::UART_ENDED),
        Event::UartErrors(LineErrors { overrun, framing, parity }) => {
            simple(body, kind::UART_ERRORS);
            [overrun, framing, parity].iter().for_each(|&n| body.number(n.into()));
        }
        Event::Timeout => simple(body, kind::TIMEOUT),
        Event::Stop => simple(body, kind::STOP),
    }
}

/// The kind of `action`, at `now`, and its numbers. A sleep like `slept` is written shorter.
pub(crate) fn write_action(body: &mut Body, since: u64, now: Instant, action: Action, slept: Option<Sleep>) {
    let simple = |body: &mut Body, kind| start(body, since, kind);
    match action {
        Action::OpenUart => simple(body, kind::OPEN_UART),
        Action::Connect(PeerIndex(peer)) => {
            simple(body, kind::CONNECT);
            body.byte(peer);
        }
        Action::Close(Close::Orderly(cause)) => {
            simple(body, kind::CLOSE);
            body.byte(index(&CAUSES, cause));
        }
        Action::Close(Close::Abort(cause)) => {
            simple(body, kind::ABORT);
            body.byte(index(&CAUSES, cause));
        }
        Action::QueryAcks => simple(body, kind::QUERY_ACKS),
        Action::UartFlow(Flow::Go) => simple(body, kind::FLOW_GO),
        Action::UartFlow(Flow::Stop) => simple(body, kind::FLOW_STOP),
        Action::Recover(Step::ResetRadio) => simple(body, kind::RESET_RADIO),
        Action::Recover(Step::Restart) => simple(body, kind::RESTART),
        Action::Sleep(sleep) if slept == Some(sleep) => simple(body, kind::SLEEP_AGAIN),
        Action::Sleep(sleep) => {
            simple(body, kind::SLEEP);
            write_sleep(body, now, sleep);
        }
        Action::Finished => simple(body, kind::FINISHED),
    }
}

/// A byte of depth, wake-up and timer; then how long, from `now`, both ways of time.
fn write_sleep(body: &mut Body, now: Instant, sleep: Sleep) {
    let timer = sleep.until.map_or(0, |(_, timer)| index(&TIMERS, timer) + 1);
    body.byte(index(&DEPTHS, sleep.depth) | u8::from(sleep.wake_on_downlink) << 2 | timer << 3);
    if let Some((at, _)) = sleep.until {
        let span = at.as_micros().wrapping_sub(now.as_micros()) as i64;
        body.number((span << 1 ^ span >> 63) as u64);
    }
}

fn read_sleep(input: &mut Input<'_>, now: Instant) -> Option<Sleep> {
    let byte = input.byte()?;
    let until = match byte >> 3 {
        0 => None,
        timer => {
            let timer = *TIMERS.get(usize::from(timer) - 1)?;
            let coded = input.number()?;
            let span = coded >> 1 ^ (coded & 1).wrapping_neg();
            Some((Instant::from_micros(now.as_micros().wrapping_add(span)), timer))
        }
    };
    Some(Sleep { until, depth: *DEPTHS.get(usize::from(byte & 3))?, wake_on_downlink: byte & 4 != 0 })
}

/// A kind, and how many µs have passed since the record before.
pub(crate) fn start(body: &mut Body, since: u64, kind: u8) {
    body.byte(kind | if since > 0 { TIMED } else { 0 });
    if since > 0 {
        body.number(since);
    }
}

/// What a record of this kind says; all of `input` belongs to it.
pub(crate) fn read<'a>(
    kind: u8,
    input: &mut Input<'a>,
    at: Instant,
    slept: Option<Sleep>,
) -> Option<What<'a>> {
    let told = |event| What::Told(event, &[]);
    Some(match kind {
        kind::NAME => What::Name(PeerIndex(input.byte()?), name(input.rest())?),
        kind::FULL => What::Full,
        kind::MARK => What::Mark { skip: input.size()?, byte: input.byte()? },
        kind::REFUSED => What::Refused(*MISUSES.get(usize::from(input.byte()?))?),

        kind::IP_READY => told(Event::IpReady),
        kind::IP_LOST => told(Event::IpLost),
        kind::CONNECTED => told(Event::Connected(Acks::Peer)),
        kind::CONNECTED_ON_WRITE => told(Event::Connected(Acks::OnWrite)),
        kind::PEER_CLOSED => told(Event::PeerClosed),
        kind::TX_FAILED => told(Event::TxFailed),
        kind::CLOSED => told(Event::Closed(*REASONS.get(usize::from(input.byte()?))?)),
        kind::UART_RX => {
            let n = input.size()?;
            What::Told(Event::UartRx(n), content(n, input)?)
        }
        kind::SOCK_RX => {
            let n = input.size()?;
            What::Told(Event::SockRx(n), content(n, input)?)
        }
        kind::SOCK_RX_CUT => told(Event::SockRxCut(input.size()?)),
        kind::TX_DONE => told(Event::TxDone(input.size()?)),
        kind::TX_ACKED => told(Event::TxAcked(input.number()?)),
        kind::UART_TX_DONE => told(Event::UartTxDone(input.size()?)),
        kind::UART_OPENED => told(Event::UartOpened),
        kind::UART_CLOSED => told(Event::UartClosed),
        kind::UART_ENDED => told(Event::UartEnded),
        kind::UART_ERRORS => told(Event::UartErrors(LineErrors {
            overrun: input.small()?,
            framing: input.small()?,
            parity: input.small()?,
        })),
        kind::TIMEOUT => told(Event::Timeout),
        kind::STOP => told(Event::Stop),

        kind::OPEN_UART => What::Asked(Action::OpenUart),
        kind::CONNECT => What::Asked(Action::Connect(PeerIndex(input.byte()?))),
        kind::CLOSE => What::Asked(Action::Close(Close::Orderly(cause(input)?))),
        kind::ABORT => What::Asked(Action::Close(Close::Abort(cause(input)?))),
        kind::QUERY_ACKS => What::Asked(Action::QueryAcks),
        kind::FLOW_GO => What::Asked(Action::UartFlow(Flow::Go)),
        kind::FLOW_STOP => What::Asked(Action::UartFlow(Flow::Stop)),
        kind::RESET_RADIO => What::Asked(Action::Recover(Step::ResetRadio)),
        kind::RESTART => What::Asked(Action::Recover(Step::Restart)),
        kind::SLEEP => What::Asked(Action::Sleep(read_sleep(input, at)?)),
        kind::SLEEP_AGAIN => slept.map_or(What::Unclear, |sleep| What::Asked(Action::Sleep(sleep))),
        kind::FINISHED => What::Asked(Action::Finished),
        _ => return None,
    })
}

pub(crate) fn write_refused(body: &mut Body, misuse: Misuse) {
    start(body, 0, kind::REFUSED);
    body.byte(index(&MISUSES, misuse));
}

/// The `n` bytes that were reported, or none if the trace does not have them. Any other number is a record that goes on over the
/// next ones, the checksum among them.
fn content<'a>(n: usize, input: &mut Input<'a>) -> Option<&'a [u8]> {
    Some(input.rest()).filter(|bytes| bytes.is_empty() || bytes.len() == n)
}

/// A text; none that would go on over the next records, whose kinds are control characters.
fn name(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().filter(|name| !name.chars().any(char::is_control))
}

fn cause(input: &mut Input<'_>) -> Option<CloseCause> {
    CAUSES.get(usize::from(input.byte()?)).copied()
}

/// The number that stands for a value: its place in its table.
fn index<T: PartialEq>(table: &[T], value: T) -> u8 {
    table.iter().position(|known| *known == value).unwrap_or(table.len()) as u8
}

// The tables are part of the format: new values go to the end.
const REASONS: [CloseReason; 8] = [
    CloseReason::Done,
    CloseReason::Reset,
    CloseReason::Refused,
    CloseReason::TimedOut,
    CloseReason::Unreachable,
    CloseReason::Unresolved,
    CloseReason::Replaced,
    CloseReason::Failed,
];
const CAUSES: [CloseCause; 8] = [
    CloseCause::ConnectTimeout,
    CloseCause::Unacked,
    CloseCause::Silent,
    CloseCause::Idle,
    CloseCause::IpLost,
    CloseCause::PeerClosed,
    CloseCause::CloseTimeout,
    CloseCause::Stopping,
];
const TIMERS: [Timer; 12] = [
    Timer::UartRetry,
    Timer::BackOff,
    Timer::NoIp,
    Timer::Connect,
    Timer::Close,
    Timer::Gap,
    Timer::Heartbeat,
    Timer::QueryAcks,
    Timer::Unacked,
    Timer::Silent,
    Timer::Quiet,
    Timer::Drain,
];
const DEPTHS: [Depth; 3] = [Depth::Idle, Depth::Doze, Depth::Deep];
const MISUSES: [Misuse; 5] = [
    Misuse::MoreThanLent,
    Misuse::SplitDatagram,
    Misuse::AckedUnwritten,
    Misuse::NoConnection,
    Misuse::NotAsked,
];

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    /// A value that is missing in its table would be written as one that cannot be read.
    #[test]
    fn every_event_and_action_comes_back() {
        let big = u32::MAX;
        let mut events: Vec<_> = [
            Event::IpReady,
            Event::IpLost,
            Event::Connected(Acks::Peer),
            Event::Connected(Acks::OnWrite),
            Event::PeerClosed,
            Event::TxFailed,
            Event::SockRxCut(1),
            Event::TxDone(usize::MAX),
            Event::TxAcked(u64::MAX),
            Event::UartTxDone(300),
            Event::UartRx(0),
            Event::SockRx(128),
            Event::UartOpened,
            Event::UartClosed,
            Event::UartEnded,
            Event::UartErrors(LineErrors { overrun: big, framing: big, parity: big }),
            Event::Timeout,
            Event::Stop,
        ]
        .into();
        events.extend(REASONS.map(Event::Closed));
        let at = Instant::from_micros(1 << 40);
        for event in events {
            let mut body = Body::new();
            write_event(&mut body, u64::MAX, event);
            assert_eq!(back(&body, at), What::Told(event, &[]));
        }

        let mut actions: Vec<_> = [
            Action::OpenUart,
            Action::Connect(PeerIndex(255)),
            Action::QueryAcks,
            Action::UartFlow(Flow::Go),
            Action::UartFlow(Flow::Stop),
            Action::Recover(Step::ResetRadio),
            Action::Recover(Step::Restart),
            Action::Finished,
        ]
        .into();
        actions.extend(CAUSES.map(|cause| Action::Close(Close::Orderly(cause))));
        actions.extend(CAUSES.map(|cause| Action::Close(Close::Abort(cause))));
        for depth in DEPTHS {
            let sleep = |until, wake_on_downlink| Action::Sleep(Sleep { until, depth, wake_on_downlink });
            actions.push(sleep(None, true));
            for micros in [0, (1 << 40) - 1, 1 << 40, u64::MAX - 1] {
                actions.extend(TIMERS.map(|timer| sleep(Some((Instant::from_micros(micros), timer)), false)));
            }
        }
        for action in actions {
            let mut body = Body::new();
            write_action(&mut body, 1, at, action, None);
            assert_eq!(back(&body, at), What::Asked(action));
        }
        for misuse in MISUSES {
            let mut body = Body::new();
            write_refused(&mut body, misuse);
            assert_eq!(back(&body, at), What::Refused(misuse));
        }
    }

    fn back(body: &Body, at: Instant) -> What<'static> {
        assert!(body.as_bytes().len() < ROOM, "there is room to spare");
        let bytes: &'static [u8] = Vec::leak(body.as_bytes().to_vec());
        let mut input = Input(bytes);
        let kind = input.byte().expect("a kind");
        if kind & TIMED != 0 {
            input.number().expect("a time");
        }
        read(kind & !TIMED, &mut input, at, None).expect("readable")
    }
}
