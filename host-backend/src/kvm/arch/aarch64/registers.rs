// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state that a vCPU starts in: that of Linux's boot protocol, for the boot CPU and for all others.

use kvm_bindings::{
    KVM_ARM_VCPU_PSCI_0_2, KVM_REG_ARM_CORE, KVM_REG_ARM64, KVM_REG_SIZE_U64, kvm_regs, kvm_vcpu_init,
    user_pt_regs,
};
use kvm_ioctls::VcpuFd;
use std::mem::offset_of;

use crate::kvm::Entry;

/// EL1 on its own stack, with all interrupts masked; the MMU is off after a reset.
const EL1H_MASKED: u64 = 0x3c5;

/// What a fresh vCPU is made from, to make a used one fresh again.
pub(crate) struct Fresh {
    init: kvm_vcpu_init,
}

/// The features that every vCPU here has.
pub(super) fn features(mut init: kvm_vcpu_init) -> kvm_vcpu_init {
    let [first, ..] = &mut init.features;
    *first |= 1 << KVM_ARM_VCPU_PSCI_0_2;
    init
}

impl Fresh {
    pub(super) const fn of(init: kvm_vcpu_init) -> Self {
        Self { init }
    }

    /// Makes `vcpu` fresh, and ready to run from `entry`.
    pub(crate) fn start(&self, vcpu: &VcpuFd, entry: Entry) -> Result<(), kvm_ioctls::Error> {
        vcpu.vcpu_init(&self.init)?;
        let set = |offset, value: u64| vcpu.set_one_reg(core_register(offset), &value.to_le_bytes());
        set(offset_of!(user_pt_regs, pstate), EL1H_MASKED)?;
        set(offset_of!(user_pt_regs, regs), entry.argument)?;
        set(offset_of!(user_pt_regs, pc), entry.address)?;
        Ok(())
    }
}

/// Only for a vCPU that will not run again; 0 where it cannot be read.
pub(crate) fn program_counter(vcpu: &VcpuFd) -> u64 {
    let mut bytes = [0; 8];
    match vcpu.get_one_reg(core_register(offset_of!(user_pt_regs, pc)), &mut bytes) {
        Ok(_) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    }
}

/// KVM's number for a register of 64 bits at this byte of `user_pt_regs`: core registers are counted in words of 32 bits.
fn core_register(offset: usize) -> u64 {
    let word = offset_of!(kvm_regs, regs).saturating_add(offset) / 4;
    KVM_REG_ARM64 | KVM_REG_SIZE_U64 | u64::from(KVM_REG_ARM_CORE) | u64::try_from(word).unwrap_or(0)
}
