//! CMSDK APB timer: counts down from a value, interrupts at 0, starts again (Arm DDI 0479, 4.3.2).

use crate::map::{CLOCK, reg};
use crate::reg::Reg;

/// One of the two timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    ctrl: Reg,
    value: Reg,
    reload: Reg,
    clear: Reg,
}

const ENABLE: u32 = 1;
const INTERRUPT: u32 = 1 << 3;

impl Timer {
    /// The timer at `base`.
    pub(crate) const fn new(base: usize) -> Self {
        Self { ctrl: reg(base, 0x0), value: reg(base, 0x4), reload: reg(base, 0x8), clear: reg(base, 0xc) }
    }

    /// Interrupts every `cycles` of the clock, 1 or more, from now on.
    #[inline(always)]
    pub(crate) fn start(self, cycles: u32) {
        self.ctrl.write(0);
        self.clear.write(1);
        self.reload.write(cycles);
        self.value.write(cycles);
        self.ctrl.write(ENABLE | INTERRUPT);
    }

    /// No more interrupts.
    #[inline(always)]
    pub(crate) fn stop(self) {
        self.ctrl.write(0);
        self.clear.write(1);
    }

    /// The interrupt has been seen.
    #[inline(always)]
    pub(crate) fn acknowledge(self) {
        self.clear.write(1);
    }
}

/// Cycles of the clock in `micros` µs, as far as a timer can count: 171 s.
pub(crate) fn cycles(micros: u64) -> u32 {
    const PER_MICRO: u64 = CLOCK as u64 / 1_000_000;
    let most = u64::from(u32::MAX) / PER_MICRO;
    // Fits: at most `most` times what it was divided by.
    (micros.clamp(1, most) * PER_MICRO) as u32
}
