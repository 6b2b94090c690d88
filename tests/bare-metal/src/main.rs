//! One whole client session and one whole server session on a Cortex-M3, over octets in memory, and the client of
//! `pop3-proto/examples/embedded_client.rs` over a stream.
//!
//! Shows that `pop3-proto` works with no operating system, no allocator and 32-bit pointers, and tells what a session
//! costs: the deepest stack it used here, and, from `.ci/bare-metal`, the code it brings along. The exit code is 0 when
//! all went as it should.
#![no_std]
#![no_main]
#![warn(missing_docs)]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "embedded")]
mod embedded;
mod rt;
#[cfg(feature = "server")]
mod server;

/// Runs one session on a measured stack and reports it.
#[cfg(any(feature = "client", feature = "server", feature = "embedded"))]
fn session(name: &str, run: fn() -> Result<(), &'static str>) -> bool {
    let (outcome, stack) = rt::measure_stack(run);
    match outcome {
        Ok(()) => say!("{name}: passed, peak stack {stack} octets"),
        Err(what) => say!("{name}: FAILED: {what}"),
    }
    outcome.is_ok()
}

/// Called by [`rt`] at reset; the value is the exit code.
fn main() -> u32 {
    #[allow(unused_mut, reason = "without features nothing can fail")]
    let mut passed = true;
    #[cfg(feature = "client")]
    {
        passed &= session("client", client::run);
    }
    #[cfg(feature = "server")]
    {
        passed &= session("server", server::run);
    }
    #[cfg(feature = "embedded")]
    {
        passed &= session("embedded client", embedded::run);
    }
    say!("octets of memory a stack can have: {}", rt::stack_size());
    u32::from(!passed)
}
