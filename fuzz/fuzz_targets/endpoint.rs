#![no_main]

use uartbridge_fuzz_targets::endpoint;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    endpoint::run(data);
});
