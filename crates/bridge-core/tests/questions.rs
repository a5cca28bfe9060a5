//! When the core asks what the peer has acknowledged: a full ring must not wait longer than it has to; and what follows from
//! an answer that comes late, or never.

use uartbridge_core::{
    Acks, Action, Bridge, Close, CloseCause, CloseReason, Config, Duration, Event, Instant, Timer,
};

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

/// A bridge whose questions a relay answers, when the test says so.
struct Asked<'c> {
    bridge: Big<'c>,
    now: Instant,
    questions: usize,
    closed: Option<(Instant, Close)>,
}

impl<'c> Asked<'c> {
    /// With a connection that `n` bytes were written to.
    fn new(config: &'c Config<'c>, n: usize) -> Self {
        let bridge = Big::new(config, 1, vec![0; RING], [0; 16]).expect("valid settings");
        let mut asked = Self { bridge, now: Instant::START, questions: 0, closed: None };
        asked.tell(Event::IpReady);
        asked.wait_until(asked.now);
        asked.tell(Event::UartRx(n));
        asked.tell(Event::TxDone(n));
        asked
    }

    fn tell(&mut self, event: Event) {
        self.bridge.handle(self.now, event).expect("in order");
        loop {
            let event = match self.bridge.poll(self.now) {
                Action::OpenUart => Event::UartOpened,
                Action::Connect(_) => Event::Connected(Acks::Peer),
                Action::QueryAcks => {
                    self.questions += 1;
                    continue;
                }
                Action::Close(close) => {
                    self.closed = Some((self.now, close));
                    Event::Closed(CloseReason::Done)
                }
                Action::UartFlow(_) => continue,
                Action::Sleep(_) => return,
                action @ (Action::Recover(_) | Action::Finished) => panic!("{action:?}"),
            };
            self.bridge.handle(self.now, event).expect("in order");
        }
    }

    /// Up to an instant, or to the connection's end.
    fn wait_until(&mut self, until: Instant) {
        while let Some((at, _)) = self.bridge.poll_timeout()
            && at <= until
            && self.closed.is_none()
        {
            self.now = self.now.max(at);
            self.tell(Event::Timeout);
            assert!(self.questions < 1000, "a question that nobody answers is asked for ever");
        }
        self.now = self.now.max(until);
    }

    /// Nothing runs meanwhile: the process is stopped, or the tab frozen.
    fn sleep_until(&mut self, until: Instant) {
        self.now = until;
        self.tell(Event::Timeout);
    }
}

const fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

const UNACKED: Close = Close::Abort(CloseCause::Unacked);

#[test]
fn a_question_that_nobody_answers_ends_the_connection() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 1);
    asked.wait_until(at(100));
    let limit = Instant::START + config.supervise.unacked;
    assert_eq!(asked.closed, Some((limit + config.close_timeout, UNACKED)));
    assert_eq!(asked.questions, 2, "one, and one for the last time");
}

#[test]
fn while_an_answer_is_under_way_there_is_no_further_question() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 1);
    asked.wait_until(at(2));
    assert_eq!(asked.questions, 1);
    // As much as calls for a question at once, and fills the ring.
    loop {
        let room = asked.bridge.uart_rx().len();
        if room == 0 {
            break;
        }
        asked.tell(Event::UartRx(room));
        asked.tell(Event::TxDone(asked.bridge.tx()[0].len()));
    }
    asked.wait_until(at(20));
    assert_eq!(asked.questions, 1);
    asked.tell(Event::TxAcked(1));
    assert_eq!(asked.questions, 2, "enough was written meanwhile");
    assert_eq!(asked.closed, None);
}

#[test]
fn an_answer_that_is_late_saves_the_connection_if_it_brings_something() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 2);
    // Both answers are late: the first question's, and the last one's.
    asked.wait_until(at(34));
    asked.tell(Event::TxAcked(0));
    assert_eq!(asked.closed, None, "that may have been the first one's");
    asked.tell(Event::TxAcked(1));
    asked.wait_until(at(60));
    assert_eq!(asked.closed, None);
    // The second byte is still on its way, and nobody answers any more.
    asked.wait_until(at(100));
    assert_eq!(asked.closed, Some((at(34) + config.supervise.unacked + config.close_timeout, UNACKED)));
}

#[test]
fn the_last_answer_brings_the_verdict_at_once() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 1);
    asked.wait_until(at(2));
    asked.tell(Event::TxAcked(0));
    asked.wait_until(at(3));
    asked.tell(Event::TxAcked(0));
    while asked.closed.is_none() && asked.now < at(40) {
        let questions = asked.questions;
        asked.wait_until(asked.bridge.poll_timeout().expect("supervision goes on").0);
        if asked.questions > questions {
            asked.tell(Event::TxAcked(0));
        }
    }
    assert_eq!(asked.closed, Some((Instant::START + config.supervise.unacked, UNACKED)));
}

#[test]
fn an_answer_from_before_a_pause_is_no_verdict() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 1);
    asked.wait_until(at(1));
    assert_eq!(asked.questions, 1);
    // The answer came during the pause, in which the peer has acknowledged everything.
    asked.sleep_until(at(100));
    asked.tell(Event::TxAcked(0));
    assert_eq!(asked.closed, None);
    asked.tell(Event::TxAcked(1));
    asked.wait_until(at(200));
    assert_eq!(asked.closed, None);
}

#[test]
fn an_answer_nobody_has_asked_for_is_no_verdict_either() {
    let config = Config::default();
    let mut asked = Asked::new(&config, 1);
    asked.wait_until(at(1));
    asked.tell(Event::TxAcked(0));
    asked.now = at(100);
    asked.tell(Event::TxAcked(0));
    assert_eq!(asked.closed, None);
    asked.tell(Event::Timeout);
    asked.tell(Event::TxAcked(1));
    assert_eq!(asked.closed, None);
}
