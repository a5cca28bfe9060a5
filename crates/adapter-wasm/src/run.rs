//! The loop: one task, one bridge; woken by what ports and relay say, by the API's calls and by one timer.

use std::future::poll_fn;
use std::rc::Rc;

use uartbridge_core::{Bridge, Duration, LinkState, Stats};
use uartbridge_trace::Setup;
use uartbridge_turn::host::{Board, Direction, Pace, Said};
use uartbridge_turn::{Ended, Turn, earlier};

use crate::config::Settings;
use crate::shared::Shared;
use crate::time::{self, Timer};
use crate::trace::{Maybe, Wanted};
use crate::uart::PortUart;
use crate::way::Way;
use crate::why::Why;

/// How many packets the up ring tells apart.
const PACKETS: usize = 256;
/// How long the end of the bridge waits for a device to take what it was to be sent by hand.
const BY_HAND: Duration = Duration::from_secs(2);

/// Runs a bridge until it has finished.
///
/// # Errors
/// Why it cannot go on, or what was not delivered in time.
pub(crate) async fn run(
    settings: Settings,
    uart: PortUart,
    net: Way,
    trace: Option<Wanted>,
    shared: Rc<Shared>,
) -> Result<(), String> {
    let Settings { mut config, greeting, heartbeat, up_buffer, down_buffer } = settings;
    config.greeting = &greeting;
    config.heartbeat.bytes = &heartbeat;
    // Any number will do: it spreads attempts to reconnect.
    let seed = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
    let mut bridge = Bridge::<_, _, PACKETS>::new(&config, seed, vec![0; up_buffer], vec![0; down_buffer])
        .map_err(|error| error.to_string())?;
    let setup = Setup {
        config,
        seed,
        up: up_buffer,
        down: down_buffer,
        packets: PACKETS,
        content: false,
        began: None,
    };
    let recorder = Maybe::new(trace, Rc::clone(&shared.trace), setup, &net);
    let mut turn = Turn::traced(&mut bridge, recorder, uart, net, Watcher(Rc::clone(&shared)));
    let mut timer = Timer::new();
    let ended = poll_fn(|cx| {
        shared.register(cx.waker());
        let (now, by_hand) = (time::now(), shared.down_left());
        let polled = turn.poll(cx, now);
        shared.room.set(turn.room());
        shared.stats.set(turn.stats());
        let stop_at = shared.stopping.get().map(|since| since + BY_HAND);
        let until = earlier(turn.wait().until, stop_at.filter(|at| *at > now));
        // What the end has waited for has come.
        let stops = stop_at.is_some() && by_hand > 0 && shared.down_left() == 0;
        if polled.is_pending() && (stops || until.is_some_and(|until| until <= now)) {
            cx.waker().wake_by_ref();
        } else if polled.is_pending()
            && let Some(until) = until
        {
            timer.wake_at(cx, now, until);
        }
        polled
    });
    let ended = ended.await;
    let Stats { up_held, down_held, .. } = turn.stats();
    let (up_left, down_left) = (shared.drop_up(), shared.drop_down());
    match ended {
        Ended::Finished => delivered(&[
            (up_held, "from the device"),
            (down_held, "from the network"),
            (up_left as u64, "given by hand for the server"),
            (down_left as u64, "given by hand for the device"),
        ]),
        ended @ (Ended::Restart | Ended::Misuse(_)) => Err(ended.to_string()),
    }
}

/// # Errors
/// How many bytes are left, and of which kind.
fn delivered(left: &[(u64, &str)]) -> Result<(), String> {
    let left: Vec<_> = left
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, whose)| format!("{count} bytes {whose}"))
        .collect();
    if left.is_empty() { Ok(()) } else { Err(format!("not delivered: {}", left.join(", "))) }
}

/// Tells the page what happens.
struct Watcher(Rc<Shared>);

impl Board<Why> for Watcher {
    fn pace(&self) -> Pace {
        Pace::EAGER
    }

    fn say(&mut self, said: &Said<'_, Why>) {
        match said {
            Said::Link { change, .. } => self.0.news("state", name(change.state), &said.to_string()),
            Said::LineErrors(_) | Said::Cut(_) => self.0.news("uart", "open", &said.to_string()),
        }
    }

    fn passed(&mut self, direction: Direction, bytes: &[u8]) {
        self.0.traffic(direction, bytes);
    }

    fn stops(&mut self) -> bool {
        let shared = &self.0;
        shared.stopping.get().is_some_and(|since| {
            let takes = shared.uart_open.get() && shared.down_left() > 0;
            !takes || time::now() >= since + BY_HAND
        })
    }

    fn counters(&mut self, stats: &Stats) {
        self.0.stats.set(*stats);
    }
}

/// A state as the API calls it.
const fn name(state: LinkState) -> &'static str {
    match state {
        LinkState::NoIp => "no-ip",
        LinkState::Parked => "parked",
        LinkState::BackOff(_) => "back-off",
        LinkState::Connecting(_) => "connecting",
        LinkState::Open(_) => "open",
        LinkState::Closing => "closing",
        LinkState::Finished => "finished",
    }
}
