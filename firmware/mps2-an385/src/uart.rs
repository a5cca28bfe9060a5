//! CMSDK APB UART 0 (Arm DDI 0479, 4.3.1): one byte of buffer each way, an interrupt a byte, a wake a burst.
//!
//! The interrupt puts the byte into a ring and does nothing else. The task wakes when a quarter of the ring has filled,
//! or when the line has been quiet for some characters: what it then does for a burst, it does once.

use core::convert::Infallible;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use core::task::Poll;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use embedded_io_async::{BufRead, ErrorKind, ErrorType, Read, Write};

use crate::map::{self, CLOCK, Interrupt, TIMER0, UART0, reg};
use crate::reg::Reg;
use crate::ring::Ring;
use crate::timer::Timer;

const DATA: Reg = reg(UART0, 0x0);
const STATE: Reg = reg(UART0, 0x4);
const CTRL: Reg = reg(UART0, 0x8);
const CLEAR: Reg = reg(UART0, 0xc);
const BAUD_DIVIDER: Reg = reg(UART0, 0x10);

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 1 << 1;
const RX_OVERRUN: u32 = 1 << 3;
const TX_ENABLE: u32 = 1;
const RX_ENABLE: u32 = 1 << 1;
const TX_INTERRUPT: u32 = 1 << 2;
const RX_INTERRUPT: u32 = 1 << 3;
const CLEAR_TX: u32 = 1;
const CLEAR_RX: u32 = 1 << 1;

/// Bytes between interrupt and task, each way.
const RING: usize = 512;
/// So many bytes are worth a wake-up while more are coming: 11 ms at 115 200 baud.
const PLENTY: usize = RING / 4;
/// The line is quiet after 4 to 8 characters of silence: it is looked at every 4, not re-armed for each byte.
const QUIET_CHARACTERS: u32 = 4;
/// Start bit, 8 data bits, stop bit.
const BITS: u32 = 10;
/// The least that the UART's divider takes.
const LEAST_DIVIDER: u32 = 16;
/// The most: 20 bits.
const MOST_DIVIDER: u32 = 0xf_ffff;

type Waker = GenericAtomicWaker<CriticalSectionRawMutex>;

/// Looks whether the line is quiet.
const QUIET: Timer = Timer::new(TIMER0);

static RX: Receiver = Receiver {
    ring: Ring::new(),
    waker: Waker::new(CriticalSectionRawMutex::new()),
    in_burst: AtomicBool::new(false),
    seen: AtomicUsize::new(0),
    stalled: AtomicBool::new(false),
    overruns: AtomicU32::new(0),
    quiet_cycles: AtomicU32::new(0),
};

static TX: Sender = Sender { ring: Ring::new(), waker: Waker::new(CriticalSectionRawMutex::new()) };

struct Receiver {
    ring: Ring<RING>,
    waker: Waker,
    /// Bytes are coming, and the timer looks when they stop.
    in_burst: AtomicBool,
    /// How far the ring was filled when the timer last looked.
    seen: AtomicUsize,
    /// The ring is full, and the receiver keeps the next byte: the interrupt is off until there is room.
    stalled: AtomicBool,
    /// Bytes that the receiver lost because it was full.
    overruns: AtomicU32,
    quiet_cycles: AtomicU32,
}

struct Sender {
    ring: Ring<RING>,
    waker: Waker,
}

/// The receiving half.
#[derive(Debug)]
pub struct UartRx(());

/// The sending half.
#[derive(Debug)]
pub struct UartTx(());

/// A baud rate that the UART's divider cannot make from its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct BadBaud(pub u32);

/// Starts the UART at `baud`, 8N1; it knows nothing else.
///
/// # Errors
/// The rate is out of reach: more than a sixteenth of the clock, or less than 24 baud.
pub(crate) fn start(baud: u32) -> Result<(UartRx, UartTx), BadBaud> {
    let divider = CLOCK.checked_div(baud).ok_or(BadBaud(baud))?;
    if !(LEAST_DIVIDER..=MOST_DIVIDER).contains(&divider) {
        return Err(BadBaud(baud));
    }
    RX.quiet_cycles.store(divider * BITS * QUIET_CHARACTERS, Ordering::Relaxed);
    BAUD_DIVIDER.write(divider);
    CTRL.write(TX_ENABLE | RX_ENABLE | TX_INTERRUPT | RX_INTERRUPT);
    map::unmask(Interrupt::Uart0Rx);
    map::unmask(Interrupt::Uart0Tx);
    map::unmask(Interrupt::Timer0);
    Ok((UartRx(()), UartTx(())))
}

impl Receiver {
    /// In the interrupt: takes in what has come.
    #[inline(always)]
    fn receive(&self) {
        // Cleared first: a byte that comes during the loop asks again.
        CLEAR.write(CLEAR_RX);
        loop {
            let state = STATE.read();
            if state & RX_OVERRUN != 0 {
                STATE.write(RX_OVERRUN);
                self.overruns.store(self.overruns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            if state & RX_FULL == 0 {
                break;
            }
            if self.ring.len() == RING {
                CTRL.modify(|ctrl| ctrl & !RX_INTERRUPT);
                self.stalled.store(true, Ordering::Relaxed);
                break;
            }
            // The register's upper bits are 0.
            self.ring.push(DATA.read() as u8);
            if self.ring.len() == PLENTY {
                self.waker.wake();
            }
        }
        if !self.in_burst.load(Ordering::Relaxed) {
            self.in_burst.store(true, Ordering::Relaxed);
            self.seen.store(self.ring.written(), Ordering::Relaxed);
            QUIET.start(self.quiet_cycles.load(Ordering::Relaxed));
        }
    }

    /// In the timer's interrupt: is the line quiet?
    fn look(&self) {
        QUIET.acknowledge();
        let now = self.ring.written();
        if self.seen.swap(now, Ordering::Relaxed) == now {
            QUIET.stop();
            self.in_burst.store(false, Ordering::Release);
            self.waker.wake();
        }
    }

    /// Whether it is time to take what is held.
    fn is_ready(&self) -> bool {
        match self.ring.len() {
            0 => false,
            PLENTY.. => true,
            _ => !self.in_burst.load(Ordering::Acquire),
        }
    }

    fn consume(&self, count: usize) {
        self.ring.consume(count);
        if self.stalled.load(Ordering::Relaxed) {
            critical_section::with(|_| {
                self.stalled.store(false, Ordering::Relaxed);
                CTRL.modify(|ctrl| ctrl | RX_INTERRUPT);
            });
            cortex_m::peripheral::NVIC::pend(Interrupt::Uart0Rx);
        }
    }
}

impl Sender {
    /// Hands bytes to the UART while it takes them; nobody else does meanwhile (the interrupt, or a critical section).
    #[inline(always)]
    fn pump(&self) {
        while !STATE.has(TX_FULL) {
            match self.ring.pop() {
                Some(byte) => DATA.write(u32::from(byte)),
                None => break,
            }
        }
    }

    /// In the interrupt: a byte has left.
    #[inline(always)]
    fn sent(&self) {
        CLEAR.write(CLEAR_TX);
        let before = self.ring.len();
        self.pump();
        let after = self.ring.len();
        if before >= RING / 2 && after < RING / 2 || after == 0 {
            self.waker.wake();
        }
    }

    fn is_idle(&self) -> bool {
        self.ring.len() == 0 && !STATE.has(TX_FULL)
    }
}

/// So many bytes were lost since the last report, because the receiver was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct Overruns(pub u32);

impl core::fmt::Display for Overruns {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes lost in the receiver", self.0)
    }
}

impl core::error::Error for Overruns {}

impl embedded_io_async::Error for Overruns {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for UartRx {
    type Error = Overruns;
}

impl ErrorType for UartTx {
    type Error = Infallible;
}

impl BufRead for UartRx {
    async fn fill_buf(&mut self) -> Result<&[u8], Overruns> {
        poll_fn(|context| {
            RX.waker.register(context.waker());
            let overruns = RX.overruns.swap(0, Ordering::Relaxed);
            if overruns > 0 {
                return Poll::Ready(Err(Overruns(overruns)));
            }
            if RX.is_ready() { Poll::Ready(Ok(RX.ring.held())) } else { Poll::Pending }
        })
        .await
    }

    fn consume(&mut self, count: usize) {
        RX.consume(count);
    }
}

impl Read for UartRx {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Overruns> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let held = self.fill_buf().await?;
        let count = held.len().min(buffer.len());
        buffer[..count].copy_from_slice(&held[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl Write for UartTx {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            TX.waker.register(context.waker());
            let count = TX.ring.extend(bytes);
            if count == 0 && !bytes.is_empty() {
                return Poll::Pending;
            }
            critical_section::with(|_| TX.pump());
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        poll_fn(|context| {
            TX.waker.register(context.waker());
            if TX.is_idle() { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }
}

#[unsafe(no_mangle)]
extern "C" fn UART0_RX() {
    RX.receive();
}

#[unsafe(no_mangle)]
extern "C" fn UART0_TX() {
    TX.sent();
}

#[unsafe(no_mangle)]
extern "C" fn TIMER0_EXPIRED() {
    RX.look();
}
