//! See [`tegata_fuzz::letter_picture`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::letter_picture(data));
