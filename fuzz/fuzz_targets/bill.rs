//! See [`tegata_fuzz::bill`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::bill(data));
