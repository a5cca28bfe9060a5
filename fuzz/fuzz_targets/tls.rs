#![no_main]

use uartbridge_fuzz_targets::tls;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    tls::run(data);
});
