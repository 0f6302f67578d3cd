// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state that a vCPU starts in: that of the PVH boot protocol, for the boot CPU and for all others.

use kvm_bindings::{
    KVM_MP_STATE_RUNNABLE, Msrs, kvm_debugregs, kvm_fpu, kvm_lapic_state, kvm_mp_state, kvm_msr_entry,
    kvm_regs, kvm_segment, kvm_sregs, kvm_vcpu_events, kvm_xcrs,
};
use kvm_ioctls::VcpuFd;
use std::vec::Vec;
use tenon_boot::pvh::{Segment, Start};

use crate::kvm::Entry;

/// Counts time, which a start of a vCPU does not turn back: the counter and what is added to it.
const CLOCK: [u32; 2] = [0x10, 0x3b];

/// Not every KVM names it among those that it saves, and RDTSCP reads it.
const TSC_AUX: u32 = 0xc000_0103;

/// What a fresh vCPU has beside its general registers, kept to make a used one fresh again.
pub struct Fresh {
    special: kvm_sregs,
    apic: kvm_lapic_state,
    float: kvm_fpu,
    debug: kvm_debugregs,
    /// Exceptions and interrupts under way: none.
    events: kvm_vcpu_events,
    /// Which parts of the extended state are in use; `None` where there is none.
    extended: Option<kvm_xcrs>,
    /// Model-specific registers, KVM's own among them: the places where it would go on writing for a guest
    /// that is no more.
    model: Vec<kvm_msr_entry>,
}

impl Fresh {
    /// What a vCPU that has not run has, of those of the model-specific `registers` that it lets be set: all
    /// that KVM lists ([`kvm_ioctls::Kvm::get_msr_index_list`]).
    ///
    /// # Errors
    ///
    /// What KVM answered.
    pub fn of(vcpu: &VcpuFd, registers: &[u32]) -> Result<Self, kvm_ioctls::Error> {
        Ok(Self {
            special: vcpu.get_sregs()?,
            apic: vcpu.get_lapic()?,
            float: vcpu.get_fpu()?,
            debug: vcpu.get_debug_regs()?,
            events: vcpu.get_vcpu_events()?,
            extended: vcpu.get_xcrs().ok().filter(|extended| extended.nr_xcrs > 0),
            model: settable(vcpu, registers),
        })
    }

    /// Makes `vcpu` fresh, and ready to run from `entry`.
    pub(crate) fn start(&self, vcpu: &VcpuFd, entry: Entry) -> Result<(), kvm_ioctls::Error> {
        let start = Start::new(entry.address, entry.argument);
        let data = register(&start.data);
        let special = kvm_sregs {
            cs: register(&start.code),
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            tr: register(&start.task),
            cr0: start.cr0,
            cr3: 0,
            cr4: 0,
            efer: 0,
            interrupt_bitmap: [0; 4],
            ..self.special
        };
        vcpu.set_sregs(&special)?;
        if !tenon_rings::planted!("restart-keeps-apic") {
            vcpu.set_lapic(&self.apic)?;
        }
        if !tenon_rings::planted!("restart-keeps-float") {
            vcpu.set_fpu(&self.float)?;
        }
        if !tenon_rings::planted!("restart-keeps-debug") {
            vcpu.set_debug_regs(&self.debug)?;
        }
        if let Some(extended) =
            self.extended.as_ref().filter(|_| !tenon_rings::planted!("restart-keeps-xcr0"))
        {
            vcpu.set_xcrs(extended)?;
        }
        // After the local APIC, whose mode says whether its timer's deadline is one.
        if !tenon_rings::planted!("restart-keeps-model-registers") {
            set_all(vcpu, &self.model);
        }
        vcpu.set_vcpu_events(&self.events)?;
        vcpu.set_mp_state(kvm_mp_state { mp_state: KVM_MP_STATE_RUNNABLE })?;
        vcpu.set_regs(&kvm_regs {
            rip: start.rip,
            rbx: start.rbx,
            rflags: start.rflags,
            ..Default::default()
        })
    }
}

fn register(segment: &Segment) -> kvm_segment {
    kvm_segment {
        base: segment.base,
        limit: segment.limit,
        selector: segment.selector,
        type_: segment.kind,
        present: 1,
        db: segment.is_wide.into(),
        s: segment.is_code_or_data.into(),
        g: segment.is_wide.into(),
        ..Default::default()
    }
}

/// Those that can be read, and set again to what they are.
fn settable(vcpu: &VcpuFd, registers: &[u32]) -> Vec<kvm_msr_entry> {
    let registers = registers.iter().filter(|index| !CLOCK.contains(index) && **index != TSC_AUX);
    let registers = registers.chain(&[TSC_AUX]);
    let entries = registers.map(|&index| kvm_msr_entry { index, ..Default::default() });
    let readable = entries.filter_map(|entry| {
        let mut one = Msrs::from_entries(&[entry]).ok()?;
        matches!(vcpu.get_msrs(&mut one), Ok(1)).then(|| one.as_slice().first().copied())?
    });
    readable
        .filter(|entry| Msrs::from_entries(&[*entry]).is_ok_and(|one| matches!(vcpu.set_msrs(&one), Ok(1))))
        .collect()
}

/// Sets them all. One that a vCPU refuses once it has run stays as it is.
fn set_all(vcpu: &VcpuFd, entries: &[kvm_msr_entry]) {
    let mut left = entries;
    while !left.is_empty() {
        let set = Msrs::from_entries(left.get(..left.len().min(MOST)).unwrap_or_default())
            .ok()
            .and_then(|some| vcpu.set_msrs(&some).ok())
            .unwrap_or(0);
        // KVM stops at the first one that it refuses.
        let refused = usize::from(set < left.len().min(MOST));
        left = left.get(set.saturating_add(refused)..).unwrap_or_default();
    }
}

/// KVM takes at most so many at once.
const MOST: usize = 128;

#[cfg(test)]
mod tests;
