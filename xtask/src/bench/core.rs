//! Instructions of the core alone, counted by callgrind: the same on every run, whatever else the machine does.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::figures::{shown, times};
use super::report::{Section, Table};
use crate::setup;
use crate::step::{self, cargo};

/// Ways through the core, as `examples/core_chunks.rs` names them.
const WAYS: [(&str, &str); 3] = [
    ("up-on-write", "UART → socket, delivered when written"),
    ("up-acked", "UART → socket, acknowledged by the peer"),
    ("down", "socket → UART"),
];
/// Just the copies.
const COPIES: &str = "copies";

/// Chunk sizes in bytes: their difference gives the cost of a byte, apart from the fixed cost of a chunk.
const SMALL: usize = 1024;
const LARGE: usize = 4096;

/// What one way costs.
#[derive(Clone, Copy)]
struct Cost {
    /// Instructions a chunk of `SMALL` bytes.
    chunk: f64,
    /// Instructions a byte more.
    byte: f64,
    /// Events a chunk.
    events: f64,
}

/// Counts instructions for each way and for the copies alone.
///
/// # Errors
/// The core does not compile, or callgrind does not count.
pub(super) fn run(quick: bool) -> Result<Vec<Section>> {
    let chunks = if quick { 1_000 } else { 10_000 };
    step::run(&mut cargo(&["build", "--release", "--package", "xtask", "--example", "core_chunks"]))?;
    let copies = cost(COPIES, chunks)?;
    let mut table = Table::new(
        [
            "way",
            "a chunk",
            "its copies",
            "fixed, a chunk",
            "events a chunk",
            "fixed, an event",
            "a byte",
            "a byte of the copies",
            "a byte, to the copies",
        ]
        .map(str::to_owned),
    );
    for (way, name) in WAYS {
        let cost = cost(way, chunks)?;
        let fixed = cost.chunk - copies.chunk;
        table.row([
            name.to_owned(),
            shown(Some(cost.chunk)),
            shown(Some(copies.chunk)),
            shown(Some(fixed)),
            shown(Some(cost.events)),
            shown(Some(fixed / cost.events)),
            format!("{:.3}", cost.byte),
            format!("{:.3}", copies.byte),
            times(Some(cost.byte / copies.byte)),
        ]);
    }
    let text = format!(
        "Instructions (callgrind) of {SMALL}-byte chunks from one port of the core to the other, the adapter's copies into and out of \
         the ring included, `poll` and `ports` after each event too. Beside them the same two copies alone. *fixed* is what the core \
         adds to a chunk of any size; a byte's cost is the difference to chunks of {LARGE} bytes. Each figure is the difference of runs of {chunks} \
         and {} chunks.",
        2 * chunks
    );
    Ok(vec![Section::new("The core alone", text, table)])
}

fn cost(way: &str, chunks: usize) -> Result<Cost> {
    let (small, events) = instructions_a_chunk(way, chunks, SMALL)?;
    let (large, _) = instructions_a_chunk(way, chunks, LARGE)?;
    Ok(Cost { chunk: small, byte: (large - small) / (LARGE - SMALL) as f64, events })
}

/// The difference between many chunks and twice as many: what the start of the program costs falls out.
fn instructions_a_chunk(way: &str, chunks: usize, bytes: usize) -> Result<(f64, f64)> {
    let (once, _) = callgrind(way, chunks, bytes)?;
    let (twice, events) = callgrind(way, 2 * chunks, bytes)?;
    Ok(((twice - once) / chunks as f64, events))
}

/// Instructions of a whole run, and the events a chunk that it reports.
fn callgrind(way: &str, chunks: usize, bytes: usize) -> Result<(f64, f64)> {
    let valgrind = setup::find("valgrind").context("no valgrind: cargo xtask setup")?;
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(step::target_dir()?.join("release/examples/core_chunks"))
        .args([way, &chunks.to_string(), &bytes.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("core_chunks {way} {chunks} {bytes}: {}\n{said}", output.status);
    }
    let events =
        String::from_utf8_lossy(&output.stdout).trim().parse().context("core_chunks prints no number")?;
    let collected = collected(&said).with_context(|| format!("callgrind prints no count: {said}"))?;
    Ok((collected, events))
}

/// The count in callgrind's last lines.
fn collected(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_callgrind_writes() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 123456\n==1==\n"), Some(123_456.0));
        assert_eq!(collected("==1== Events    : Ir\n"), None);
    }
}
