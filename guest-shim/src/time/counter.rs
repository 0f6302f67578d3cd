// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counter by which a guest computes what a clock says ([TIME-4]).
//!
//! [TIME-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
#![allow(unsafe_code, reason = "a counter is read by an instruction that the language does not have")]

use tenon_abi::CounterKind;

/// A counter that a kernel can read. A kernel gives its own where [`Processor`] does not do.
///
/// Whatever the methods return, nothing worse than a wrong time comes of it.
pub trait Counter {
    /// Which one it is.
    fn kind(&self) -> CounterKind;

    /// Its value, read behind all loads that stand before.
    fn read(&self) -> u64;
}

/// No counter: of a clock that is read by call.
impl Counter for () {
    fn kind(&self) -> CounterKind {
        CounterKind::NONE
    }

    fn read(&self) -> u64 {
        0
    }
}

/// The counter of the processor: the time-stamp counter, CNTVCT_EL0, or the CSR `time`. Elsewhere none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processor;

#[cfg(target_arch = "x86_64")]
impl Counter for Processor {
    fn kind(&self) -> CounterKind {
        CounterKind::X86_TSC
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        let (low, high): (u64, u64);
        // SAFETY: changes no memory and two registers, whose upper halves become zero. No `nomem`: loads
        // before it must not move behind it.
        unsafe {
            core::arch::asm!("lfence", "rdtsc", out("rax") low, out("rdx") high, options(nostack, preserves_flags));
        }
        high.wrapping_shl(32) | low
    }
}

#[cfg(target_arch = "aarch64")]
impl Counter for Processor {
    fn kind(&self) -> CounterKind {
        CounterKind::ARM_CNTVCT
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        let value: u64;
        // SAFETY: changes no memory and one register. No `nomem`: loads before it must not move behind it.
        unsafe {
            core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) value, options(nostack, preserves_flags))
        };
        value
    }
}

#[cfg(target_arch = "riscv64")]
impl Counter for Processor {
    fn kind(&self) -> CounterKind {
        CounterKind::RISCV_TIME
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        let value: u64;
        // SAFETY: changes no memory and one register. To fences the CSR is a device that is read.
        unsafe {
            core::arch::asm!("fence r, i", "rdtime {}", "fence i, r", out(reg) value, options(nostack, preserves_flags))
        };
        value
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
impl Counter for Processor {
    fn kind(&self) -> CounterKind {
        CounterKind::NONE
    }

    fn read(&self) -> u64 {
        0
    }
}
