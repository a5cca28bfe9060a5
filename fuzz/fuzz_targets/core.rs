#![no_main]

use uartbridge_fuzz_targets::core;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = core::run(data);
});
