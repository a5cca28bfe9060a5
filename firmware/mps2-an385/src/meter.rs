//! How long the processor has been awake: its load, and under `-icount` its instructions.

use core::cell::Cell;

use critical_section::Mutex;

use crate::map::{DUAL_TIMER, reg};
use crate::reg::Reg;

/// The first of the dual timer's two counters (Arm DDI 0479, 4.3.3): down, 32 bits, at the clock's rate.
const VALUE: Reg = reg(DUAL_TIMER, 0x4);
const CONTROL: Reg = reg(DUAL_TIMER, 0x8);

const ENABLE: u32 = 1 << 7;
const BITS_32: u32 = 1 << 1;

/// Cycles.
#[derive(Clone, Copy)]
struct Meter {
    awake: u64,
    /// The counter when the processor last woke; it is never awake for as long as the counter takes to come round, 171 s.
    woke: u32,
}

/// `cargo xtask firmware size` reads `awake` from outside.
#[unsafe(export_name = "METER")]
static METER: Mutex<Cell<Meter>> = Mutex::new(Cell::new(Meter { awake: 0, woke: 0 }));

/// Starts to count.
pub(crate) fn start() {
    CONTROL.write(ENABLE | BITS_32);
    critical_section::with(|cs| METER.borrow(cs).set(Meter { awake: 0, woke: VALUE.read() }));
}

/// Calls `sleep`, which does not count. Interrupts are masked: their handlers run, and count, afterwards.
#[inline(always)]
pub(crate) fn asleep(sleep: impl FnOnce()) {
    critical_section::with(|cs| {
        let meter = METER.borrow(cs);
        let Meter { awake, woke } = meter.get();
        let awake = awake + u64::from(woke.wrapping_sub(VALUE.read()));
        meter.set(Meter { awake, woke });
        sleep();
        meter.set(Meter { awake, woke: VALUE.read() });
    });
}
