#![no_main]

use uartbridge_fuzz_targets::config_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    config_file::run(data);
});
