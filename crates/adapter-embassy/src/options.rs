//! What a board has besides a UART and a network, each of it optional: a status LED, a watchdog, a way to sleep.

use core::sync::atomic::{AtomicBool, Ordering};

use embedded_hal::digital::OutputPin;
use uartbridge_core::{Duration, LinkState, Sleep, Step};

pub use uartbridge_turn::host::{Board, Pace};

use crate::log::{Log, Said, Silent, Why};
use crate::uart::NoPin;

/// A watchdog. Any closure is one.
pub trait Watchdog {
    /// The loop is alive.
    fn feed(&mut self);
}

impl<F: FnMut()> Watchdog for F {
    fn feed(&mut self) {
        self();
    }
}

/// There is no watchdog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoWatchdog;

impl Watchdog for NoWatchdog {
    fn feed(&mut self) {}
}

/// How a board sleeps and recovers.
pub trait Power {
    /// The loop is about to wait: other tasks permitting, the device may sleep as deeply as `sleep` says, until the
    /// time that it says. Called before every wait, so it should be quick: remember the depth, and let
    /// the executor's idle hook act on it. A byte from the UART must wake the device.
    fn sleep(&mut self, sleep: &Sleep) {
        let _ = sleep;
    }

    /// The network is stuck: resets the radio, or restarts the device.
    fn recover(&mut self, step: Step) {
        let _ = step;
    }
}

/// The processor stops between interrupts, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysOn;

impl Power for AlwaysOn {}

/// A board made of parts; every part may be absent.
///
/// ```
/// use uartbridge_core::Duration;
/// use uartbridge_embassy::options::Options;
///
/// let options = Options::new()
///     .gather(Duration::from_millis(4))
///     .watchdog(|| { /* reload the hardware's counter */ }, Duration::from_secs(3));
/// ```
#[derive(Debug)]
pub struct Options<L = NoPin, W = NoWatchdog, P = AlwaysOn, G = Silent> {
    led: L,
    watchdog: W,
    power: P,
    log: G,
    stop: Option<&'static AtomicBool>,
    pace: Pace,
}

impl Options {
    /// None of it.
    pub fn new() -> Self {
        Self { led: NoPin, watchdog: NoWatchdog, power: AlwaysOn, log: Silent, stop: None, pace: Pace::EAGER }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl<L, W, P, G> Options<L, W, P, G> {
    /// Lets bytes from the UART gather for this long before they are fetched and sent together, and room in a full
    /// transmitter before it is filled again. Each time costs some thousand instructions in the network stack, so a few
    /// milliseconds make a byte several times cheaper where the UART wakes the task for each one. Zero, the
    /// default, suits UARTs that gather by themselves until the line is idle (embassy-stm32 and embassy-rp do).
    ///
    /// The driver's rings must hold what passes in this time: at 115 200 baud 12 bytes a millisecond each way.
    pub fn gather(mut self, time: Duration) -> Self {
        self.pace.gather = time;
        self
    }

    /// A pin that is high while there is a connection.
    pub fn led<M: OutputPin>(self, pin: M) -> Options<M, W, P, G> {
        Options {
            led: pin,
            watchdog: self.watchdog,
            power: self.power,
            log: self.log,
            stop: self.stop,
            pace: self.pace,
        }
    }

    /// A watchdog, fed this often as long as the loop comes round; at most half of its own time.
    pub fn watchdog<V: Watchdog>(self, watchdog: V, feed_every: Duration) -> Options<L, V, P, G> {
        let pace = Pace { feed_every, ..self.pace };
        Options { led: self.led, watchdog, power: self.power, log: self.log, stop: self.stop, pace }
    }

    /// How the board sleeps and recovers.
    pub fn power<Q: Power>(self, power: Q) -> Options<L, W, Q, G> {
        Options {
            led: self.led,
            watchdog: self.watchdog,
            power,
            log: self.log,
            stop: self.stop,
            pace: self.pace,
        }
    }

    /// Once this is true the bridge delivers what it holds, for a bounded time, and finishes. The loop looks whenever it is woken.
    pub fn stop_when(mut self, stop: &'static AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Who takes the log's lines: `Defmt` (feature `defmt`), or any closure.
    pub fn log<H: Log>(self, log: H) -> Options<L, W, P, H> {
        Options {
            led: self.led,
            watchdog: self.watchdog,
            power: self.power,
            log,
            stop: self.stop,
            pace: self.pace,
        }
    }
}

impl<L: OutputPin, W: Watchdog, P: Power, G: Log> Board<Why> for Options<L, W, P, G> {
    fn pace(&self) -> Pace {
        self.pace
    }

    fn state(&mut self, state: LinkState) {
        // A pin that cannot be set has nobody to be told of.
        let _ = match state {
            LinkState::Open(_) => self.led.set_high(),
            LinkState::NoIp
            | LinkState::Parked
            | LinkState::BackOff(_)
            | LinkState::Connecting(_)
            | LinkState::Closing
            | LinkState::Finished => self.led.set_low(),
        };
    }

    fn say(&mut self, said: &Said<'_>) {
        self.log.say(said);
    }

    fn stops(&mut self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn feed(&mut self) {
        self.watchdog.feed();
    }

    fn sleep(&mut self, sleep: &Sleep) {
        self.power.sleep(sleep);
    }

    fn recover(&mut self, step: Step) {
        self.power.recover(step);
    }
}
