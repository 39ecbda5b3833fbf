//! See [`tegata_fuzz::wallet_files`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::wallet_files(data));
