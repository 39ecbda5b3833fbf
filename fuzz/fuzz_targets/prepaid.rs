//! See [`tegata_fuzz::prepaid`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::prepaid(data));
