//! The loop: one task, one bridge; woken by what ports and relay say, by the API's calls and by one timer.

use std::future::poll_fn;
use std::rc::Rc;

use uartbridge_core::{Bridge, LinkState, Stats};
use uartbridge_trace::Setup;
use uartbridge_turn::host::{Board, Direction, Pace, Said};
use uartbridge_turn::{Ended, Turn};

use crate::config::Settings;
use crate::shared::Shared;
use crate::time::{self, Timer};
use crate::trace::{Maybe, Wanted};
use crate::uart::PortUart;
use crate::way::Way;
use crate::why::Why;

/// How many packets the up ring tells apart.
const PACKETS: usize = 256;

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
        let now = time::now();
        let polled = turn.poll(cx, now);
        shared.room.set(turn.room());
        shared.stats.set(turn.stats());
        if polled.is_pending()
            && let Some(until) = turn.wait().until
        {
            if until <= now {
                cx.waker().wake_by_ref();
            } else {
                timer.wake_at(cx, now, until);
            }
        }
        polled
    });
    let ended = ended.await;
    let Stats { up_held, down_held, .. } = turn.stats();
    match ended {
        Ended::Finished if up_held + down_held > 0 => {
            Err(format!("not delivered: {up_held} bytes from the device, {down_held} bytes from the network"))
        }
        Ended::Finished => Ok(()),
        ended @ (Ended::Restart | Ended::Misuse(_)) => Err(ended.to_string()),
    }
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
        self.0.stopping.get()
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
