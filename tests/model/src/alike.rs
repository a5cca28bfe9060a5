//! Whether states that count as one are one: the key of `key.rs` leaves things out, and "all states" rests on that.
//!
//! Random runs visit states; whenever two of them count as the same although the core's text tells them apart, everything
//! that may happen happens to both, and must have the same consequences: the same actions, and states that count as the
//! same again. (Then, by induction, they behave alike for ever.)

use std::cell::RefCell;
use std::collections::HashMap;

use uartbridge_core::{Action, Sleep};

use crate::case::{Case, all};
use crate::happens::Happens;
use crate::world::World;

/// How many runs of how many events a case gets.
const RUNS: usize = 20;
const EVENTS: usize = 40;
/// How many pairs a case must have had at least: fewer would prove little.
const PAIRS: usize = 10;

thread_local! {
    static ACTIONS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The core asked for `action` at `now` (µs).
pub(crate) fn saw(now: u64, action: &Action) {
    let text = match action {
        Action::Sleep(Sleep { until, depth, wake_on_downlink }) => {
            let left = until.map(|(at, timer)| (at.as_micros().wrapping_sub(now), timer));
            format!("sleep {left:?} {depth:?} {wake_on_downlink}")
        }
        Action::OpenUart
        | Action::Connect(_)
        | Action::Close(_)
        | Action::QueryAcks
        | Action::UartFlow(_)
        | Action::Recover(_)
        | Action::Finished => format!("{action:?}"),
    };
    ACTIONS.with_borrow_mut(|actions| actions.push(text));
}

/// What follows when `happens`, and what the core asked for meanwhile.
fn step(world: &World, happens: Happens, case: &Case) -> (World, Vec<String>) {
    let mut next = world.clone();
    ACTIONS.take();
    happens.to(&mut next, case);
    (next, ACTIONS.take())
}

fn events(world: &World, case: &Case) -> Vec<Happens> {
    let mut events = Vec::new();
    Happens::all(world, case, &mut events);
    events
}

/// Holds two states that count as one against each other.
fn compare(one: &World, other: &World, case: &Case) {
    let events = events(one, case);
    assert_eq!(events, self::events(other, case), "{}\n{one:?}\n{other:?}", case.name);
    for event in events {
        let (after_one, after_other) = (step(one, event, case), step(other, event, case));
        let differ = || format!("{}, {event:?} to\n{one:?}\n{other:?}", case.name);
        assert_eq!(after_one.1, after_other.1, "{}", differ());
        assert!(after_one.0 == after_other.0, "{}\n{:?}\n{:?}", differ(), after_one.0, after_other.0);
    }
}

/// Marsaglia's xorshift: the same runs each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// How many pairs were held against each other.
fn pairs(case: &'static Case) -> usize {
    let mut seen: HashMap<World, World> = HashMap::new();
    let (mut dice, mut pairs) = (Dice(0x9E37_79B9_7F4A_7C15), 0);
    for _ in 0..RUNS {
        let mut world = World::new(case);
        for _ in 0..EVENTS {
            let events = events(&world, case);
            if events.is_empty() {
                break;
            }
            world = step(&world, events[dice.below(events.len())], case).0;
            match seen.get(&world) {
                Some(first) if format!("{first:?}") != format!("{world:?}") => {
                    compare(first, &world, case);
                    pairs += 1;
                }
                Some(_) => {}
                None => {
                    seen.insert(world.clone(), world.clone());
                }
            }
        }
    }
    pairs
}

#[test]
fn states_that_count_as_one_behave_alike() {
    for case in all(false) {
        let case: &'static Case = Box::leak(Box::new(case));
        let pairs = pairs(case);
        println!("{:22}{pairs:>8} pairs", case.name);
        assert!(pairs >= PAIRS, "{}: {pairs} pairs", case.name);
    }
}
