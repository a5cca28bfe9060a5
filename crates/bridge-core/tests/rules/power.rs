//! On demand, dozing, and how deeply to sleep.

use uartbridge_core::{
    Close, CloseCause, Config, Depth, Duration, Event, LinkState, Packing, Power, Sleep, Timer,
};

use crate::rig::{Answer, Asked, CONFIG, Rig, secs};

const ON_DEMAND: Config<'static> = Config { power: Power::OnDemand { linger: secs(3) }, ..CONFIG };
const DOZING: Config<'static> = Config { power: Power::Doze { after: secs(3) }, ..CONFIG };

fn sleep(rig: &Rig) -> Sleep {
    rig.sleep.expect("the core rests")
}

#[test]
fn on_demand_connects_for_bytes_and_leaves_after_a_while() {
    let mut rig = Rig::new(ON_DEMAND, 16, 16, Answer::Connects);
    assert_eq!(rig.bridge.link_state(), LinkState::Parked);
    assert_eq!((sleep(&rig).depth, sleep(&rig).wake_on_downlink, rig.deadline()), (Depth::Deep, false, None));
    rig.says(b"data");
    assert!(rig.is_open());
    assert_eq!((sleep(&rig).depth, sleep(&rig).wake_on_downlink), (Depth::Idle, true));
    assert_eq!(rig.writes_all(), b"data");
    rig.acknowledges();
    rig.pass(secs(2));
    rig.hears(b"answer");
    rig.device_takes();
    rig.asked();
    rig.pass(Duration::from_millis(2_999));
    assert_eq!((rig.asked(), rig.deadline().map(|(_, timer)| timer)), (vec![], Some(Timer::Quiet)));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.asked(), [Asked::Close(Close::Orderly(CloseCause::Idle))]);
    assert_eq!((rig.bridge.link_state(), rig.bridge.stats().failures), (LinkState::Parked, 0));
}

#[test]
fn on_demand_sleeps_deeply_only_without_a_connection() {
    let mut rig = Rig::new(ON_DEMAND, 16, 16, Answer::Connects);
    rig.says(b"data");
    rig.writes_all();
    rig.acknowledges();
    assert!(rig.is_open());
    assert_eq!(sleep(&rig).depth, Depth::Idle);
    rig.pass(secs(3));
    assert_eq!(sleep(&rig).depth, Depth::Deep);
}

#[test]
fn on_demand_does_not_leave_while_bytes_are_on_their_way() {
    let mut rig = Rig::new(ON_DEMAND, 16, 16, Answer::Connects);
    rig.says(b"data");
    rig.writes(2);
    rig.asked();
    rig.pass(secs(10));
    assert_eq!(rig.asked(), []);
    rig.writes_all();
    rig.acknowledges();
    rig.pass(secs(3));
    assert_eq!(rig.closed(), [Close::Orderly(CloseCause::Idle)]);
}

#[test]
fn on_demand_tries_no_more_when_there_is_nothing_to_say() {
    let mut rig = Rig::new(ON_DEMAND, 16, 16, Answer::Connects);
    rig.says(b"data");
    rig.writes_all();
    rig.acknowledges();
    rig.answer = Answer::Refuses;
    rig.breaks();
    assert_eq!(rig.bridge.link_state(), LinkState::Parked);
    rig.says(b"more");
    assert_eq!(rig.deadline().map(|(_, timer)| timer), Some(Timer::BackOff));
}

#[test]
fn on_demand_connects_again_for_what_was_in_flight() {
    let mut rig = Rig::new(ON_DEMAND, 16, 16, Answer::Connects);
    rig.says(b"data");
    rig.writes_all();
    rig.breaks();
    rig.pass(secs(1));
    assert!(rig.is_open());
    assert_eq!(rig.writes_all(), b"data");
}

#[test]
fn dozing_begins_after_quiet_and_ends_with_a_byte() {
    let mut rig = Rig::connected(DOZING, 16, 16);
    rig.says(b"x");
    rig.writes_all();
    rig.acknowledges();
    assert_eq!(sleep(&rig).until, Some((rig.now + secs(3), Timer::Quiet)));
    assert_eq!(sleep(&rig).depth, Depth::Idle);
    rig.pass(secs(3));
    assert_eq!((sleep(&rig).depth, sleep(&rig).until), (Depth::Doze, None));
    assert!(rig.is_open() && sleep(&rig).wake_on_downlink);
    rig.hears(b"y");
    assert_eq!(sleep(&rig).depth, Depth::Idle);
    rig.device_takes();
    rig.pass(secs(3));
    assert_eq!(sleep(&rig).depth, Depth::Doze);
}

#[test]
fn nobody_sleeps_deeply_over_bytes_that_wait() {
    // For the end of a packet.
    let packing = Packing { gap: secs(60), ..Packing::NONE };
    let mut rig = Rig::connected(Config { packing, ..DOZING }, 16, 16);
    rig.says(b"x");
    rig.pass(secs(10));
    assert_eq!(sleep(&rig).depth, Depth::Idle);
    // For the device.
    let mut rig = Rig::connected(DOZING, 16, 16);
    rig.hears(b"x");
    rig.pass(secs(10));
    assert_eq!(sleep(&rig).depth, Depth::Idle);
    // For a device that is away, nobody need stay awake.
    rig.device = false;
    rig.tell(Event::UartClosed);
    assert_eq!(sleep(&rig).depth, Depth::Doze);
    // For the socket.
    let mut rig = Rig::connected(DOZING, 16, 16);
    rig.says(b"x");
    rig.pass(secs(10));
    assert_eq!(sleep(&rig).depth, Depth::Idle);
}

#[test]
fn without_a_wish_nobody_dozes() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.pass(secs(1_000));
    assert_eq!((sleep(&rig).depth, sleep(&rig).until), (Depth::Idle, None));
}
