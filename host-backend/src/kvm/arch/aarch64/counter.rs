// SPDX-License-Identifier: MIT OR Apache-2.0
//! CNTVCT as the guest reads it: this system's, less a number that KVM takes off.
#![allow(unsafe_code, reason = "reads a counter, and makes a request that kvm-ioctls does not know")]

use core::arch::asm;

use kvm_bindings::{
    KVM_REG_ARM64, KVM_REG_ARM64_SYSREG, KVM_REG_ARM64_SYSREG_CRM_SHIFT, KVM_REG_ARM64_SYSREG_CRN_SHIFT,
    KVM_REG_ARM64_SYSREG_OP0_SHIFT, KVM_REG_ARM64_SYSREG_OP1_SHIFT, KVM_REG_ARM64_SYSREG_OP2_SHIFT,
    KVM_REG_SIZE_U64, KVMIO, kvm_arm_counter_offset,
};
use kvm_ioctls::{VcpuFd, VmFd};
use tenon_abi::CounterKind;
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;

use crate::kvm::counter::GuestCounter;

ioctl_iow_nr!(KVM_ARM_SET_COUNTER_OFFSET, KVMIO, 0xb5, kvm_arm_counter_offset);

/// KVM's number for CNTVCT of a vCPU, by an old slip that of the timer's compare value: op0 3, op1 3, CRn 14,
/// CRm 3, op2 2.
const COUNT: u64 = KVM_REG_ARM64
    | KVM_REG_SIZE_U64
    | KVM_REG_ARM64_SYSREG as u64
    | 3 << KVM_REG_ARM64_SYSREG_OP0_SHIFT
    | 3 << KVM_REG_ARM64_SYSREG_OP1_SHIFT
    | 14 << KVM_REG_ARM64_SYSREG_CRN_SHIFT
    | 3 << KVM_REG_ARM64_SYSREG_CRM_SHIFT
    | 2 << KVM_REG_ARM64_SYSREG_OP2_SHIFT;

/// The counter of this system, whose kernel has no offset of its own for its programs.
#[inline]
pub(crate) fn host_counter() -> u64 {
    let count;
    // SAFETY: reads a counter, which Linux allows its programs.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
    count
}

/// The counter that all of these vCPUs read. None of them runs. The architecture has it run on alike on all
/// processors.
pub(crate) fn guest_counter(vm: &VmFd, cpus: &[&VcpuFd]) -> Option<GuestCounter> {
    // From zero on, as KVM has it by itself, but exactly.
    let zero = host_counter();
    let wish = kvm_arm_counter_offset { counter_offset: zero, reserved: 0 };
    // SAFETY: the request reads such a structure, and nothing that it names.
    let exact = unsafe { ioctl_with_ref(vm, KVM_ARM_SET_COUNTER_OFFSET(), &wish) } == 0;
    let mut all: Option<GuestCounter> = None;
    for cpu in cpus {
        let (least, width) = (0..4).filter_map(|_| seen(cpu)).min_by_key(|(_, width)| *width)?;
        let holds = |offset: u64| offset.wrapping_sub(least) <= width;
        let measured = GuestCounter { kind: CounterKind::ARM_CNTVCT, offset: least, error: width };
        let counter = match exact {
            true => GuestCounter { offset: zero.wrapping_neg(), error: 0, ..measured },
            false => measured,
        };
        let agreed = all.get_or_insert(counter);
        if !holds(agreed.offset.wrapping_add(agreed.error / 2)) {
            return None;
        }
    }
    all
}

/// What a vCPU's counter is ahead of this system's by: at least, and how much more it may be.
fn seen(cpu: &VcpuFd) -> Option<(u64, u64)> {
    let mut bytes = [0; 8];
    let before = host_counter();
    cpu.get_one_reg(COUNT, &mut bytes).ok()?;
    let after = host_counter();
    Some((u64::from_le_bytes(bytes).wrapping_sub(after), after.checked_sub(before)?))
}
