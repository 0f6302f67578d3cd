// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a bootable guest image needs below its main function.
//!
//! On x86-64 an image boots by PVH, reaches long mode with the first 4 GiB mapped one to one, and then runs
//! its main function at one of two privilege levels, chosen by the boot parameter `mode`:
//!
//! * at CPL0 (the default), with the interrupt flag as its mask, like any kernel;
//! * at CPL3 (`mode=native`), for hypervisors that run only user mode natively: CPL0 keeps nothing but short
//!   trap stubs, and the mask is a word in memory ([`interrupts`]).
//!
//! Everything here behaves the same at both levels. The images hold no floating point and no SSE.
#![no_std]

mod arch;
pub mod boot;
pub mod cpu;
pub mod interrupts;
pub mod memory;
pub mod params;
pub mod pci;
pub mod platform;
pub mod serial;

pub use arch::{Fault, NAME, cpu_index, is_native, raise, ticks, ticks_per_microsecond, try_store_u32};
#[cfg(target_arch = "x86_64")]
pub use arch::{cpuid, user_mode_hypercall, user_mode_out, user_mode_store};
#[cfg(target_arch = "aarch64")]
pub use arch::{lead, user_mode_hypercall, user_mode_store};
pub use boot::exit;
pub use cpu::{MAX_CPUS, prepare_secondary};
pub use interrupts::{
    irq_disable, irq_enable, irq_restore, irq_save, irqs_enabled, listen, set_upcall_handler,
    wait_for_interrupt,
};
pub use memory::{MapAs, Mark, alloc_pages, map, mark, memory_end, release};
pub use params::Params;
pub use serial::{Serial, serial_write};
pub use tenon_guest_firmware as firmware;

/// Makes `$main` (a `fn() -> u32`) the image's main function; what it returns is the exit code.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        #[allow(unsafe_code, reason = "the run time finds the image's main function by its symbol")]
        extern "C" fn tenon_guest_main() -> u32 {
            let main: fn() -> u32 = $main;
            main()
        }
    };
}

/// Defines a panic handler that prints the message, its place, and ends the machine with
/// [`boot::EXIT_PANIC`]. It links `core::fmt` (about 4 KiB).
#[macro_export]
macro_rules! panic_with_message {
    () => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            use core::fmt::Write as _;
            let _ = writeln!($crate::Serial, "panic: {info}");
            $crate::exit($crate::boot::EXIT_PANIC)
        }
    };
}

/// Defines a panic handler that prints only that there was a panic, without `core::fmt`.
#[macro_export]
macro_rules! panic_terse {
    () => {
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            $crate::serial_write(b"panic: no message in this image\n");
            $crate::exit($crate::boot::EXIT_PANIC)
        }
    };
}
