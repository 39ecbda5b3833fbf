//! See [`tegata_fuzz::book`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::book(data));
