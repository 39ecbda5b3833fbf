//! See [`tegata_fuzz::seed`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::seed(data));
