//! The promises of the core, as properties of each state.

use uartbridge_core::Power;

use crate::case::Case;
use crate::happens::Happens;
use crate::outside::{Closing, Connection, Line, Net, STREAM};
use crate::world::World;

/// How many things have to happen at most until all is delivered.
const LONGEST_REST: usize = 200;

/// Every byte is in one place, counted once: delivered and known to be, dropped, or held.
pub(crate) fn counted(world: &World, case: &Case) -> bool {
    let stats = world.bridge.stats();
    let (said, heard, given) = (world.outside.said, world.outside.heard, world.outside.given);
    let up = stats.uart_rx == u64::from(said)
        && stats.uart_rx == stats.tx_acked + stats.up_dropped + stats.up_held
        && stats.tx_acked <= u64::from(world.told());
    let known = case.drops() || stats.up_dropped == 0 && stats.tx_acked == u64::from(world.outside.reached);
    let down = stats.sock_rx == u64::from(heard)
        && stats.uart_tx == u64::from(given)
        && stats.sock_rx == stats.uart_tx + stats.down_held;
    up && known && down
}

/// Memory is bounded, and a full ring stops its sender alone: each port lends whenever it can.
pub(crate) fn moves(world: &World, case: &Case) -> bool {
    let stats = world.bridge.stats();
    let (up_held, down_held) = (stats.up_held as usize, stats.down_held as usize);
    let mut bridge = world.bridge.clone();
    let (uart_rx, sock_rx) = (bridge.uart_rx().len(), bridge.sock_rx().len());
    let (tx, uart_tx) = (bridge.tx().map(<[u8]>::len), bridge.uart_tx().len());
    let ports = bridge.ports();
    let together = (ports.uart_rx.len(), ports.sock_rx.len(), ports.tx.map(<[u8]>::len), ports.uart_tx.len());
    let bounded = uart_rx + up_held <= case.up && sock_rx + down_held <= case.down;

    let open = world.outside.line == Line::Open;
    let takes = open || world.outside.line == Line::Ended;
    // A datagram waits for a place to remember its end.
    let full = up_held == case.up || case.config.packing.datagrams;
    let uart_reads = !open || world.outside.stopped || full || uart_rx > 0;
    let uart_writes = if takes { down_held == 0 || uart_tx > 0 } else { uart_tx == 0 };
    let (socket_reads, socket_writes) = match &world.outside.net {
        Net::Up(connection) => {
            let room = case.down - down_held;
            let roomy =
                if case.config.packing.datagrams { down_held == 0 } else { room >= case.down.div_ceil(2) };
            let reads = roomy && !connection.fin && connection.closing != Closing::Abort;
            let writes = !connection.broken && connection.closing == Closing::No;
            // A packet that is open waits for its end.
            let unsent = case.config.packing.gap.is_never() && up_held > sent(world, connection);
            (!reads || sock_rx > 0, !writes || !unsent || tx[0] > 0)
        }
        Net::Quiet | Net::Dialing | Net::Abandoned => (sock_rx == 0, tx == [0, 0]),
    };
    bounded
        && together == (uart_rx, sock_rx, tx, uart_tx)
        && uart_reads
        && uart_writes
        && socket_reads
        && socket_writes
        && (tx[0] > 0 || tx[1] == 0)
}

/// How many bytes of the device are written to this connection, and not known to have arrived.
fn sent(world: &World, connection: &Connection) -> usize {
    let flying = connection.flying.iter().filter(|&&byte| byte < STREAM).count();
    flying + (world.outside.arrived.count_ones() - world.told()) as usize
}

/// While anything is held, there is something to do, a deadline, or an event that must come.
pub(crate) fn goes_on(world: &World, case: &Case) -> bool {
    let stats = world.bridge.stats();
    let dead_end = world.outside.line == Line::Gone;
    let wanted = world.outside.net == Net::Quiet && case.config.power == Power::AlwaysOn;
    let waits = stats.up_held > 0 || stats.down_held > 0 && !dead_end || wanted;
    let answer = match &world.outside.net {
        Net::Quiet => !world.outside.ip,
        Net::Dialing | Net::Abandoned => true,
        Net::Up(connection) => connection.closing != Closing::No || connection.broken,
    };
    let to_do = !world.bridge.tx()[0].is_empty() || !world.bridge.uart_tx().is_empty();
    let opening = world.outside.line == Line::Opening;
    !waits || world.outside.finished || world.deadline().is_some() || answer || to_do || opening
}

/// If from now on all goes well, every byte arrives; and twice in the same way, since the same events at the same times
/// give the same actions.
pub(crate) fn arrives(world: &World, case: &Case) -> bool {
    if world.wrong.is_some() {
        // Told by another promise.
        return true;
    }
    let once = rest(world.clone(), case);
    once.is_some() && once == rest(world.clone(), case)
}

/// Nothing goes wrong any more. What clock and counters have come to, or `None` if something does not arrive.
fn rest(mut world: World, case: &Case) -> Option<(u64, u64, u32)> {
    for _ in 0..LONGEST_REST {
        if world.wrong.is_some() {
            return None;
        }
        let stats = world.bridge.stats();
        let ending = world.outside.stopped || matches!(world.outside.line, Line::Ended | Line::Gone);
        if world.outside.finished || !ending && stats.up_held == 0 && stats.down_held == 0 {
            return is_delivered(&world, case).then_some((world.now, stats.replayed, stats.attempts));
        }
        best(&world)?.to(&mut world, case);
    }
    None
}

/// What a device, a network and a peer that are well do next.
fn best(world: &World) -> Option<Happens> {
    let outside = &world.outside;
    if !outside.ip {
        return Some(Happens::AddressComes);
    }
    if outside.line == Line::Opening {
        return Some(Happens::DeviceOpens);
    }
    let lent: usize = world.bridge.tx().iter().map(|part| part.len()).sum();
    let net = match &outside.net {
        Net::Quiet => None,
        Net::Dialing => Some(Happens::Connects),
        Net::Abandoned => Some(Happens::Refuses),
        Net::Up(connection) => match connection.closing {
            Closing::Abort => Some(Happens::Closes),
            _ if connection.broken => Some(Happens::Resets),
            Closing::No if lent > 0 => Some(Happens::SocketTakes(lent)),
            _ if !connection.flying.is_empty() => Some(Happens::PeerHas(connection.flying.len())),
            _ if connection.asked > 0 => Some(Happens::Answers),
            Closing::Orderly if connection.fin => Some(Happens::Closes),
            Closing::Orderly => Some(Happens::PeerEnds),
            Closing::No => None,
        },
    };
    let device = match world.bridge.uart_tx().len() {
        0 => None,
        n => Some(Happens::DeviceTakes(n)),
    };
    net.or(device).or(world.deadline().map(|_| Happens::Deadline))
}

/// Whether all bytes are where they belong, but for those that were dropped and those for which a stop left no time.
fn is_delivered(world: &World, case: &Case) -> bool {
    let stats = world.bridge.stats();
    let drain = case.config.drain_timeout.as_micros();
    if world.outside.stopped && world.now >= world.stopped_at + drain {
        return true;
    }
    let up = stats.up_held == 0 && u64::from(world.missing()) <= stats.up_dropped;
    let down = world.outside.given == world.outside.heard || world.outside.line == Line::Gone;
    up && down
}
