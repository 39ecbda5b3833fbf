//! See [`tegata_fuzz::joining`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::joining(data));
