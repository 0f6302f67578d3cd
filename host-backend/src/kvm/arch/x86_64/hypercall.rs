// SPDX-License-Identifier: MIT OR Apache-2.0
//! VMCALL and VMMCALL out of the guest. KVM keeps its own hypercalls to itself, but hands all of them to
//! monitors that play Xen: those get the function, the first arguments, and the level that the guest called
//! from.
#![allow(unsafe_code, reason = "a request to KVM and a member of kvm_run that kvm-ioctls does not know")]

use kvm_bindings::kvm_xen_hvm_config;
use kvm_bindings::{KVM_EXIT_XEN, KVM_EXIT_XEN_HCALL, KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL, KVMIO};
use kvm_ioctls::{Cap, VcpuFd, VmFd};
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;

use crate::kvm::setup::request;
use crate::kvm::{Error, Hypercall};
use tenon_abi::ConduitFlags;

ioctl_iow_nr!(KVM_XEN_HVM_CONFIG, KVMIO, 0x7a, kvm_xen_hvm_config);

/// The register by which a guest would ask for Xen's hypercall page. KVM wants one named; the page goes to
/// where its guest says, and no further.
const PAGE_REGISTER: u32 = 0x4000_0200;
/// What the guest finds in EAX.
const NO_RESULT: u64 = 0;

/// The instruction that this processor has for it (DISC-12): KVM's guests have the processor that its monitor
/// has.
fn instruction() -> ConduitFlags {
    const WITH_VMMCALL: [&[u8; 12]; 2] = [b"AuthenticAMD", b"HygonGenuine"];
    let leaf = core::arch::x86_64::__cpuid(0);
    let maker = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes);
    let is_there = WITH_VMMCALL.iter().any(|name| maker.as_flattened() == &name[..]);
    if is_there { ConduitFlags::VMMCALL } else { ConduitFlags::empty() }
}

/// Has `vm` hand over its hypercalls. The result is which they are.
pub(crate) fn trap(vm: &VmFd) -> Result<ConduitFlags, Error> {
    let offered = u32::try_from(vm.check_extension_int(Cap::XenHvm)).unwrap_or(0);
    if offered & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL == 0 {
        return Err(Error::Missing("hypercalls to user space (KVM_CAP_XEN_HVM)"));
    }
    let config = kvm_xen_hvm_config {
        flags: KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
        msr: PAGE_REGISTER,
        ..Default::default()
    };
    request("having KVM hand over hypercalls", || {
        // SAFETY: the request reads such a structure, and nothing that it names.
        match unsafe { ioctl_with_ref(vm, KVM_XEN_HVM_CONFIG(), &config) } {
            0 => Ok(instruction() | ConduitFlags::PRIVILEGED),
            _ => Err(kvm_ioctls::Error::last()),
        }
    })
}

/// The hypercall that the vCPU left the guest with, if it was one.
pub(crate) fn taken(vcpu: &mut VcpuFd) -> Option<Hypercall> {
    let run = vcpu.get_kvm_run();
    if run.exit_reason != KVM_EXIT_XEN {
        return None;
    }
    // SAFETY: with this exit reason KVM filled this member of the union.
    let xen = unsafe { &mut run.__bindgen_anon_1.xen };
    if xen.type_ != KVM_EXIT_XEN_HCALL {
        return None;
    }
    // SAFETY: with this type, this one.
    let call = unsafe { &mut xen.u.hcall };
    call.result = NO_RESULT;
    let [first, ..] = call.params;
    let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    Some(Hypercall { function: low(call.input), value: low(first), is_from_user: call.cpl != 0 })
}
