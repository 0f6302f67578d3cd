// SPDX-License-Identifier: MIT OR Apache-2.0
//! HVC out of the guest: KVM's filter of SMCCC functions hands those of ours over. They come without their
//! arguments: X1 is read, which the other conduits never ask of a vCPU.
#![allow(unsafe_code, reason = "an attribute is handed to KVM by address; a member of kvm_run")]

use kvm_bindings::{
    KVM_ARM_VM_SMCCC_CTRL, KVM_ARM_VM_SMCCC_FILTER, KVM_EXIT_HYPERCALL, kvm_device_attr, kvm_smccc_filter,
    kvm_smccc_filter_action_KVM_SMCCC_FILTER_FWD_TO_USER as HAND_OVER,
};
use kvm_ioctls::{VcpuFd, VmFd};
use tenon_abi::ConduitFlags;

use super::registers::general;
use crate::kvm::setup::request;
use crate::kvm::{BIND_FUNCTION, Error, Hypercall, KICK_FUNCTION};

/// Has `vm` hand over its hypercalls. User mode cannot make any: nothing is to be refused (DISC-11).
pub(crate) fn trap(vm: &VmFd) -> Result<ConduitFlags, Error> {
    let filter = kvm_smccc_filter {
        base: KICK_FUNCTION,
        nr_functions: BIND_FUNCTION.saturating_sub(KICK_FUNCTION).saturating_add(1),
        action: u8::try_from(HAND_OVER).unwrap_or(0),
        ..Default::default()
    };
    let attribute = kvm_device_attr {
        flags: 0,
        group: KVM_ARM_VM_SMCCC_CTRL,
        attr: KVM_ARM_VM_SMCCC_FILTER.into(),
        addr: u64::try_from((&raw const filter).expose_provenance()).unwrap_or(0),
    };
    request("asking KVM for its filter of hypercalls", || vm.has_device_attr(&attribute))
        .map_err(|_| Error::Missing("hypercalls to user space (KVM_ARM_VM_SMCCC_FILTER)"))?;
    request("having KVM hand over hypercalls", || vm.set_device_attr(&attribute))?;
    Ok(ConduitFlags::empty())
}

/// The hypercall that the vCPU left the guest with, if it was one.
pub(crate) fn taken(vcpu: &mut VcpuFd) -> Option<Hypercall> {
    let run = vcpu.get_kvm_run();
    if run.exit_reason != KVM_EXIT_HYPERCALL {
        return None;
    }
    // SAFETY: with this exit reason KVM filled this member of the union.
    let number = unsafe { run.__bindgen_anon_1.hypercall.nr };
    let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    Some(Hypercall { function: low(number), value: low(general(vcpu, 1)?), is_from_user: false })
}
