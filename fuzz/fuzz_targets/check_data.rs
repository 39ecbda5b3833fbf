//! See [`tegata_fuzz::check_data`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::check_data(data));
