//! The round trip of one byte: device → program → peer → program → device.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Entrants;
use super::figures::{Figures, quantile, shown, times};
use super::report::{Section, Table};
use super::rig::{Line, PATIENCE, wait_readable};
use super::stream::Stream;

/// Round trips at the start of a batch do not count for so long. A virtual processor that has been idle, as during a turn of
/// ser2net's, takes several times as long to wake, until its host has noticed that it is busy again.
const WARM_UP: Duration = Duration::from_millis(40);

/// Measures batches of round trips, program after program within each round.
///
/// # Errors
/// None: a program that fails is noted.
pub(super) fn run(entrants: &mut Entrants, quick: bool) -> Result<Vec<Section>> {
    let (rounds, batch) = if quick { (7, 100) } else { (21, 200) };
    let count = entrants.list.len();
    let (mut p50, mut p99) = (Figures::new(count), Figures::new(count));
    for round in 0..rounds {
        for number in entrants.turns(round) {
            let entrant = &mut entrants.list[number];
            let trips = entrant.measure("round trip", |rig| round_trips(&mut rig.lines[0], batch));
            p50.push(number, trips.clone().and_then(|trips| quantile(trips, 0.50)));
            p99.push(number, trips.and_then(|trips| quantile(trips, 0.99)));
        }
    }
    let names = entrants.names();
    let socat = names.iter().position(|name| *name == "socat");
    let mut table = Table::new(
        ["program", "p50, µs", "p99, µs", "p50 to limit", "p99 to limit", "p50 to socat"].map(str::to_owned),
    );
    for (number, name) in names.iter().enumerate() {
        table.row([
            (*name).to_owned(),
            shown(p50.median(number)),
            shown(p99.median(number)),
            times(p50.ratio(number, 0)),
            times(p99.ratio(number, 0)),
            times(socat.and_then(|socat| p50.ratio(number, socat))),
        ]);
    }
    let how = format!(
        "One byte from the device to the echoing peer and back: medians of {rounds} rounds of {batch} round trips a program."
    );
    Ok(vec![Section::new("Round trip", how, table)])
}

/// Microseconds of each round trip.
fn round_trips(line: &mut Line, count: usize) -> Result<Vec<f64>> {
    let mut trips = Vec::with_capacity(count);
    let begin = Instant::now();
    while trips.len() < count {
        let start = Instant::now();
        message(line, Way::Up, 1)?;
        message(line, Way::Down, 1)?;
        if start - begin >= WARM_UP {
            trips.push(start.elapsed().as_nanos() as f64 / 1000.0);
        }
    }
    Ok(trips)
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Device to peer.
    Up,
    /// Peer to device.
    Down,
}

/// Sends a message of `len` bytes and waits until it has come.
///
/// # Errors
/// The program stalls, ends, or damages what it carries.
pub(super) fn message(line: &mut Line, way: Way, len: usize) -> Result<()> {
    let (device, peer) = (line.device.as_fd(), line.peer.as_fd());
    let (stream, from, to): (&mut Stream, _, _) = match way {
        Way::Up => (&mut line.up, device, peer),
        Way::Down => (&mut line.down, peer, device),
    };
    let mut buffer = [0; 4096];
    if stream.send(from, len)? != len {
        bail!("takes no message of {len} bytes although nothing is on its way");
    }
    let deadline = Instant::now() + PATIENCE;
    while stream.in_flight() > 0 {
        if !wait_readable(to, deadline.saturating_duration_since(Instant::now()))? {
            bail!("a message of {len} bytes did not come within {} s", Duration::as_secs(&PATIENCE));
        }
        stream.receive(to, &mut buffer)?;
    }
    Ok(())
}
