//! See [`tegata_fuzz::identities`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::identities(data));
