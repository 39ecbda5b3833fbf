//! See [`tegata_fuzz::order_answers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::order_answers(data));
