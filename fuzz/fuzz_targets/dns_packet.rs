//! Hands what libFuzzer makes up to [`pop3_fuzz::dns_packet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| pop3_fuzz::dns_packet(octets));
