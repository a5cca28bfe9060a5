#![no_main]

use uartbridge_fuzz_targets::firmware_config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    firmware_config::run(data);
});
