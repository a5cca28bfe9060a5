//! Where the devices lie, and their interrupts (Arm AN385, "Memory map" and "Interrupts").

use cortex_m::interrupt::InterruptNumber;

use crate::reg::Reg;

/// The clock of the processor and of every device, in Hz.
pub const CLOCK: u32 = 25_000_000;

/// CMSDK APB timer 0.
pub const TIMER0: usize = 0x4000_0000;
/// CMSDK APB timer 1.
pub const TIMER1: usize = 0x4000_1000;
/// CMSDK APB dual timer.
pub const DUAL_TIMER: usize = 0x4000_2000;
/// CMSDK APB UART 0.
pub const UART0: usize = 0x4000_4000;
/// CMSDK APB watchdog.
pub const WATCHDOG: usize = 0x4000_8000;
/// The board's FPGA I/O: LEDs, counters.
pub const FPGAIO: usize = 0x4002_8000;
/// LAN9220 on the board, LAN9118 in QEMU: the same but for checksums.
pub const ETHERNET: usize = 0x4020_0000;
/// 16 MiB of RAM that the image does not use.
pub const PSRAM: usize = 0x2100_0000;

/// The interrupts in use.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub enum Interrupt {
    /// A byte has arrived.
    Uart0Rx = 0,
    /// A byte has left.
    Uart0Tx = 1,
    /// Timer 0 has run out.
    Timer0 = 8,
    /// Timer 1 has run out.
    Timer1 = 9,
    /// A frame has arrived, or the link has changed.
    Ethernet = 13,
}

// SAFETY: each number is the device's line in AN385, and below the number of lines.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// The register at `offset` bytes in the device at `base`, one of the above.
pub(crate) const fn reg(base: usize, offset: usize) -> Reg {
    // SAFETY: every `base` of this module is a device's, 4 KiB long, and the offsets are those of its data sheet; none
    // of them moves data in memory on its own.
    unsafe { Reg::at(base + offset) }
}

/// Lets `interrupt` in.
pub(crate) fn unmask(interrupt: Interrupt) {
    // SAFETY: no critical section of ours is built on masking a single interrupt.
    unsafe { cortex_m::peripheral::NVIC::unmask(interrupt) }
}

unsafe extern "C" {
    fn UART0_RX();
    fn UART0_TX();
    fn TIMER0_EXPIRED();
    fn TIMER1_EXPIRED();
    fn ETHERNET_EVENT();
    fn DefaultHandler();
}

/// The interrupts' part of the vector table, placed by cortex-m-rt's linker script.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [unsafe extern "C" fn(); 14] = {
    let mut table = [DefaultHandler as unsafe extern "C" fn(); 14];
    table[Interrupt::Uart0Rx as usize] = UART0_RX;
    table[Interrupt::Uart0Tx as usize] = UART0_TX;
    table[Interrupt::Timer0 as usize] = TIMER0_EXPIRED;
    table[Interrupt::Timer1 as usize] = TIMER1_EXPIRED;
    table[Interrupt::Ethernet as usize] = ETHERNET_EVENT;
    table
};
