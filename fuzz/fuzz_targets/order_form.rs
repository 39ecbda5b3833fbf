//! See [`tegata_fuzz::order_form`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::order_form(data));
