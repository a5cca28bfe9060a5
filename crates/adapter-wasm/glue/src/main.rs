//! `uartbridge-wasm-glue WASM FOLDER`: writes `uartbridge.js`, `uartbridge.d.ts`, `uartbridge_bg.wasm` and `clock.js`, which
//! the first imports, into FOLDER.

use std::path::Path;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

/// Timers.
const CLOCK: &str = include_str!("../../src/clock.js");

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: uartbridge-wasm-glue WASM FOLDER";
    let (input, folder) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    Bindgen::new()
        .input_path(&input)
        .out_name("uartbridge")
        .web(true)?
        .omit_default_module_path(false)
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&folder)
        .with_context(|| format!("making the glue of {}", input.to_string_lossy()))?;
    let clock = Path::new(&folder).join("clock.js");
    std::fs::write(&clock, CLOCK).with_context(|| clock.display().to_string())
}
