//! See [`tegata_fuzz::sealed_order`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::sealed_order(data));
