//! The gate for "no std, no allocator": a static library with nothing in it but the crate under test.
//!
//! It fails to build as soon as anything in the tree pulls std, because the panic handler below is then the second
//! one, or pulls alloc, because there is no global allocator. `.ci/no-std` builds it, and builds it wrong.
#![no_std]
#![forbid(unsafe_code)]

// Named, or the compiler does not load it and has nothing to judge.
use pop3_proto as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
