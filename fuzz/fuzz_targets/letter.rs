//! See [`tegata_fuzz::letter`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::letter(data));
