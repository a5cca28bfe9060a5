#![no_main]

use uartbridge_fuzz_targets::relay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    relay::run(data);
});
