//! The UART end: a driver's receiver and transmitter, flow control, and the driver of a shared line (RS-485).
//!
//! Both halves must buffer: a receiver that keeps bytes while nobody reads, and a transmitter that takes what it has room
//! for and sends it by itself. `BufferedUart` of embassy-stm32 and embassy-rp are such.
//! A future that is polled once and dropped must lose nothing; theirs do not.

use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embedded_hal::digital::{ErrorType, OutputPin};
use uartbridge_core::{Duration, Flow, Instant, LineErrors};

use crate::ends::{Gone, Uart, UartRead};

/// A receiver.
pub trait Receive {
    /// See [`Uart::poll_read`].
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead>;
}

/// A transmitter.
pub trait Transmit {
    /// See [`Uart::poll_write`].
    ///
    /// # Errors
    /// It takes no more bytes.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Gone>>;

    /// Ready when everything written has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A half whose bytes lie in a buffer of its driver's: [`embedded_io_async::BufRead`], [`embedded_io_async::Write`].
#[derive(Debug)]
pub struct Buffered<H, E = ()> {
    half: H,
    errors: E,
}

/// A receiver that has no [`embedded_io_async::BufRead`], only [`embedded_io_async::Read`]. Its `read` must be
/// cancel-safe, as that of a DMA ring is (embassy-stm32's `RingBufferedUartRx`).
#[derive(Debug)]
pub struct Unbuffered<H, E = ()> {
    half: H,
    errors: E,
}

/// How a receiver's error counts.
pub type Classify<E> = fn(&E) -> LineErrors;

impl<R: embedded_io_async::BufRead> Buffered<R, Classify<R::Error>> {
    /// A receiver. Each of its errors counts as an overrun; [`Self::errors`] knows better.
    pub fn receiver(half: R) -> Self {
        Self { half, errors: |_| OVERRUN }
    }

    /// How errors count.
    pub fn errors(self, errors: Classify<R::Error>) -> Self {
        Self { errors, ..self }
    }
}

impl<R: embedded_io_async::Read> Unbuffered<R, Classify<R::Error>> {
    /// A receiver. Each of its errors counts as an overrun; [`Self::errors`] knows better.
    pub fn receiver(half: R) -> Self {
        Self { half, errors: |_| OVERRUN }
    }

    /// How errors count.
    pub fn errors(self, errors: Classify<R::Error>) -> Self {
        Self { errors, ..self }
    }
}

impl<W: embedded_io_async::Write> Buffered<W> {
    /// A transmitter.
    pub fn transmitter(half: W) -> Self {
        Self { half, errors: () }
    }
}

/// What an error is when nobody says more: bytes are missing.
pub(crate) const OVERRUN: LineErrors = LineErrors { overrun: 1, framing: 0, parity: 0 };

impl<R: embedded_io_async::BufRead> Receive for Buffered<R, Classify<R::Error>> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        let held = match pin!(self.half.fill_buf()).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok([])) => return Poll::Ready(UartRead::Gone),
            Poll::Ready(Ok(held)) => held,
            Poll::Ready(Err(error)) => return Poll::Ready(UartRead::Errors((self.errors)(&error))),
        };
        let n = held.len().min(buf.len());
        buf[..n].copy_from_slice(&held[..n]);
        self.half.consume(n);
        Poll::Ready(UartRead::Bytes(n))
    }
}

impl<R: embedded_io_async::Read> Receive for Unbuffered<R, Classify<R::Error>> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        pin!(self.half.read(buf)).poll(cx).map(|read| match read {
            Ok(0) => UartRead::Gone,
            Ok(n) => UartRead::Bytes(n),
            Err(error) => UartRead::Errors((self.errors)(&error)),
        })
    }
}

impl<W: embedded_io_async::Write> Transmit for Buffered<W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Gone>> {
        pin!(self.half.write(buf)).poll(cx).map(|written| match written {
            Ok(0) | Err(_) => Err(Gone),
            Ok(n) => Ok(n),
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What cannot be flushed has nothing left to send.
        pin!(self.half.flush()).poll(cx).map(|_| ())
    }
}

/// A receiver and a transmitter, with the pins that belong to them.
#[derive(Debug)]
pub struct Halves<R, W, F = NoPin, E = NoPin> {
    rx: R,
    tx: W,
    flow: F,
    driver: Driver<E>,
}

/// The driver of a shared line.
#[derive(Debug)]
struct Driver<E> {
    enable: E,
    lead: Duration,
    tail: Duration,
    phase: Phase,
}

/// Who has the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody else is on this line.
    Alone,
    /// The others have it.
    Others,
    /// We do, but bytes must wait until then.
    Lead(Instant),
    Ours,
    /// The last byte has left; the line is let go then.
    Tail(Instant),
}

/// No pin is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPin;

impl ErrorType for NoPin {
    type Error = Infallible;
}

impl OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<R, W> Halves<Buffered<R, Classify<R::Error>>, Buffered<W>>
where
    R: embedded_io_async::BufRead,
    W: embedded_io_async::Write,
{
    /// The halves of a buffered UART, with no pins besides RX and TX.
    pub fn new(rx: R, tx: W) -> Self {
        Self::of(Buffered::receiver(rx), Buffered::transmitter(tx))
    }
}

impl<R: Receive, W: Transmit> Halves<R, W> {
    /// Any receiver and transmitter.
    pub fn of(rx: R, tx: W) -> Self {
        let driver =
            Driver { enable: NoPin, lead: Duration::ZERO, tail: Duration::ZERO, phase: Phase::Alone };
        Self { rx, tx, flow: NoPin, driver }
    }
}

impl<R, W, F, E> Halves<R, W, F, E> {
    /// Flow control towards the device by a pin: low lets it send, high makes it pause (RTS, active low).
    /// Not needed where the UART's hardware moves RTS by itself.
    pub fn rts<G: OutputPin>(self, mut pin: G) -> Halves<R, W, G, E> {
        // A pin that cannot be set is a pin that flow control cannot use; there is nobody to tell.
        let _ = pin.set_low();
        Halves { rx: self.rx, tx: self.tx, flow: pin, driver: self.driver }
    }

    /// A shared line (RS-485): `enable` is high while we send. It goes up `lead` before the first byte, for the
    /// transceiver, and down `tail` after the driver says that the last byte has left: at least one character if
    /// the driver's `flush` does not wait for the shift register.
    pub fn rs485<G: OutputPin>(self, mut enable: G, lead: Duration, tail: Duration) -> Halves<R, W, F, G> {
        let _ = enable.set_low();
        let driver = Driver { enable, lead, tail, phase: Phase::Others };
        Halves { rx: self.rx, tx: self.tx, flow: self.flow, driver }
    }
}

impl<R: Receive, W: Transmit, F: OutputPin, E: OutputPin> Uart for Halves<R, W, F, E> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<UartRead> {
        self.rx.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant, buf: &[u8]) -> Poll<Result<usize, Gone>> {
        if self.driver.take_line(now) { self.tx.poll_write(cx, buf) } else { Poll::Pending }
    }

    fn quiet(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Driver { enable, tail, phase, .. } = &mut self.driver;
        if *phase == Phase::Ours && self.tx.poll_flush(cx).is_ready() {
            *phase = Phase::Tail(now + *tail);
        }
        if matches!(*phase, Phase::Tail(until) if until <= now) {
            *phase = Phase::Others;
            let _ = enable.set_low();
        }
    }

    fn due(&self) -> Option<Instant> {
        match self.driver.phase {
            Phase::Lead(until) | Phase::Tail(until) => Some(until),
            Phase::Alone | Phase::Others | Phase::Ours => None,
        }
    }

    fn flow(&mut self, flow: Flow) {
        let _ = match flow {
            Flow::Go => self.flow.set_low(),
            Flow::Stop => self.flow.set_high(),
        };
    }
}

impl<E: OutputPin> Driver<E> {
    /// Takes the line, and says whether bytes may be sent.
    fn take_line(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Others => {
                let _ = self.enable.set_high();
                self.phase = Phase::Lead(now + self.lead);
            }
            Phase::Tail(_) => self.phase = Phase::Ours,
            Phase::Alone | Phase::Lead(_) | Phase::Ours => {}
        }
        if matches!(self.phase, Phase::Lead(until) if until <= now) {
            self.phase = Phase::Ours;
        }
        matches!(self.phase, Phase::Alone | Phase::Ours)
    }
}
