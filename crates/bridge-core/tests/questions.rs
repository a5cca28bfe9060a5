//! When the core asks what the peer has acknowledged: a full ring must not wait longer than it has to.

use uartbridge_core::{Acks, Action, Bridge, Config, Duration, Event, Instant, Timer};

const RING: usize = 1 << 20;

type Big<'c> = Bridge<'c, Vec<u8>, [u8; 16]>;

/// Carries out everything but `QueryAcks`, which is answered with what the peer has.
fn settle(bridge: &mut Big<'_>, now: Instant, acked: u64) {
    loop {
        let event = match bridge.poll(now) {
            Action::OpenUart => Event::UartOpened,
            Action::Connect(_) => Event::Connected(Acks::Peer),
            Action::QueryAcks => Event::TxAcked(acked),
            Action::Sleep(_) => return,
            Action::UartFlow(_) => continue,
            action @ (Action::Close(_) | Action::Recover(_) | Action::Finished) => panic!("{action:?}"),
        };
        bridge.handle(now, event).expect("in order");
    }
}

/// Reads and writes until the ring is full of bytes that the peer has not acknowledged.
fn fill(bridge: &mut Big<'_>, now: Instant) {
    loop {
        let n = bridge.uart_rx().len().min(4096);
        if n == 0 {
            return;
        }
        bridge.handle(now, Event::UartRx(n)).expect("lent");
        settle(bridge, now, 0);
        let n = bridge.tx()[0].len();
        bridge.handle(now, Event::TxDone(n)).expect("lent");
        settle(bridge, now, 0);
    }
}

fn full(config: &Config<'_>, check: impl FnOnce(&mut Big<'_>, Instant)) {
    let mut bridge = Big::new(config, 1, vec![0; RING], [0; 16]).expect("valid settings");
    let now = Instant::START;
    for event in [Event::IpReady, Event::Timeout] {
        bridge.handle(now, event).expect("in order");
        settle(&mut bridge, now, 0);
    }
    fill(&mut bridge, now);
    check(&mut bridge, now);
}

#[test]
fn a_ring_that_has_just_filled_asks_within_milliseconds() {
    full(&Config::default(), |bridge, now| {
        let (at, timer) = bridge.poll_timeout().expect("a question is due");
        assert_eq!(timer, Timer::QueryAcks);
        assert!(at.since(now) <= Duration::from_millis(2), "in {}", at.since(now));
    });
}

#[test]
fn a_peer_that_stays_silent_is_asked_more_and_more_seldom() {
    let config = Config::default();
    full(&config, |bridge, mut now| {
        let mut questions = 0;
        while now < Instant::START + Duration::from_secs(10) {
            now = bridge.poll_timeout().expect("supervision goes on").0;
            bridge.handle(now, Event::Timeout).expect("always");
            settle(bridge, now, 0);
            questions += 1;
        }
        assert!((10..=30).contains(&questions), "{questions} questions in 10 s");
    });
}
