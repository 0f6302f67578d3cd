// SPDX-License-Identifier: MIT OR Apache-2.0
//! Doorbells ([DISC-6] to [DISC-8]). Each is one plain aligned 32-bit store or `out` ([ORD-1]), or a
//! hypercall ([DISC-12]).
//!
//! [DISC-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
//! [DISC-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
//! [ORD-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#ordering
//! [DISC-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
#![allow(unsafe_code, reason = "a doorbell is a store or an instruction that the language does not have")]

mod doorbells;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod hypercall;
mod mmio;
#[cfg(target_arch = "x86_64")]
mod vmcall;

pub use doorbells::Doorbells;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub use hypercall::Hypercall;
pub use mmio::Mmio;
#[cfg(target_arch = "x86_64")]
pub use vmcall::Hypercall;

#[cfg(target_arch = "x86_64")]
use tenon_abi::{ConduitKind, Record};

/// A way to trap to the host.
pub trait Conduit {
    /// Kicks a queue. All stores before it are visible to the host when the trap arrives.
    fn kick(&self, queue: u32);
    /// Hands a frame number over.
    fn bind(&self, frame: u32);
}

/// Rings a doorbell that is a register of a device: one plain store, behind the fence that the ORD table asks
/// for.
///
/// # Safety
///
/// A doorbell is mapped there, as device memory.
#[inline(always)]
pub(crate) unsafe fn store_doorbell(doorbell: *mut u32, value: u32) {
    // Written out, so that no compiler chooses a store that a hypervisor cannot decode, as one that moves its
    // base register on (ORD-1), or moves it before others.
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's contract. No `nomem`: stores before it must not move behind it.
    unsafe {
        core::arch::asm!("dmb oshst", "str {:w}, [{}]", in(reg) value.to_le(), in(reg) doorbell,
            options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("fence w, o", "sw {}, 0({})", in(reg) value.to_le(), in(reg) doorbell, options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above. The processor keeps its stores in order.
    unsafe {
        core::arch::asm!("mov dword ptr [{}], {:e}", in(reg) doorbell, in(reg) value, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64")))]
    compile_error!("the ordering table has no row for this processor (ORD)");
}

/// `out` to x86 ports. The processor's stores are ordered before it: no fence (ORD table).
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct PortIo {
    kick: u16,
    stride: u16,
    bind: u16,
}

#[cfg(target_arch = "x86_64")]
impl PortIo {
    /// The ports of a record, or `None` if its conduit is another or its ports are none.
    ///
    /// # Safety
    ///
    /// The record is the host's own, and the kernel lets the shim use the ports that it names.
    #[must_use]
    pub unsafe fn of(record: &Record) -> Option<Self> {
        if record.conduit.get() != ConduitKind::PORT_IO.0 {
            return None;
        }
        Some(Self {
            kick: u16::try_from(record.kick_base.get()).ok()?,
            stride: u16::try_from(record.kick_stride.get()).ok()?,
            bind: u16::try_from(record.bind_base.get()).ok()?,
        })
    }

    /// Doorbells at these ports.
    ///
    /// # Safety
    ///
    /// They are the host's doorbells, and the kernel lets the shim use them.
    #[must_use]
    pub const unsafe fn new(kick: u16, stride: u16, bind: u16) -> Self {
        Self { kick, stride, bind }
    }

    #[inline(always)]
    fn out(port: u16, value: u32) {
        // SAFETY: the port was named by the host for this, by the contract of `of`. No `nomem`: stores before
        // the doorbell must not move behind it.
        unsafe {
            core::arch::asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Conduit for PortIo {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        // A doorbell that is no port is not rung: what lies at the port that the sum wraps to is not the
        // host's to name.
        let step = u32::from(self.stride).checked_mul(queue);
        let port = step.and_then(|step| u16::try_from(step.checked_add(u32::from(self.kick))?).ok());
        if let Some(port) = port {
            Self::out(port, queue);
        }
    }

    #[inline(always)]
    fn bind(&self, frame: u32) {
        Self::out(self.bind, frame);
    }
}
