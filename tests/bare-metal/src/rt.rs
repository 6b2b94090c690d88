//! What a program needs before and below `main` on a Cortex-M in qemu: vector table, reset, console and exit by
//! semihosting, a measure of the stack, and the panic handler.
//!
//! No dependency, so that what the program measures is the crate under test. The addresses come from `link.x`.

use core::arch::{asm, global_asm};
use core::ffi::c_void;
use core::fmt::{self, Write};
use core::ptr;

unsafe extern "C" {
    static mut __data_start: u32;
    static mut __data_end: u32;
    static __data_values: u32;
    static mut __bss_start: u32;
    static mut __bss_end: u32;
    static mut __stack_limit: u32;
    static __stack_start: u32;

    /// Fills the stack from `from` up to the stack pointer with [`PAINT`] and gives the stack pointer.
    fn paint_stack(from: *mut u32, paint: u32) -> *const u32;
}

// ---- start ----

/// What the processor reads at reset and at each exception.
#[repr(C)]
struct Vectors {
    stack: *const u32,
    reset: unsafe extern "C" fn() -> !,
    /// NMI, HardFault and the rest of the 14 system exceptions. No interrupt is ever enabled.
    exceptions: [unsafe extern "C" fn() -> !; 14],
}

// SAFETY: nothing in the program touches the table, it is for the processor.
unsafe impl Sync for Vectors {}

#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: Vectors = Vectors { stack: &raw const __stack_start, reset, exceptions: [exception; 14] };

/// The first code that runs: gives the variables their initial values.
#[unsafe(no_mangle)]
unsafe extern "C" fn reset() -> ! {
    // SAFETY: the symbols mark word-aligned regions that belong to nobody before `main`. Volatile, so that the loops do
    // not become calls of functions that may use variables themselves.
    unsafe {
        let (mut at, mut value) = (&raw mut __data_start, &raw const __data_values);
        while at < &raw mut __data_end {
            at.write_volatile(value.read_volatile());
            at = at.add(1);
            value = value.add(1);
        }
        let mut at = &raw mut __bss_start;
        while at < &raw mut __bss_end {
            at.write_volatile(0);
            at = at.add(1);
        }
    }
    exit(crate::main())
}

/// A fault, also what a stack that outgrew its memory comes to.
unsafe extern "C" fn exception() -> ! {
    let number: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, IPSR", out(reg) number, options(nomem, nostack, preserves_flags)) };
    crate::say!("exception {number}");
    exit(102)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::say!("{info}");
    exit(101)
}

// ---- stack ----

const PAINT: u32 = 0x5AFE_57AC;

// A leaf that pushes nothing: all below the stack pointer is unused. Written in assembly because compiled code may keep
// something there at any point of its own choosing.
global_asm!(
    ".thumb_func",
    ".global paint_stack",
    "paint_stack:",
    "mov r2, sp",
    "1: cmp r0, r2",
    "bhs 2f",
    "stm r0!, {{r1}}",
    "b 1b",
    "2: mov r0, r2",
    "bx lr",
);

/// Runs `f` and gives, beside its value, how many octets of stack it wrote to at most, all calls below it included.
///
/// It sees the path taken, not the worst case.
#[cfg_attr(
    not(any(feature = "client", feature = "server", feature = "embedded")),
    allow(dead_code, reason = "nothing to measure")
)]
#[inline(never)]
pub(crate) fn measure_stack<T>(f: fn() -> T) -> (T, usize) {
    // SAFETY: from the end of the variables up to the stack pointer nobody owns the memory.
    let top = unsafe { paint_stack(&raw mut __stack_limit, PAINT) };
    // Through a pointer the compiler knows nothing of: `f` is called here and uses a frame of its own.
    let value = core::hint::black_box(f)();
    let mut lowest = &raw const __stack_limit;
    // SAFETY: reads between the end of the variables and where the stack pointer was.
    while lowest < top && unsafe { lowest.read_volatile() } == PAINT {
        lowest = lowest.wrapping_add(1);
    }
    (value, top as usize - lowest as usize)
}

/// Octets between the end of the variables and the start of the stack.
pub(crate) fn stack_size() -> usize {
    &raw const __stack_start as usize - &raw const __stack_limit as usize
}

// ---- semihosting ----

const SYS_WRITE0: u32 = 0x04;
const SYS_EXIT_EXTENDED: u32 = 0x20;
const STOPPED_APPLICATION_EXIT: u32 = 0x20026;

/// Asks the machine around the processor for something.
///
/// # Safety
///
/// `argument` is what the operation wants.
unsafe fn semihosting(operation: u32, argument: *const c_void) {
    // SAFETY: the caller's; the trap changes r0 only.
    unsafe { asm!("bkpt 0xAB", inout("r0") operation => _, in("r1") argument, options(nostack)) };
}

/// Ends qemu with `code`.
pub(crate) fn exit(code: u32) -> ! {
    let block = [STOPPED_APPLICATION_EXIT, code];
    loop {
        // SAFETY: the operation reads these two words.
        unsafe { semihosting(SYS_EXIT_EXTENDED, block.as_ptr().cast()) };
    }
}

/// The console of the machine. The operation wants text that ends in NUL, so it goes out in pieces.
pub(crate) struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(63) {
            let mut buffer = [0u8; 64];
            for (to, from) in buffer.iter_mut().zip(piece) {
                *to = *from;
            }
            // SAFETY: the last octet of the buffer is NUL.
            unsafe { semihosting(SYS_WRITE0, ptr::from_ref(&buffer).cast()) };
        }
        Ok(())
    }
}

/// Prints a line.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        // The console cannot fail.
        let _ = writeln!($crate::rt::Console, $($words)*);
    }};
}
