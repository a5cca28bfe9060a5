//! The scenarios, with a bridge in a page: through the program's own relay, and through websockify.

use libtest_mimic::{Failed, Trial};
use uartbridge_tests::browser::{BrowserWorld, Relay, Setup, Through};
use uartbridge_tests::scenario::Scenario;
use uartbridge_tests::{Driver, Library, run};

use crate::Place;

/// What websockify is asked to do, too: what does not depend on acknowledgements, on half a close, or on the end of one being told.
const WEBSOCKIFY: [&str; 4] =
    ["both-ways-at-once", "s01-connects-over-tcp", "s02-greeting-on-every-connection", "s06-tls-mutual"];

/// A test for each scenario and relay that can do it.
pub(crate) fn trials(place: &Place) -> Result<Vec<Trial>, String> {
    let library: &'static Library = Box::leak(Box::new(Library::load()?));
    let mut trials = Vec::new();
    for scenario in &library.scenarios {
        let name = scenario.name.as_str();
        let mut add = |relay, through| {
            let place = place.clone();
            trials
                .push(Trial::test(format!("{relay}::{name}"), move || on_browser(&place, scenario, through)));
        };
        if library.unsupported(Driver::Browser, name).is_none() {
            add("serve", Through::Serve);
        }
        if WEBSOCKIFY.contains(&name) {
            add("websockify", Through::Websockify);
        }
    }
    Ok(trials)
}

fn on_browser(place: &Place, scenario: &Scenario, through: Through) -> Result<(), Failed> {
    let mut world = BrowserWorld::new(scenario, &Setup::new(&place.chromium, &place.serve, through))?;
    run(scenario, &mut world).map_err(|failure| failure.to_string())?;
    Ok(world.is_innocent(Relay::Stays)?)
}
