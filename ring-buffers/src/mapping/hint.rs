// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hints to the cache.

use core::sync::atomic::AtomicU64;

/// Asks for the line of `place`, to be stored to. No access: any address may be named, and nothing faults.
#[inline(always)]
pub(super) fn will_store(place: *const AtomicU64) {
    // The language's own prefetch has no form for stores on the baseline of x86-64, whose processors all take
    // the instruction, if only to ignore it.
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads and writes nothing and cannot fault.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) place.addr(), options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{}]", in(reg) place.addr(), options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
