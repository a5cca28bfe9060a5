//! Runs the tasks, and stops the processor while none has anything to do.
//!
//! Embassy's own executor for Cortex-M waits with WFE, whose event flag QEMU does not have: it would never sleep there.

use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::asm;
use embassy_executor::Spawner;
use embassy_executor::raw::Executor;
use static_cell::StaticCell;

use crate::meter;

static EXECUTOR: StaticCell<Executor> = StaticCell::new();
/// A task has become ready since the last round.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Runs what `begin` spawns, for ever.
pub(crate) fn run(begin: impl FnOnce(Spawner)) -> ! {
    let executor: &'static Executor = EXECUTOR.init(Executor::new(core::ptr::null_mut()));
    begin(executor.spawner());
    loop {
        PENDING.store(false, Ordering::Relaxed);
        // SAFETY: called here only, so never from within itself.
        unsafe { executor.poll() };
        // With interrupts masked nothing can become ready between the look and the sleep; WFI wakes all the same, and
        // the handler runs at once when they are let in again.
        cortex_m::interrupt::disable();
        if !PENDING.load(Ordering::Relaxed) {
            meter::asleep(asm::wfi);
        }
        // SAFETY: they were enabled before, and no critical section is open here.
        unsafe { cortex_m::interrupt::enable() };
        asm::isb();
    }
}

#[unsafe(no_mangle)]
fn __pender(_context: *mut ()) {
    PENDING.store(true, Ordering::Relaxed);
}
