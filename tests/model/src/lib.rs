//! The core, checked exhaustively: on tiny bridges, every order in which things can happen.
//!
//! The state of the model is the real [`uartbridge_core::Bridge`] with a device, a network and a peer around it, which may do
//! anything at any time: take any part of what is lent, acknowledge any prefix of it, end, reset, refuse, vanish, or do
//! nothing until a deadline has come, or passed. Two states are the same if they behave alike from then on (see `key.rs`), so
//! that with a bounded number of bytes and faults there are finitely many, and all of them are visited.

#![forbid(unsafe_code)]

#[cfg(test)]
mod alike;
mod case;
mod happens;
mod key;
mod outside;
mod promises;
mod storage;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

pub use case::{Case, all};
use happens::Happens;
use world::World;

/// What a case has come to.
#[derive(Debug)]
pub struct Report {
    /// The case's name.
    pub name: &'static str,
    /// States that differ.
    pub states: usize,
    /// Ways from one state to another.
    pub steps: usize,
    /// The number of events after which each state is reached at the latest.
    pub depth: usize,
    /// Whether that was all there is, and not the case's limit.
    pub whole: bool,
    /// How long it took.
    pub took: Duration,
    /// Each promise that is broken, with the way there; and what should have been seen and was not.
    pub faults: Vec<String>,
}

/// Visits every state of a case, on one thread: only so the first way to a state is a shortest one.
pub fn check(case: Case) -> Report {
    let start = Instant::now();
    let (name, depth) = (case.name, case.depth);
    let case: &'static Case = Box::leak(Box::new(case));
    // stateright counts the first state, too, and looks at no state at its limit.
    let limit = if depth == 0 { 0 } else { depth + 2 };
    let checker = Checked { case }
        .checker()
        .target_max_depth(limit)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut faults = Vec::new();
    let discoveries = checker.discoveries();
    for property in checker.model().properties() {
        match (property.expectation, discoveries.get(property.name)) {
            (Expectation::Sometimes, None) => {
                faults.push(format!("never happens, although it should: {}", property.name));
            }
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                let wrong = path.last_state().wrong.map_or(String::new(), |wrong| format!(": {wrong}"));
                let steps: Vec<_> =
                    path.clone().into_actions().iter().map(|step| format!("    {step:?}")).collect();
                faults.push(format!("{}{wrong}; after\n{}", property.name, steps.join("\n")));
            }
            (Expectation::Sometimes, Some(_)) | (Expectation::Always | Expectation::Eventually, None) => {}
        }
    }
    let deepest = checker.max_depth().saturating_sub(1);
    Report {
        name,
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: if depth > 0 { deepest.min(depth) } else { deepest },
        whole: depth == 0,
        took: start.elapsed(),
        faults,
    }
}

/// The model of one case.
struct Checked {
    case: &'static Case,
}

impl Model for Checked {
    type State = World;
    type Action = Happens;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.case)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happens>) {
        Happens::all(world, self.case, actions);
    }

    fn next_state(&self, world: &World, happens: Happens) -> Option<World> {
        let step = || {
            let mut next = world.clone();
            happens.to(&mut next, self.case);
            next
        };
        Some(catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
            let mut panicked = world.clone();
            panicked.fails("the core panics");
            panicked
        }))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("bytes arrive in order, none of them left out or twice", |_, world: &World| {
                world.wrong.is_none()
            }),
            Property::always("every byte is counted once", |model: &Self, world| {
                held(|| promises::counted(world, model.case))
            }),
            Property::always("a full ring stops its sender alone", |model: &Self, world| {
                held(|| promises::moves(world, model.case))
            }),
            Property::always("there is something to do, or a deadline", |model: &Self, world| {
                held(|| promises::goes_on(world, model.case))
            }),
            Property::always("if all goes well, every byte arrives", |model: &Self, world| {
                held(|| promises::arrives(world, model.case))
            }),
            Property::sometimes("the device's last byte has arrived", |model: &Self, world: &World| {
                world.outside.arrived >> (model.case.said - 1) & 1 == 1
            }),
        ];
        if self.case.heard > 0 {
            properties.push(Property::sometimes("the device gets all", |model: &Self, world: &World| {
                world.outside.given == model.case.heard
            }));
        }
        if self.case.acks == uartbridge_core::Acks::Peer {
            properties.push(Property::sometimes("bytes are sent again", |_, world: &World| {
                world.bridge.stats().replayed > 0
            }));
        }
        if self.case.drops() {
            properties.push(Property::sometimes("bytes are dropped", |_, world: &World| {
                world.bridge.stats().up_dropped > 0
            }));
        }
        if self.case.stops || self.case.ends {
            properties
                .push(Property::sometimes("the bridge finishes", |_, world: &World| world.outside.finished));
        }
        properties
    }
}

/// A promise whose check panics is broken.
fn held(promise: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(promise)).unwrap_or(false)
}
