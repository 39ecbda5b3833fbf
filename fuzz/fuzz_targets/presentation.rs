//! See [`tegata_fuzz::presentation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::presentation(data));
