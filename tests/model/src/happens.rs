//! What may happen next: everything, in any order.

use uartbridge_core::{Acks, CloseReason, Event};

use crate::case::Case;
use crate::outside::{Closing, Line, Net};
use crate::world::World;

/// One thing that happens outside. Counts are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Happens {
    DeviceSays(usize),
    DeviceTakes(usize),
    PeerSays(usize),
    SocketTakes(usize),
    /// The peer's TCP has bytes more; the core does not know.
    PeerHas(usize),
    /// The adapter says what the peer has, without having been asked.
    Report,
    /// A question is answered.
    Answers,
    Connects,
    Refuses,
    Resets,
    PeerEnds,
    WritesFail,
    /// The answer to a close.
    Closes,
    AddressGoes,
    AddressComes,
    DeviceOpens,
    NoDevice,
    DeviceGoes,
    DeviceEnds,
    /// Nothing, until the deadline.
    Deadline,
    /// Nothing, until well after it.
    Oversleeps,
    Stop,
}

/// How late one may be, in µs: more than one deadline passes.
const LATE: u64 = 3_000;

impl Happens {
    /// Everything that may happen in `world`.
    pub(crate) fn all(world: &World, case: &Case, to: &mut Vec<Self>) {
        if world.wrong.is_some() || world.outside.finished {
            return;
        }
        let faults = world.outside.faults > 0;
        line(world, case, faults, to);
        net(world, case, faults, to);
        if world.outside.ip {
            to.extend(faults.then_some(Self::AddressGoes));
        } else {
            to.push(Self::AddressComes);
        }
        if world.deadline().is_some() {
            to.push(Self::Deadline);
            to.push(Self::Oversleeps);
        }
        to.extend((case.stops && !world.outside.stopped).then_some(Self::Stop));
    }

    /// It happens, and the adapter does what follows.
    pub(crate) fn to(self, world: &mut World, case: &Case) {
        if self.is_fault(world) {
            world.outside.faults = world.outside.faults.saturating_sub(1);
        }
        match self {
            Self::DeviceSays(n) => world.uart_says(n),
            Self::DeviceTakes(n) => world.uart_takes(n),
            Self::PeerSays(n) => world.peer_says(n),
            Self::SocketTakes(n) => world.socket_takes(n, case),
            Self::PeerHas(n) => world.outside.acks(n),
            Self::Report => world.reports(),
            Self::Answers => {
                if let Net::Up(connection) = &mut world.outside.net {
                    connection.asked = connection.asked.saturating_sub(1);
                }
                world.reports();
            }
            Self::Connects => world.connects(case),
            Self::Refuses => world.ends(case, CloseReason::Refused),
            Self::Resets => world.ends(case, CloseReason::Reset),
            Self::Closes => world.ends(case, CloseReason::Done),
            Self::PeerEnds => {
                if let Net::Up(connection) = &mut world.outside.net {
                    connection.fin = true;
                }
                world.event(Event::PeerClosed);
            }
            Self::WritesFail => {
                if let Net::Up(connection) = &mut world.outside.net {
                    connection.broken = true;
                }
                world.event(Event::TxFailed);
            }
            Self::AddressGoes => {
                world.outside.ip = false;
                world.event(Event::IpLost);
            }
            Self::AddressComes => {
                world.outside.ip = true;
                world.event(Event::IpReady);
            }
            Self::DeviceOpens => {
                world.outside.line = Line::Open;
                world.event(Event::UartOpened);
            }
            Self::NoDevice | Self::DeviceGoes => {
                let ended = world.outside.line == Line::Ended;
                world.outside.line = if ended { Line::Gone } else { Line::Shut };
                world.event(Event::UartClosed);
            }
            Self::DeviceEnds => {
                world.outside.line = Line::Ended;
                world.event(Event::UartEnded);
            }
            Self::Deadline => world.now = world.deadline().unwrap_or(world.now),
            Self::Oversleeps => world.now = world.deadline().unwrap_or(world.now) + LATE,
            Self::Stop => {
                world.outside.stopped = true;
                world.stopped_at = world.now;
                world.event(Event::Stop);
            }
        }
        // What the peer has is nobody's event.
        if !matches!(self, Self::PeerHas(_)) {
            world.turn(case);
        }
    }

    /// Whether this uses up one of the faults of a run.
    fn is_fault(self, world: &World) -> bool {
        match self {
            Self::Refuses => world.outside.net == Net::Dialing,
            Self::Resets => world.connection().is_some_and(|connection| !connection.broken),
            Self::PeerEnds => world.connection().is_some_and(|connection| connection.closing == Closing::No),
            Self::WritesFail | Self::AddressGoes | Self::NoDevice | Self::DeviceGoes => true,
            Self::DeviceSays(_)
            | Self::DeviceTakes(_)
            | Self::PeerSays(_)
            | Self::SocketTakes(_)
            | Self::PeerHas(_)
            | Self::Report
            | Self::Answers
            | Self::Connects
            | Self::Closes
            | Self::AddressComes
            | Self::DeviceOpens
            | Self::DeviceEnds
            | Self::Deadline
            | Self::Oversleeps
            | Self::Stop => false,
        }
    }
}

fn line(world: &World, case: &Case, faults: bool, to: &mut Vec<Happens>) {
    let mut bridge = world.bridge.clone();
    let room = bridge.uart_rx().len().min(usize::from(case.said - world.outside.said));
    let mut sizes: Vec<_> = case.reads.iter().map(|&n| n.min(room)).filter(|&n| n > 0).collect();
    sizes.dedup();
    let sizes = sizes.into_iter().map(Happens::DeviceSays);
    let takes = (1..=bridge.uart_tx().len()).map(Happens::DeviceTakes);
    match world.outside.line {
        Line::Shut | Line::Gone => {}
        Line::Opening => {
            to.push(Happens::DeviceOpens);
            to.extend(faults.then_some(Happens::NoDevice));
        }
        Line::Open => {
            to.extend(sizes.chain(takes));
            to.extend(faults.then_some(Happens::DeviceGoes));
            to.extend(case.ends.then_some(Happens::DeviceEnds));
        }
        Line::Ended => {
            to.extend(takes);
            to.extend(faults.then_some(Happens::DeviceGoes));
        }
    }
}

fn net(world: &World, case: &Case, faults: bool, to: &mut Vec<Happens>) {
    let connection = match &world.outside.net {
        Net::Quiet => return,
        Net::Dialing => {
            to.push(Happens::Connects);
            to.extend(faults.then_some(Happens::Refuses));
            return;
        }
        Net::Abandoned => return to.extend([Happens::Connects, Happens::Refuses]),
        Net::Up(connection) => connection,
    };
    if connection.closing == Closing::Abort {
        return to.push(Happens::Closes);
    }
    let stream = case.acks == Acks::Peer;
    let mut bridge = world.bridge.clone();
    if !connection.fin {
        let room = bridge.sock_rx().len().min(usize::from(case.heard - world.outside.heard));
        to.extend((1..=room).map(Happens::PeerSays));
        let ends = stream && (faults || connection.closing == Closing::Orderly);
        to.extend(ends.then_some(Happens::PeerEnds));
    }
    if connection.broken {
        // What it had sent is read, then it is over.
        return to.push(Happens::Resets);
    }
    if connection.closing == Closing::No {
        let lent: usize = bridge.tx().iter().map(|part| part.len()).sum();
        let least = if case.config.packing.datagrams { lent.max(1) } else { 1 };
        to.extend((least..=lent).filter(|n| case.cuts(*n, lent)).map(Happens::SocketTakes));
        to.extend((faults && stream).then_some(Happens::WritesFail));
    }
    if stream {
        let flying = connection.flying.len();
        to.extend((1..=flying).filter(|n| case.cuts(*n, flying)).map(Happens::PeerHas));
        let unasked = !case.late && connection.acked > connection.told;
        to.extend(unasked.then_some(Happens::Report));
        to.extend((connection.asked > 0).then_some(Happens::Answers));
    }
    to.extend(faults.then_some(Happens::Resets));
    let closed = connection.closing == Closing::Orderly && (connection.fin || !stream);
    to.extend(closed.then_some(Happens::Closes));
}
