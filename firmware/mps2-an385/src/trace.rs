//! A trace in memory, where a debugger finds it: the first records after a start, as many as fit, so that they can be replayed.

use core::sync::atomic::{AtomicUsize, Ordering};

use static_cell::ConstStaticCell;
use uartbridge_core::PeerIndex;
use uartbridge_embassy::trace::{Ring, Setup, Tape};
use uartbridge_firmware_config::Settings;

use crate::image::{PACKETS, ring_size};

/// Bytes for the trace.
const MEMORY: usize = 64 * 1024;

/// Where the ring is, and its size; 0 until there is one. `firmware/host` reads it from outside.
#[unsafe(export_name = "TRACE")]
static TRACE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// What records the bridge that `settings` ask for; once. The bytes that pass are not recorded: they may be secrets.
pub fn tape(settings: &Settings<'static>) -> Tape<Ring<&'static mut [u8]>> {
    static TAPE: ConstStaticCell<[u8; MEMORY]> = ConstStaticCell::new([0; MEMORY]);
    let memory = TAPE.take().as_mut_slice();
    let place = [memory.as_ptr().addr(), memory.len()];
    let setup = Setup {
        config: settings.config,
        seed: settings.seed,
        up: ring_size(settings.up_buffer),
        down: ring_size(settings.down_buffer),
        packets: PACKETS,
        content: false,
        began: None,
    };
    let mut tape = Tape::new(Ring::until_full(memory), &setup);
    let lines = settings.peers.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    for (nth, line) in (0..).zip(lines) {
        tape.name(PeerIndex(nth), core::str::from_utf8(line).unwrap_or_default());
    }
    for (word, value) in TRACE.iter().zip(place) {
        word.store(value, Ordering::Release);
    }
    tape
}
