// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls of x86 processors.
#![allow(unsafe_code, reason = "a hypercall is an instruction that the language does not have")]

use super::Conduit;
use core::arch::asm;
use tenon_abi::{ConduitFlags, ConduitKind, Record};

/// VMCALL or VMMCALL, whichever the host takes ([DISC-12]). It is ordered behind all stores: no fence.
///
/// [DISC-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#[derive(Clone, Copy, Debug)]
pub struct Hypercall {
    kick: u32,
    bind: u32,
    is_vmmcall: bool,
}

impl Hypercall {
    /// The functions of a record, or `None` if its conduit is another or its functions are none.
    ///
    /// # Safety
    ///
    /// The record is the host's own, and the kernel runs at a level at which the host takes hypercalls
    /// ([DISC-11]).
    ///
    /// [DISC-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    #[must_use]
    pub unsafe fn of(record: &Record) -> Option<Self> {
        if record.conduit.get() != ConduitKind::HYPERCALL.0 || record.kick_stride.get() != 0 {
            return None;
        }
        Some(Self {
            kick: u32::try_from(record.kick_base.get()).ok()?,
            bind: u32::try_from(record.bind_base.get()).ok()?,
            is_vmmcall: record.conduit_flags.get() & ConduitFlags::VMMCALL.bits() != 0,
        })
    }

    #[inline(always)]
    fn call(&self, function: u32, value: u32) {
        // SAFETY: the host named the function for this, by the contract of `of`; a hypercall changes EAX
        // alone. No `nomem`: stores before it must not move behind it. RBX, which the compiler keeps for
        // itself, is put back.
        unsafe {
            if self.is_vmmcall {
                asm!("xchg rbx, {0:r}", "vmmcall", "xchg rbx, {0:r}", inout(reg) u64::from(value) => _,
                    inout("eax") function => _, in("edi") value, options(nostack, preserves_flags));
            } else {
                asm!("xchg rbx, {0:r}", "vmcall", "xchg rbx, {0:r}", inout(reg) u64::from(value) => _,
                    inout("eax") function => _, in("edi") value, options(nostack));
            }
        }
    }
}

impl Conduit for Hypercall {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        self.call(self.kick, queue);
    }

    #[inline(always)]
    fn bind(&self, frame: u32) {
        self.call(self.bind, frame);
    }
}
