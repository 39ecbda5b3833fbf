//! See [`tegata_fuzz::typed`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::typed(data));
