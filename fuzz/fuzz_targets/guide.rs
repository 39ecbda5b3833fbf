//! See [`tegata_fuzz::guide`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::guide(data));
