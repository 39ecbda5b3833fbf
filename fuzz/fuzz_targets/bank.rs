//! See [`tegata_fuzz::bank`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::bank(data));
