//! The core alone, to measure it: every call of its interface, on events and sizes that the compiler cannot foresee, and
//! nothing else. `empty` is the same without the core.

#![no_std]
#![no_main]

use core::hint::black_box;

use static_cell::StaticCell;
use uartbridge_core::{Bridge, Config, Event, Instant};
use uartbridge_mps2_an385 as _;

/// As the other images have it, over rings that lie elsewhere.
type Measured = Bridge<'static, &'static mut [u8], &'static mut [u8], 8>;

/// As large as a bridge without its rings; `cargo xtask firmware size` reads the size of this symbol.
#[used]
#[unsafe(export_name = "CORE_RAM")]
static CORE_RAM: [u8; size_of::<Measured>()] = [0; size_of::<Measured>()];

#[cortex_m_rt::entry]
fn main() -> ! {
    static CONFIG: Config<'static> = Config::DEFAULT;
    static RINGS: StaticCell<[[u8; 64]; 2]> = StaticCell::new();
    let [up, down] = RINGS.init([[0; 64]; 2]);
    let Ok(mut bridge) =
        Bridge::new(black_box(&CONFIG), black_box(1), up.as_mut_slice(), down.as_mut_slice())
    else {
        loop {
            cortex_m::asm::nop();
        }
    };
    drive(&mut bridge)
}

fn drive(bridge: &mut Measured) -> ! {
    loop {
        let now = black_box(Instant::START);
        let _ = black_box(bridge.handle(now, black_box(Event::Timeout)));
        black_box(bridge.poll(now));
        black_box(bridge.poll_timeout());
        black_box((bridge.stats(), bridge.tx_total(), bridge.link_state(), bridge.peer()));
        black_box(bridge.uart_rx());
        black_box(bridge.sock_rx());
        black_box(bridge.tx());
        black_box(bridge.uart_tx());
    }
}
