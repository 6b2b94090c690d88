//! Hands what libFuzzer makes up to [`pop3_fuzz::maildir_cache`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_fuzz::maildir_cache(octets));
