//! CMSDK APB watchdog (Arm DDI 0479, 4.3.4): the first time it runs out it warns, by the NMI, the second time it resets.

use crate::map::{CLOCK, WATCHDOG, reg};
use crate::reg::Reg;

const LOAD: Reg = reg(WATCHDOG, 0x0);
const CONTROL: Reg = reg(WATCHDOG, 0x8);
const CLEAR: Reg = reg(WATCHDOG, 0xc);
const LOCK: Reg = reg(WATCHDOG, 0xc00);

const INTERRUPT: u32 = 1;
const RESET: u32 = 1 << 1;
const UNLOCK: u32 = 0x1acc_e551;

/// The limit, in seconds.
pub const LIMIT: u32 = 9;
/// It wants to be fed this often, in seconds.
pub const FEED: u32 = 3;

/// The running watchdog. Nothing stops it.
#[derive(Debug)]
pub struct Watchdog(());

impl Watchdog {
    /// Starts it.
    pub(crate) fn start() -> Self {
        LOCK.write(UNLOCK);
        // It resets when it has run out twice.
        LOAD.write(CLOCK / 2 * LIMIT);
        CONTROL.write(INTERRUPT | RESET);
        LOCK.write(0);
        Self(())
    }

    /// Puts the reset off until [`LIMIT`] from now.
    pub fn feed(&mut self) {
        LOCK.write(UNLOCK);
        CLEAR.write(1);
        LOCK.write(0);
    }
}
