//! What `core` has besides the core: start-up, the settings that it is given, and what every program has of Rust's own
//! run-time: panics of slices, moving and clearing memory.

#![no_std]
#![no_main]

use core::hint::black_box;

use static_cell::StaticCell;
use uartbridge_core::Config;
use uartbridge_mps2_an385 as _;

#[cortex_m_rt::entry]
fn main() -> ! {
    static CONFIG: StaticCell<Config<'static>> = StaticCell::new();
    let config: &'static Config<'static> = CONFIG.init_with(Config::default);
    let mut bytes = black_box([0u8; 64]);
    loop {
        let (from, to) = black_box((1, 2));
        bytes.copy_within(from..to, black_box(3));
        bytes[from..to].fill(black_box(0));
        let last = bytes[to];
        black_box((config, &mut bytes, last));
    }
}
