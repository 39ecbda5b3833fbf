//! See [`tegata_fuzz::forms`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::forms(data));
