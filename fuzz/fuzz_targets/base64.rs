//! Hands what libFuzzer makes up to [`pop3_fuzz::base64`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_fuzz::base64(octets));
