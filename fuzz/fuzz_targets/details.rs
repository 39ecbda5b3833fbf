//! See [`tegata_fuzz::details`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::details(data));
