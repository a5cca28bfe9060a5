//! What a board has besides: pins, LED, watchdog, ways to sleep.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use embedded_hal::digital::{ErrorType, OutputPin};
use embedded_io_async::Write;
use uartbridge_core::{Config, Depth, Duration, Power as PowerPolicy, Sleep};
use uartbridge_embassy::options::{Options, Power};
use uartbridge_embassy::uart::NoPin;

use crate::rig::{Pins, acknowledge, bridge, read_exactly, with_bridge, with_pins};
use crate::tcp::{PEERS, config};

/// A pin that remembers when it went up and down.
#[derive(Clone, Default)]
struct Pin(Rc<RefCell<Vec<(bool, Instant)>>>);

impl Pin {
    fn levels(&self) -> Vec<bool> {
        self.0.borrow().iter().map(|(level, _)| *level).collect()
    }
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().push((false, Instant::now()));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().push((true, Instant::now()));
        Ok(())
    }
}

#[test]
fn a_device_is_told_to_pause_while_its_peer_does_not_read_and_to_go_on() {
    let (rts, mut bridge) = (Pin::default(), bridge(config()));
    let pins = Pins { rts: rts.clone(), enable: None::<(NoPin, Duration, Duration)> };
    with_pins(&mut bridge, PEERS, pins, Options::new(), async |mut hands| {
        let mut socket = hands.accept().await;
        // More than the peer's socket, ours and the up ring hold.
        let sent = vec![7; 4_000];
        let mut write = std::pin::pin!(hands.device.tx.write_all(&sent));
        tokio::select! {
            _ = &mut write => panic!("nobody has read it"),
            () = until(|| rts.levels().contains(&true)) => {}
        }
        let (all, written) = tokio::join!(read_exactly(&mut socket, sent.len()), write);
        written.expect("the bridge reads");
        assert!(all == sent);
        until(|| rts.levels().ends_with(&[false])).await;
    })
    .expect("the bridge goes on");
    assert!(!rts.levels().windows(2).skip(1).any(|pair| pair[0] == pair[1]), "said once each");
}

#[test]
fn a_shared_line_is_driven_while_bytes_leave_and_let_go_after_the_turn_round_delay() {
    let (enable, mut bridge) = (Pin::default(), bridge(config()));
    let (lead, tail) = (Duration::from_millis(3), Duration::from_millis(5));
    let pins = Pins { rts: NoPin, enable: Some((enable.clone(), lead, tail)) };
    with_pins(&mut bridge, PEERS, pins, Options::new(), async |mut hands| {
        let mut socket = hands.accept().await;
        for _ in 0..2 {
            let before = enable.levels().len();
            socket.write_all(b"to all on the line").await.expect("the bridge reads");
            assert_eq!(read_exactly(&mut hands.device.rx, 18).await, b"to all on the line");
            let read = Instant::now();
            until(|| enable.levels().len() == before + 2).await;
            let (up, down) = (enable.0.borrow()[before].1, enable.0.borrow()[before + 1].1);
            assert!((read - up).as_micros() >= 2_900, "the transceiver needs its time");
            assert!((down - read).as_micros() >= 4_900, "the last character is still on the line");
        }
    })
    .expect("the bridge goes on");
    assert_eq!(enable.levels(), [false, true, false, true, false]);
}

#[test]
fn the_led_shows_the_connection_and_the_watchdog_is_fed() {
    let (led, mut bridge) = (Pin::default(), bridge(config()));
    let fed = Cell::new(0);
    let watchdog = || fed.set(fed.get() + 1);
    let options = Options::new().led(led.clone()).watchdog(watchdog, Duration::from_millis(5));
    let start = Instant::now();
    with_bridge(&mut bridge, PEERS, options, async |mut hands| {
        let mut first = hands.accept().await;
        acknowledge(&mut first, &mut hands.device).await;
        assert!(led.levels().ends_with(&[true]));
        first.abort();
        first.flush().await.expect("the reset is sent");
        until(|| led.levels().ends_with(&[false])).await;
        // Nothing happens any more, and still the loop comes round.
        until(|| fed.get() >= 10).await;
    })
    .expect("the bridge goes on");
    let longest = start.elapsed().as_millis() / 5 + 1;
    assert!(fed.get() <= longest, "{} times in {longest} intervals", fed.get());
}

#[test]
fn a_quiet_bridge_may_doze_and_wakes_for_the_peer() {
    #[derive(Clone, Default)]
    struct Depths(Rc<RefCell<Vec<(Depth, bool)>>>);
    impl Power for Depths {
        fn sleep(&mut self, sleep: &Sleep) {
            self.0.borrow_mut().push((sleep.depth, sleep.wake_on_downlink));
        }
    }
    let depths = Depths::default();
    let power = PowerPolicy::Doze { after: Duration::from_millis(20) };
    let mut bridge = bridge(Config { power, ..config() });
    with_bridge(&mut bridge, PEERS, Options::new().power(depths.clone()), async |mut hands| {
        let mut socket = hands.accept().await;
        acknowledge(&mut socket, &mut hands.device).await;
        assert_eq!(depths.0.borrow().last().map(|(depth, _)| *depth), Some(Depth::Idle));
        until(|| depths.0.borrow().last() == Some(&(Depth::Doze, true))).await;
        acknowledge(&mut socket, &mut hands.device).await;
    })
    .expect("the bridge goes on");
}

/// Waits until `condition` holds, looking whenever anything may have changed.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
    }
}
