//! The file: a trace, or memory that has a ring of records in it.

use std::path::Path;

use uartbridge_trace::{MAGIC, RING_MAGIC, Ring, Trace};

use super::Refusal;

/// The bytes of the trace in this file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let bytes = std::fs::read(path).map_err(|error| Refusal::Unreadable { path: path.to_owned(), error })?;
    if bytes.is_empty() {
        return Err(Refusal::Empty { path: path.to_owned() });
    }
    let name = &MAGIC[..MAGIC.len() - 1];
    if bytes.starts_with(name) {
        return Ok(bytes);
    }
    if starts(&bytes).next().is_none() {
        return Ok(bytes);
    }
    // Code that knows how a ring begins lies in memory, too.
    let trace = starts(&bytes).filter_map(|at| unroll(&bytes[at..])).find(|trace| Trace::open(trace).is_ok());
    trace.ok_or_else(|| Refusal::CutRing { path: path.to_owned() })
}

/// Where a ring may begin.
fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(RING_MAGIC.len()).enumerate().filter(|(_, window)| *window == RING_MAGIC).map(|(at, _)| at)
}

fn unroll(memory: &[u8]) -> Option<Vec<u8>> {
    let mut trace = vec![0; memory.len() + 32];
    let len = Ring::unroll(memory, &mut trace)?;
    trace.truncate(len);
    Some(trace)
}

#[cfg(test)]
mod tests {
    use uartbridge_core::{Config, Event, Instant};
    use uartbridge_trace::{Recorder as _, Setup, Tape};

    use super::*;

    /// As a debugger writes it: the ring lies somewhere in the memory, and the name of a ring elsewhere, too.
    #[test]
    fn a_ring_is_found_in_a_dump_of_all_memory() {
        let mut ring = vec![0; 400];
        let config = Config::DEFAULT;
        let setup = Setup { config, seed: 1, up: 16, down: 16, packets: 8, content: false, began: None };
        let mut tape = Tape::new(Ring::new(&mut ring[..]), &setup);
        for at in 0..200 {
            tape.told(Instant::from_micros(at * 1_000), Event::Timeout, &[]);
        }
        let mut expected = vec![0; 500];
        let len = tape.sink().copy_to(&mut expected);
        expected.truncate(len);
        let dump = [&b"code UBtring1 and more of it"[..], &ring, &[0xaa; 1000]].concat();
        let folder = std::env::temp_dir().join(format!("uartbridge-dump-{}", std::process::id()));
        std::fs::write(&folder, &dump).expect("a temporary file");
        let found = read(&folder);
        std::fs::write(&folder, &dump[..300]).expect("a temporary file");
        let cut = read(&folder);
        std::fs::remove_file(&folder).expect("ours");
        assert_eq!(found.expect("a trace"), expected);
        assert!(matches!(cut, Err(Refusal::CutRing { .. })), "{cut:?}");
    }
}
