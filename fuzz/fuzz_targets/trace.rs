#![no_main]

use uartbridge_fuzz_targets::trace;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    trace::run(data);
});
