// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls of other processors than x86.
#![allow(unsafe_code, reason = "a hypercall is an instruction that the language does not have")]

use super::Conduit;
use core::arch::asm;
use tenon_abi::{ConduitKind, Record};

/// HVC on AArch64, ECALL on RISC-V ([DISC-12]). They are ordered behind all stores of the processor that
/// executes them: no fence.
///
/// [DISC-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#[derive(Clone, Copy, Debug)]
pub struct Hypercall {
    kick: u32,
    bind: u32,
}

impl Hypercall {
    /// The functions of a record, or `None` if its conduit is another or its functions are none.
    ///
    /// # Safety
    ///
    /// The record is the host's own: whoever else answers to hypercalls does not know these functions.
    #[must_use]
    pub unsafe fn of(record: &Record) -> Option<Self> {
        if record.conduit.get() != ConduitKind::HYPERCALL.0 || record.kick_stride.get() != 0 {
            return None;
        }
        Some(Self {
            kick: u32::try_from(record.kick_base.get()).ok()?,
            bind: u32::try_from(record.bind_base.get()).ok()?,
        })
    }

    #[inline(always)]
    fn call(function: u32, value: u32) {
        // SAFETY: the host named the function for this, by the contract of `of`, and changes no registers but
        // those that DISC-12 gives up. No `nomem`: stores before it must not move behind it.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!("hvc #0", inout("w0") function => _, inout("w1") value => _, out("x2") _, out("x3") _, out("x4") _, out("x5") _,
                out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
                out("x14") _, out("x15") _, out("x16") _, out("x17") _, options(nostack, preserves_flags));
        }
        // SAFETY: as above.
        #[cfg(target_arch = "riscv64")]
        unsafe {
            asm!("ecall", in("a7") function, in("a6") 0, inout("a0") value => _, out("a1") _, options(nostack, preserves_flags));
        }
    }
}

impl Conduit for Hypercall {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        Self::call(self.kick, queue);
    }

    #[inline(always)]
    fn bind(&self, frame: u32) {
        Self::call(self.bind, frame);
    }
}
