//! See [`tegata_fuzz::applet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tegata_fuzz::applet(data));
