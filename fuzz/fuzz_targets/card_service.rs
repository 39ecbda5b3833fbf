//! See [`tegata_fuzz::card_service`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::card_service(data));
