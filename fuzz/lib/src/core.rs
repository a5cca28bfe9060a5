//! The core between a device, a network, a peer and an adapter that may do anything, in the reference world of the property tests.

mod choices;

use crate::script::Script;
use uartbridge_core::{Config, ConfigError};
use uartbridge_reference::{Depth, World};
use uartbridge_trace::{Off, Recorder};

pub(crate) use choices::{config, op, rings};

/// One run: settings, and what happens.
///
/// # Errors
/// The settings cannot work.
///
/// # Panics
/// A promise is broken.
pub fn run(data: &[u8]) -> Result<Depth, ConfigError> {
    let mut script = Script::new(data);
    let shape = script.byte();
    let valid = shape & 1 == 1;
    let (up, down) = rings(&mut script);
    let rings = if valid { (up.max(1), down.max(1)) } else { (up, down) };
    let config = config(&mut script, valid.then_some(rings.0));
    let refused = config.validate(rings.0, rings.1);
    assert!(!valid || refused.is_ok(), "{refused:?} of {config:?}");
    let done = match shape >> 1 & 3 {
        0 => play::<1>(&config, rings, &mut script),
        1 => play::<8>(&config, rings, &mut script),
        _ => play::<4>(&config, rings, &mut script),
    };
    let Err(error) = done else { return done };
    assert_eq!(refused, Err(error));
    assert!(error.to_string().starts_with(&format!("{} must ", error.field)));
    done
}

fn play<const P: usize>(
    config: &Config<'_>,
    rings: (usize, usize),
    script: &mut Script<'_>,
) -> Result<Depth, ConfigError> {
    let seed = script.number() as u32;
    let mut world = World::<_, P>::new(config, rings, seed, Off)?;
    happens(&mut world, script);
    world.all_goes_well();
    Ok(world.depth())
}

/// Everything that the rest of the script says.
pub(crate) fn happens<R: Recorder, const P: usize>(world: &mut World<'_, R, P>, script: &mut Script<'_>) {
    while !script.ended() {
        world.apply(&op(script));
    }
}
