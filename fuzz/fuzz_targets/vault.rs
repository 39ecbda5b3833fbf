//! See [`tegata_fuzz::vault`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::vault(data));
