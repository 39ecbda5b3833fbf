//! See [`tegata_fuzz::wallet_page`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::wallet_page(data));
