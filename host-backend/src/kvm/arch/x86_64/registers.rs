// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state that a vCPU starts in: that of the PVH boot protocol, for the boot CPU and for all others.

use kvm_bindings::{
    KVM_MP_STATE_RUNNABLE, kvm_lapic_state, kvm_mp_state, kvm_regs, kvm_segment, kvm_sregs, kvm_vcpu_events,
};
use kvm_ioctls::VcpuFd;

use crate::kvm::Entry;

/// What a fresh vCPU has beside its registers, kept to make a used one fresh again.
pub(crate) struct Fresh {
    special: kvm_sregs,
    apic: kvm_lapic_state,
}

impl Fresh {
    pub(crate) fn of(vcpu: &VcpuFd) -> Result<Self, kvm_ioctls::Error> {
        Ok(Self { special: vcpu.get_sregs()?, apic: vcpu.get_lapic()? })
    }

    /// Makes `vcpu` fresh, and ready to run from `entry`.
    pub(crate) fn start(&self, vcpu: &VcpuFd, entry: Entry) -> Result<(), kvm_ioctls::Error> {
        const PROTECTED: u64 = 1 << 0;
        const EXTENSION: u64 = 1 << 4;
        let data = kvm_segment {
            limit: 0xffff_ffff,
            selector: 0x18,
            type_: 3, // read, write, accessed
            present: 1,
            db: 1,
            s: 1,
            g: 1,
            ..Default::default()
        };
        let code = kvm_segment { selector: 0x10, type_: 11, ..data };
        let task = kvm_segment { limit: 0x67, type_: 11, present: 1, ..Default::default() };
        let special = kvm_sregs {
            cs: code,
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            tr: task,
            cr0: PROTECTED | EXTENSION,
            cr3: 0,
            cr4: 0,
            efer: 0,
            interrupt_bitmap: [0; 4],
            ..self.special
        };
        vcpu.set_sregs(&special)?;
        vcpu.set_lapic(&self.apic)?;
        vcpu.set_vcpu_events(&kvm_vcpu_events::default())?;
        vcpu.set_mp_state(kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE })?;
        vcpu.set_regs(&kvm_regs { rip: entry.address, rbx: entry.argument, rflags: 2, ..Default::default() })
    }
}
