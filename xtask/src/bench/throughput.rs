//! Throughput, and what it costs in CPU time and memory.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags};

use super::Entrants;
use super::figures::{Figures, shown, times, with_ratio};
use super::report::{Section, Table};
use super::rig::{Entrant, Line, PATIENCE, timespec};
use super::stream::MOST;

/// The sizes of the writes, in bytes.
pub(super) const BLOCKS: [usize; 3] = [64, 1024, 4096];

/// Writes that follow each other before the other direction has its turn.
const BURST: usize = 16;

/// Which ways bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Device to peer.
    Up,
    /// Peer to device.
    Down,
    /// Both ways at once.
    Both,
}

/// What a flow brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Bytes a second that came out while the sender was sending, both directions together.
    pub(super) rate: f64,
    /// All bytes that went through, those included that came after the sender had stopped.
    pub(super) bytes: u64,
}

const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;

/// Measures all loads and block sizes, program after program within each round.
///
/// # Errors
/// None: a program that fails is noted.
pub(super) fn run(entrants: &mut Entrants, quick: bool) -> Result<Vec<Section>> {
    let (rounds, window) = if quick { (3, 100) } else { (21, 100) };
    let window = Duration::from_millis(window);
    let mut columns = vec!["load".to_owned()];
    columns.extend(entrants.names().into_iter().map(str::to_owned));
    let mut rates = Table::new(columns.iter().cloned().chain(["uartbridge to socat".into()]));
    let mut costs = Table::new(columns.clone());
    let mut peaks = vec![None; entrants.list.len()];
    for load in [Load::Up, Load::Down, Load::Both] {
        for block in BLOCKS {
            let (rate, cost) = compare(entrants, load, block, rounds, window);
            note_memory(entrants, &mut peaks);
            let name = format!("{} {}", load.name(), size(block));
            rates.row(rate_row(entrants, &name, &rate));
            costs.row(
                std::iter::once(name)
                    .chain(entrants.names().iter().enumerate().map(|(n, _)| with_ratio(&cost, n))),
            );
        }
    }
    let how = format!("Median of {rounds} rounds of {} ms.", window.as_millis());
    Ok(vec![
        Section::new(
            "Throughput",
            format!(
                "MiB/s at the receiver (and the ratio to the limit) for writes of one size, for each of them over a new \
                 connection: the kernel's buffers remember what a connection has carried. {how}"
            ),
            rates,
        ),
        Section::new("CPU time", "Seconds a GiB, user and system, of the program alone (and the ratio to the limit), in the same runs.".into(), costs),
        memory(entrants, &peaks),
    ])
}

impl Load {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Both => "both",
        }
    }

    fn up(self) -> bool {
        self != Self::Down
    }

    fn down(self) -> bool {
        self != Self::Up
    }
}

/// Sends as fast as the program takes it for `window`, then waits until everything has come.
///
/// # Errors
/// The program stalls, ends, or damages what it carries.
pub(super) fn flow(line: &mut Line, load: Load, block: usize, window: Duration) -> Result<Flow> {
    let mut buffer = vec![0; MOST];
    let start = Instant::now();
    let before = received(line);
    let mut rate = None;
    let mut moved = start;
    loop {
        let now = Instant::now();
        let sending = now < start + window;
        let bytes = received(line) - before;
        if !sending {
            let rate = *rate.get_or_insert_with(|| bytes as f64 / (now - start).as_secs_f64());
            if line.up.in_flight() + line.down.in_flight() == 0 {
                return Ok(Flow { rate, bytes });
            }
        }
        if now - moved > PATIENCE {
            bail!(
                "stalled for {} s with {} bytes up and {} bytes down on their way",
                PATIENCE.as_secs(),
                line.up.in_flight(),
                line.down.in_flight()
            );
        }
        turn(line, load, sending.then_some(block), &mut buffer)?;
        if received(line) - before > bytes {
            moved = now;
        }
    }
}

/// Waits for what can be done, and does it once.
fn turn(line: &mut Line, load: Load, block: Option<usize>, buffer: &mut [u8]) -> Result<()> {
    let sending = block.is_some();
    let wish = |read, write| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, read);
        flags.set(PollFlags::OUT, write && sending);
        flags
    };
    let mut fds = [
        PollFd::new(&line.device, wish(load.down(), load.up())),
        PollFd::new(&line.peer, wish(load.up(), load.down())),
    ];
    rustix::event::poll(&mut fds, Some(&timespec(Duration::from_millis(50))))?;
    let [device, peer] = fds.map(|fd| fd.revents());
    let (read, gone) = (PollFlags::IN, PollFlags::HUP | PollFlags::ERR);
    if peer.intersects(read | gone) {
        line.up.receive(line.peer.as_fd(), buffer)?;
    }
    if device.intersects(read | gone) {
        line.down.receive(line.device.as_fd(), buffer)?;
    }
    let Some(block) = block else { return Ok(()) };
    for _ in 0..BURST {
        let up = device.contains(PollFlags::OUT) && line.up.send(line.device.as_fd(), block)? == block;
        let down = peer.contains(PollFlags::OUT) && line.down.send(line.peer.as_fd(), block)? == block;
        if !up && !down {
            break;
        }
    }
    Ok(())
}

fn received(line: &Line) -> u64 {
    line.up.received + line.down.received
}

/// Rates in MiB/s, and CPU seconds a GiB. Programs and their connections are new: after a load of small writes the same
/// program over the same pty and socket carries large ones at two thirds of the rate.
pub(super) fn compare(
    entrants: &mut Entrants,
    load: Load,
    block: usize,
    rounds: usize,
    window: Duration,
) -> (Figures, Figures) {
    let count = entrants.list.len();
    let (mut rates, mut costs) = (Figures::new(count), Figures::new(count));
    let what = format!("{} {}", load.name(), size(block));
    entrants.list.iter_mut().for_each(Entrant::end);
    for round in 0..rounds {
        for number in entrants.turns(round) {
            let entrant = &mut entrants.list[number];
            let figure = entrant.measure(&what, |rig| {
                let before = rig.cpu_time()?;
                let flow = flow(&mut rig.lines[0], load, block, window)?;
                let cpu = rig.cpu_time()?.saturating_sub(before);
                Ok((flow.rate / MIB, cpu.as_secs_f64() * GIB / flow.bytes as f64))
            });
            rates.push(number, figure.map(|(rate, _)| rate));
            costs.push(number, figure.map(|(_, cost)| cost));
        }
    }
    (rates, costs)
}

fn rate_row(entrants: &Entrants, name: &str, rates: &Figures) -> Vec<String> {
    let names = entrants.names();
    let mut row = vec![name.to_owned()];
    row.extend((0..names.len()).map(|n| with_ratio(rates, n)));
    let find = |name| names.iter().position(|other| *other == name);
    let to_socat = find("uartbridge").zip(find("socat")).and_then(|(ours, socat)| rates.ratio(ours, socat));
    row.push(times(to_socat));
    row
}

/// The most memory so far, in KiB.
fn note_memory(entrants: &mut Entrants, peaks: &mut [Option<u64>]) {
    for (entrant, most) in entrants.list.iter_mut().zip(peaks) {
        let peak = entrant.measure("memory", |rig| Ok(rig.memory()?.peak));
        *most = (*most).max(peak);
    }
}

fn memory(entrants: &Entrants, peaks: &[Option<u64>]) -> Section {
    let mut table = Table::new(entrants.names().into_iter().map(str::to_owned));
    table.row(peaks.iter().map(|peak| shown(peak.map(|kib| kib as f64 / 1024.0))));
    Section::new("Memory", "Most MiB ever resident (`VmHWM`) with one port, in the runs above.".into(), table)
}

/// A size as people write it.
pub(super) fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1024) { format!("{} KiB", bytes / 1024) } else { format!("{bytes} B") }
}
