//! Hands what libFuzzer makes up to [`pop3_fuzz::proxy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_fuzz::proxy(octets));
