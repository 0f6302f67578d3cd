// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state that a vCPU starts in: that of Linux's boot protocol, for the boot CPU and for all others.

use kvm_bindings::{
    KVM_ARM_VCPU_PSCI_0_2, KVM_REG_ARM_CORE, KVM_REG_ARM64, KVM_REG_SIZE_U64, kvm_regs, kvm_vcpu_init,
    user_pt_regs,
};
use kvm_ioctls::VcpuFd;
use std::mem::offset_of;
use tenon_boot::aarch64::Start;

use crate::kvm::Entry;

/// What a fresh vCPU is made from, to make a used one fresh again.
pub struct Fresh {
    init: kvm_vcpu_init,
}

/// The features that every vCPU here has.
pub(super) fn features(mut init: kvm_vcpu_init) -> kvm_vcpu_init {
    let [first, ..] = &mut init.features;
    *first |= 1 << KVM_ARM_VCPU_PSCI_0_2;
    init
}

impl Fresh {
    /// What a vCPU was initialised with.
    #[must_use]
    pub const fn of(init: kvm_vcpu_init) -> Self {
        Self { init }
    }

    /// Makes `vcpu` fresh, and ready to run from `entry`.
    pub(crate) fn start(&self, vcpu: &VcpuFd, entry: Entry) -> Result<(), kvm_ioctls::Error> {
        vcpu.vcpu_init(&self.init)?;
        let set = |offset, value: u64| vcpu.set_one_reg(core_register(offset), &value.to_le_bytes());
        let start = Start::new(entry.address, entry.argument);
        set(offset_of!(user_pt_regs, pstate), start.pstate)?;
        set(offset_of!(user_pt_regs, regs), start.x0)?;
        set(offset_of!(user_pt_regs, pc), start.pc)?;
        Ok(())
    }
}

/// Only for a vCPU that will not run again; 0 where it cannot be read.
pub(crate) fn program_counter(vcpu: &VcpuFd) -> u64 {
    read(vcpu, offset_of!(user_pt_regs, pc)).unwrap_or(0)
}

/// General register X`number` of a vCPU that is not in the guest.
pub(super) fn general(vcpu: &VcpuFd, number: usize) -> Option<u64> {
    let offset = number.checked_mul(8)?.checked_add(offset_of!(user_pt_regs, regs))?;
    (number < 31).then(|| read(vcpu, offset))?
}

fn read(vcpu: &VcpuFd, offset: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    vcpu.get_one_reg(core_register(offset), &mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// KVM's number for a register of 64 bits at this byte of `user_pt_regs`: core registers are counted in words
/// of 32 bits.
fn core_register(offset: usize) -> u64 {
    let word = offset_of!(kvm_regs, regs).saturating_add(offset) / 4;
    KVM_REG_ARM64 | KVM_REG_SIZE_U64 | u64::from(KVM_REG_ARM_CORE) | u64::try_from(word).unwrap_or(0)
}
