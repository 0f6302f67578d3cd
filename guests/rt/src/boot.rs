// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the entry point to the image's main function, and the way out. The entry itself is the
//! architecture's.

use crate::{arch, cpu, interrupts};

/// Exit code after an exception that nobody expected.
pub const EXIT_FAULT: u32 = 3;
/// Exit code after a panic.
pub const EXIT_PANIC: u32 = 4;

#[allow(unsafe_code, reason = "the image's main function is found by its symbol")]
mod image {
    unsafe extern "C" {
        pub(super) safe fn tenon_guest_main() -> u32;
    }
}

/// What each CPU runs at the level that it stays at: interrupts masked, its own stack.
pub(crate) extern "C" fn run(index: usize) -> ! {
    if index == 0 {
        exit(image::tenon_guest_main())
    }
    cpu::run_secondary(index);
    interrupts::halt_for_ever()
}

/// Ends the machine with `code`, where it has a way to say one; on a machine that cannot be ended, this CPU
/// sleeps for ever.
pub fn exit(code: u32) -> ! {
    arch::power_off(code);
    interrupts::halt_for_ever()
}
