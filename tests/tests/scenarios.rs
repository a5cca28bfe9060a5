//! One test a scenario and driver, and a few about the suite itself.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use uartbridge_tests::firmware::{FirmwareWorld, Images};
use uartbridge_tests::program::{ProgramWorld, build};
use uartbridge_tests::scenario::{Proof, Scenario};
use uartbridge_tests::sim::{Profile, SimWorld};
use uartbridge_tests::tls::{Calendar, Credentials};
use uartbridge_tests::tutorial::TutorialBridge;
use uartbridge_tests::{CoreBridge, Driver, Failure, Library, Verdict, own_bytes, run, settings};

/// Each scenario runs once with each of these, and with as many seeds.
const PROFILES: [(&str, Profile); 5] = [
    ("whole segments", Profile { segment: 1460, loss: 0, chunk: 65_536 }),
    ("small chunks", Profile { segment: 536, loss: 0, chunk: 7 }),
    ("segments of 1 to 16 bytes", Profile { segment: 16, loss: 0, chunk: 300 }),
    ("segments of a byte", Profile { segment: 1, loss: 0, chunk: 65_536 }),
    ("packets lost", Profile { segment: 1460, loss: 2, chunk: 65_536 }),
];
const SEEDS: u64 = 3;
const THREADS: usize = 12;

fn main() {
    match Library::load() {
        Ok(library) => suite(library).exit(),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn suite(library: Library) -> Conclusion {
    let library: &'static Library = Box::leak(Box::new(library));
    let mut arguments = Arguments::from_args();
    // Real worlds mostly wait: there may be more of them than processors.
    arguments.test_threads.get_or_insert(THREADS);
    if !arguments.list && arguments.filter.is_none() {
        println!("\n{}", library.table());
    }
    let images = match Images::find() {
        Ok(images) => images.map(|images| &*Box::leak(Box::new(images))),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    if images.is_none() {
        println!(
            "firmware:: is left out: it needs qemu-system-arm, and images by `cargo xtask firmware build`"
        );
    }
    let mut trials = vec![
        Trial::test("suite::every_row_and_failure_has_a_scenario", || complete(library)),
        Trial::test("suite::the_same_seed_gives_the_same_run", || deterministic(library)),
    ];
    for scenario in &library.scenarios {
        if library.unsupported(Driver::Core, &scenario.name).is_none() {
            trials.push(Trial::test(format!("core::{}", scenario.name), || on_core(scenario)));
        }
        if library.unsupported(Driver::Program, &scenario.name).is_none() {
            trials.push(Trial::test(format!("program::{}", scenario.name), || on_program(scenario)));
        }
        if let Some(images) = images
            && library.unsupported(Driver::Firmware, &scenario.name).is_none()
        {
            trials
                .push(Trial::test(format!("firmware::{}", scenario.name), || on_firmware(scenario, images)));
        }
        if let Some(verdict) = library.tutorial(&scenario.name) {
            let test = || on_tutorial(scenario, verdict);
            trials.push(Trial::test(format!("tutorial::{}", scenario.name), test));
        }
    }
    libtest_mimic::run(&arguments, trials)
}

fn core(scenario: &Scenario, profile: Profile, seed: u64) -> Result<SimWorld<CoreBridge>, Failed> {
    let settings = settings(scenario)?;
    let credentials = |tls| Credentials::new(tls, "peer.test", false, Calendar::by_hand()).map(Arc::new);
    let credentials = scenario.tls.as_ref().map(credentials).transpose()?;
    let own = credentials.clone();
    let make = move || CoreBridge::new(settings, seed as u32 + 1, profile.chunk, own.clone());
    Ok(SimWorld::new(scenario, profile, seed, credentials, make))
}

fn on_core(scenario: &Scenario) -> Result<(), Failed> {
    for (name, profile) in PROFILES {
        for seed in 0..SEEDS {
            let mut world = core(scenario, profile, seed)?;
            run(scenario, &mut world)
                .map_err(|failure| format!("{name}, seed {seed}: {}", place(scenario, &failure)))?;
        }
    }
    Ok(())
}

fn on_program(scenario: &Scenario) -> Result<(), Failed> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    let program = PROGRAM.as_ref().map_err(|error| error.clone())?;
    let mut world = ProgramWorld::new(scenario, program)?;
    run(scenario, &mut world).map_err(|failure| place(scenario, &failure).into())
}

fn on_firmware(scenario: &Scenario, images: &Images) -> Result<(), Failed> {
    let mut world = FirmwareWorld::new(scenario, images)?;
    run(scenario, &mut world).map_err(|failure| place(scenario, &failure).into())
}

fn on_tutorial(scenario: &Scenario, verdict: &Verdict) -> Result<(), Failed> {
    for seed in 0..SEEDS {
        let greeting = own_bytes(scenario, "greeting");
        let make = move || Ok(TutorialBridge::new(greeting.clone()));
        let mut world = SimWorld::new(scenario, PROFILES[0].1, seed, None, make);
        match (run(scenario, &mut world), verdict) {
            (Ok(()), Verdict::Passes) => {}
            (Err(failure), Verdict::Fails(why)) if failure.to_string().contains(why) => {}
            (Ok(()), Verdict::Fails(_)) => {
                return Err(format!("seed {seed}: passes, so this scenario proves nothing").into());
            }
            (Err(failure), Verdict::Fails(why)) => {
                return Err(format!("fails, but not with `{why}`: {}", place(scenario, &failure)).into());
            }
            (Err(failure), Verdict::Passes) => return Err(place(scenario, &failure).into()),
        }
    }
    Ok(())
}

fn place(scenario: &Scenario, failure: &Failure) -> String {
    format!("scenarios/{}.scn: {failure}", scenario.name)
}

/// Every row that has to do with the bridge itself, and every failure, the latter with proof that the tutorial fails.
fn complete(library: &Library) -> Result<(), Failed> {
    let has = |proof: &Proof| library.scenarios.iter().any(|scenario| scenario.proves.contains(proof));
    for row in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(Proof::Row) {
        if !has(&row) {
            return Err(format!("no scenario proves row {row}").into());
        }
    }
    for failure in (1..=14).map(Proof::Failure) {
        let of_this = library.scenarios.iter().filter(|scenario| scenario.proves.contains(&failure));
        let failing = of_this.filter(|s| matches!(library.tutorial(&s.name), Some(Verdict::Fails(_))));
        if failing.count() == 0 {
            return Err(format!("no scenario proves {failure} and is failed by the tutorial's bridge").into());
        }
    }
    Ok(())
}

fn deterministic(library: &Library) -> Result<(), Failed> {
    for name in ["s07-reconnect-loses-nothing", "tls-reconnect-loses-nothing"] {
        let scenario = library.scenarios.iter().find(|s| s.name == name).ok_or("the scenario is gone")?;
        let trace = || -> Result<String, Failed> {
            let mut world = core(scenario, PROFILES[4].1, 42)?;
            run(scenario, &mut world).map_err(|failure| place(scenario, &failure))?;
            Ok(format!("{:?}", uartbridge_tests::World::observed(&world)))
        };
        if trace()? != trace()? {
            return Err(format!("{name}: two runs with the same seed differ").into());
        }
    }
    Ok(())
}
