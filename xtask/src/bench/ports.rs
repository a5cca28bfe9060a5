//! Many ports in one process, each at the pace of 115 200 baud.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::Entrants;
use super::figures::{Figures, shown, times};
use super::program::Program;
use super::report::{Section, Table};
use super::rig::{Line, PATIENCE, Rig, timespec};

/// Bytes a second and port: 115 200 baud, 8N1.
const RATE: u64 = 11_520;
/// A port has something to send so often: what a USB serial converter with its usual latency timer delivers.
const PERIOD_MS: u32 = 16;
/// How many ports.
const PORTS: [usize; 4] = [1, 16, 128, 1024];
/// More processes than this are no sensible way to relay ports.
const MOST_PROCESSES: usize = 128;

/// What one run brought.
#[derive(Clone, Copy)]
struct Run {
    /// CPU seconds a GiB.
    cost: f64,
    /// MiB resident at the end.
    resident: f64,
    /// MiB resident at most.
    peak: f64,
    /// Bytes a write of the device: more than its pace gives in `PERIOD_MS` where the machine does not keep up.
    write: f64,
}

/// Measures the numbers of ports, program after program within each round.
///
/// # Errors
/// None: a program that fails is noted.
pub(super) fn run(entrants: &mut Entrants, quick: bool) -> Result<Vec<Section>> {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 3) };
    let mut table = Table::new(
        ["ports", "program", "CPU s/GiB", "to limit", "RSS, MiB", "peak, MiB", "bytes a write", "lost bytes"]
            .map(str::to_owned),
    );
    for entrant in &mut entrants.list {
        entrant.end();
    }
    for ports in PORTS {
        compare(entrants, ports, rounds, Duration::from_secs(seconds), &mut table);
    }
    let how = format!(
        "{RATE} bytes/s up on every port at once, a write every {PERIOD_MS} ms (184 bytes; more means that the machine did not keep \
         up), the ports spread evenly over time. Median of {rounds} rounds of {seconds} s. socat has no mode for many ports: one \
         process each, RSS and peak are sums, left out above {MOST_PROCESSES}. \"Lost\" counts all rounds; every byte is compared."
    );
    Ok(vec![Section::new("Many ports", how, table)])
}

fn compare(entrants: &mut Entrants, ports: usize, rounds: usize, window: Duration, table: &mut Table) {
    let count = entrants.list.len();
    let mut figures: [Figures; 4] = std::array::from_fn(|_| Figures::new(count));
    let mut faults = vec![None; count];
    for round in 0..rounds {
        for number in entrants.turns(round) {
            let entrant = &mut entrants.list[number];
            if faults[number].is_some() || !takes_part(entrant.program, ports) {
                continue;
            }
            let run = Rig::start(entrant.program, ports).and_then(|mut rig| measure(&mut rig, window));
            if let Err(error) = &run {
                entrant.fail(Some(&format!("{ports} ports")), error);
                faults[number] = Some(format!("{error:#}"));
            }
            let run = run.ok();
            let values =
                [run.map(|r| r.cost), run.map(|r| r.resident), run.map(|r| r.peak), run.map(|r| r.write)];
            figures.iter_mut().zip(values).for_each(|(figures, value)| figures.push(number, value));
        }
    }
    let [cost, resident, peak, write] = &figures;
    for (number, entrant) in
        entrants.list.iter().enumerate().filter(|(_, entrant)| takes_part(entrant.program, ports))
    {
        let lost = match &faults[number] {
            None => "0".to_owned(),
            Some(fault) => fault.clone(),
        };
        table.row([
            ports.to_string(),
            entrant.program.name().to_owned(),
            shown(cost.median(number)),
            times(cost.ratio(number, 0)),
            shown(resident.median(number)),
            shown(peak.median(number)),
            shown(write.median(number)),
            lost,
        ]);
    }
}

fn takes_part(program: Program, ports: usize) -> bool {
    program.many_ports() || ports <= MOST_PROCESSES
}

fn measure(rig: &mut Rig, window: Duration) -> Result<Run> {
    let before = rig.cpu_time()?;
    let writes = pace(&mut rig.lines, window)?;
    let cpu = rig.cpu_time()?.saturating_sub(before);
    let memory = rig.memory()?;
    let bytes: u64 = rig.lines.iter().map(|line| line.up.received).sum();
    Ok(Run {
        cost: cpu.as_secs_f64() * f64::from(1 << 30) / bytes as f64,
        resident: memory.resident as f64 / 1024.0,
        peak: memory.peak as f64 / 1024.0,
        write: bytes as f64 / writes as f64,
    })
}

/// Every port sends at its pace for `window`; then everything must come. The number of writes.
fn pace(lines: &mut [Line], window: Duration) -> Result<u64> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (number, line) in lines.iter().enumerate() {
        epoll::add(&epoll, &line.peer, EventData::new_u64(number as u64), EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    let start = Instant::now();
    let mut moved = start;
    // Millisecond after millisecond it is the turn of the next PERIOD_MS-th part of the ports.
    let mut tick = 0_u32;
    let mut writes = 0;
    loop {
        let now = Instant::now();
        let sending = now < start + window;
        while sending && start + Duration::from_millis(tick.into()) <= now {
            let due = (now - start).as_micros() as u64 * RATE / 1_000_000;
            for line in lines.iter_mut().skip((tick % PERIOD_MS) as usize).step_by(PERIOD_MS as usize) {
                let len = due.saturating_sub(line.up.sent).min(4096) as usize;
                line.up.send(line.device.as_fd(), len)?;
                writes += 1;
            }
            tick += 1;
        }
        let missing: u64 = if sending { 0 } else { lines.iter().map(|line| line.up.in_flight()).sum() };
        if !sending && missing == 0 {
            return Ok(writes);
        }
        if now - moved > PATIENCE {
            bail!("{missing} bytes lost: nothing came for {} s", PATIENCE.as_secs());
        }
        let next = if sending { start + Duration::from_millis(tick.into()) } else { now + PATIENCE };
        events.clear();
        let wait = timespec(next.saturating_duration_since(Instant::now()));
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&wait))?;
        for event in &events {
            let line = &mut lines[usize::try_from(event.data.u64())?];
            line.up.receive(line.peer.as_fd(), &mut buffer)?;
            moved = now;
        }
    }
}
