// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest reads by CPUID: what KVM supports, the right APIC id, and leaves of our own.

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2};
use kvm_ioctls::{Kvm, VcpuFd};
use std::vec::Vec;

use crate::kvm::Error;
use crate::kvm::setup::request;
use tenon_boot::cpuid::for_vcpu;

pub use tenon_boot::cpuid::Leaf;

/// Everything that KVM supports, with `leaves` in place of what it says at their functions.
pub fn supported(kvm: &Kvm, leaves: &[Leaf]) -> Result<Vec<kvm_cpuid_entry2>, Error> {
    let supported = request("asking KVM for the CPUID leaves that it supports", || {
        kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
    })?;
    let mut entries = supported.as_slice().to_vec();
    entries.retain(|entry| leaves.iter().all(|leaf| leaf.function != entry.function));
    entries.extend(leaves.iter().map(|leaf| kvm_cpuid_entry2 {
        function: leaf.function,
        eax: leaf.eax,
        ebx: leaf.ebx,
        ecx: leaf.ecx,
        edx: leaf.edx,
        ..Default::default()
    }));
    Ok(entries)
}

/// Gives vCPU `index` of `count` those entries, with its own APIC id (which is its index).
pub fn apply(vcpu: &VcpuFd, index: u32, count: u32, entries: &[kvm_cpuid_entry2]) -> Result<(), Error> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        let mut registers = [entry.eax, entry.ebx, entry.ecx, entry.edx];
        for_vcpu(entry.function, &mut registers, index, count);
        [entry.eax, entry.ebx, entry.ecx, entry.edx] = registers;
    }
    let table = CpuId::from_entries(&entries).map_err(|_| Error::BadConfig("too many CPUID leaves"))?;
    request("setting a vCPU's CPUID leaves", || vcpu.set_cpuid2(&table))
}
