//! `cargo xtask firmware size`: what the images cost, against `firmware/budget.txt`.

mod budget;
mod cost;
mod stack;

use anyhow::{Result, bail};
use clap::Args;

use super::image;
use budget::Budget;

#[derive(Args)]
pub(crate) struct Options {
    /// Only what needs no run in QEMU
    #[arg(long)]
    still: bool,
}

/// A figure, by the name that it has in the budget.
type Figure = (String, u64);

/// Measures, prints the table, and holds it against the budget.
///
/// # Errors
/// A figure exceeds what is held, or cannot be measured.
pub(crate) fn run(options: &Options) -> Result<()> {
    let budget = Budget::read()?;
    let mut figures = core_alone()?;
    for name in ["plain", "udp", "tls"] {
        figures.extend(lie(name)?);
    }
    if !options.still {
        figures.extend(cost::measure()?);
    }
    let exceeded = budget.table(&figures);
    if exceeded > 0 {
        bail!(
            "{exceeded} figures exceed what firmware/budget.txt holds; make them smaller, or say there why they grow"
        );
    }
    Ok(())
}

/// What an image is made of.
fn lie(name: &str) -> Result<Vec<Figure>> {
    let sizes = image(name)?.sizes()?;
    Ok(vec![
        (format!("{name}: text, bytes"), sizes.text),
        (format!("{name}: data, bytes"), sizes.data),
        (format!("{name}: bss, bytes"), sizes.bss),
    ])
}

/// The core: the image that has nothing else, less the one that has not even that.
fn core_alone() -> Result<Vec<Figure>> {
    /// Two slices, which the rings are.
    const RINGS: u64 = 16;
    let with = image("core")?;
    let ram = u64::from(with.symbol("CORE_RAM")?.size);
    // The symbol that tells the size lies among the constants.
    let text = with.sizes()?.text.saturating_sub(image("empty")?.sizes()?.text + ram);
    Ok(vec![
        ("core: text, bytes".into(), text),
        ("core: RAM besides its rings, bytes".into(), ram.saturating_sub(RINGS)),
    ])
}
