//! See [`tegata_fuzz::sign1`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::sign1(data));
