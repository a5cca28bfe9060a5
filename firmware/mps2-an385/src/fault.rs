//! What goes wrong for good is reported, and the device starts again.

use core::mem::MaybeUninit;
use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};

/// Why the image starts, as the run before it has left it behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Start {
    /// Power has come, or somebody has pressed reset.
    Power,
    /// The watchdog was not fed: the bridge had stopped to make progress.
    Watchdog,
    /// A panic, which was reported.
    Panic,
    /// A fault of the processor, which was reported.
    Fault,
    /// The bridge asked for it: the network was stuck.
    Asked,
}

/// Tells what [`NOTE`] holds from what memory happens to hold after power has come.
const MARK: u32 = 0x5ab0_0700;

/// Survives a reset: neither cleared nor filled by the start-up code. The reason, and the number of starts.
#[unsafe(link_section = ".uninit.note")]
static mut NOTE: MaybeUninit<[u32; 2]> = MaybeUninit::uninit();

/// The note's two words.
fn note() -> [*mut u32; 2] {
    let note = (&raw mut NOTE).cast::<u32>();
    [note, note.wrapping_add(1)]
}

/// Why the image has started, and a number that is another one at every start. To be called once.
pub(crate) fn why_started() -> (Start, u32) {
    let [reason, count] = note();
    // SAFETY: plain memory that only this module knows, one aligned access at a time and on one core; whatever it holds
    // is a u32.
    let (found, starts) = unsafe { (reason.read_volatile(), count.read_volatile().wrapping_add(1)) };
    // SAFETY: as above.
    unsafe { count.write_volatile(starts) };
    leave(Start::Power);
    let why = [Start::Watchdog, Start::Panic, Start::Fault, Start::Asked]
        .into_iter()
        .find(|&start| found == MARK | start as u32)
        .unwrap_or(Start::Power);
    (why, starts)
}

fn leave(why: Start) {
    let [reason, _] = note();
    // SAFETY: as above.
    unsafe { reason.write_volatile(MARK | why as u32) };
}

/// Starts again because the bridge asked for it.
pub fn restart() -> ! {
    leave(Start::Asked);
    SCB::sys_reset()
}

/// Stops for good: a person must mend what was reported.
pub(crate) fn stop() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => defmt::error!(
            "panic at {}:{}: {}; starting again",
            at.file(),
            at.line(),
            defmt::Display2Format(&info.message())
        ),
        None => defmt::error!("panic: {}; starting again", defmt::Display2Format(&info.message())),
    }
    leave(Start::Panic);
    SCB::sys_reset()
}

/// The watchdog's warning: it will reset the device unless it is fed before it runs out a second time.
#[exception]
unsafe fn NonMaskableInt() {
    leave(Start::Watchdog);
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}, called from {=u32:#x}; starting again", frame.pc(), frame.lr());
    leave(Start::Fault);
    SCB::sys_reset()
}

/// An interrupt that nobody asked for.
#[exception]
unsafe fn DefaultHandler(number: i16) {
    defmt::error!("interrupt {} has no handler; starting again", number);
    leave(Start::Fault);
    SCB::sys_reset();
}
