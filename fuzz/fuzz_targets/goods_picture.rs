//! See [`tegata_fuzz::goods_picture`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::goods_picture(data));
