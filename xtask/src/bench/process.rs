//! What a process has used, from proc(5).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// `VmRSS`: resident now.
    pub(super) resident: u64,
    /// `VmHWM`: the most that was ever resident.
    pub(super) peak: u64,
}

/// The CPU time, user and system, that all threads of these processes have used, by the scheduler's own account in
/// nanoseconds (`/proc/PID/task/TID/schedstat`): the 10 ms ticks of `/proc/PID/stat` are too coarse for short rounds.
///
/// # Errors
/// A process has ended.
pub(super) fn cpu_time(pids: &[u32]) -> Result<Duration> {
    let mut nanos = 0;
    for pid in pids {
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("process {pid} has ended"))? {
            // A thread may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanos += number(text.split_whitespace().next()).unwrap_or_default();
            }
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// The memory of these processes together; pages that they share count for each.
///
/// # Errors
/// A process has ended.
pub(super) fn memory(pids: &[u32]) -> Result<Memory> {
    let mut sum = Memory::default();
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid} has ended"))?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            number(line.and_then(|rest| rest.split_whitespace().next())).context(name)
        };
        sum.resident += field("VmRSS:")?;
        sum.peak += field("VmHWM:")?;
    }
    Ok(sum)
}

fn number(word: Option<&str>) -> Option<u64> {
    word?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_time_and_memory() {
        let me = [std::process::id()];
        let start = cpu_time(&me).expect("alive");
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            std::hint::black_box(begun);
        }
        assert!(cpu_time(&me).expect("alive") - start > Duration::from_millis(5));
        let memory = memory(&me).expect("alive");
        assert!(memory.resident > 100 && memory.peak >= memory.resident, "{memory:?}");
    }
}
