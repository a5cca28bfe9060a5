//! Time for embassy: the FPGA's counter in µs, and timer 1 for the next thing that is due.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::map::{self, CLOCK, FPGAIO, Interrupt, TIMER1, reg};
use crate::reg::Reg;
use crate::timer::{Timer, cycles};

/// Counts up once for each run of the prescaler (Arm AN385, "FPGA system control and I/O").
const COUNTER: Reg = reg(FPGAIO, 0x18);
/// The prescaler runs from this value to 0 at the clock's rate.
const PRESCALE: Reg = reg(FPGAIO, 0x1c);
const ALARM: Timer = Timer::new(TIMER1);

struct Clock {
    /// The counter's high half, which hardware lacks, and the low half when it was last looked at. Somebody looks at
    /// least every 171 s, an alarm's longest run, and the low half wraps after 71 minutes.
    seen: Mutex<Cell<(u32, u32)>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK_DRIVER: Clock = Clock {
    seen: Mutex::new(Cell::new((0, 0))),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

/// Starts the counter, at 1 MHz, and the alarm.
pub(crate) fn start() {
    PRESCALE.write(CLOCK / 1_000_000 - 1);
    COUNTER.write(0);
    critical_section::with(|cs| CLOCK_DRIVER.arm(cs));
    map::unmask(Interrupt::Timer1);
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|cs| {
            let seen = self.seen.borrow(cs);
            let (mut high, last) = seen.get();
            let low = COUNTER.read();
            if low < last {
                high = high.wrapping_add(1);
            }
            seen.set((high, low));
            u64::from(high) << 32 | u64::from(low)
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if self.queue.borrow(cs).borrow_mut().schedule_wake(at, waker) {
                self.arm(cs);
            }
        });
    }
}

impl Clock {
    /// Wakes what is due, and sets the alarm for what is next.
    fn arm(&self, cs: CriticalSection<'_>) {
        let now = self.now();
        let next = self.queue.borrow(cs).borrow_mut().next_expiration(now);
        ALARM.start(cycles(next.saturating_sub(now)));
    }
}

#[unsafe(no_mangle)]
extern "C" fn TIMER1_EXPIRED() {
    critical_section::with(|cs| CLOCK_DRIVER.arm(cs));
}

defmt::timestamp!("{=u64:us}", CLOCK_DRIVER.now());
