//! Hands what libFuzzer makes up to [`pop3_fuzz::previous_ids`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_fuzz::previous_ids(octets));
