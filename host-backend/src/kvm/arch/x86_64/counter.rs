// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time-stamp counter as the guest reads it: this system's, scaled and with a number added. This machine
//! does not have it scaled.
#![allow(unsafe_code, reason = "reads a counter, and makes requests that kvm-ioctls does not know")]

use std::fs;

use kvm_bindings::{
    KVM_CLOCK_TSC_STABLE, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, KVMIO, Msrs, kvm_device_attr, kvm_msr_entry,
};
use kvm_ioctls::{VcpuFd, VmFd};
use tenon_abi::CounterKind;
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;

use crate::kvm::counter::GuestCounter;

ioctl_iow_nr!(KVM_SET_DEVICE_ATTR, KVMIO, 0xe1, kvm_device_attr);
ioctl_iow_nr!(KVM_GET_DEVICE_ATTR, KVMIO, 0xe2, kvm_device_attr);

/// The counter's register.
const TSC: u32 = 0x10;
/// Where the kernel lists the counters that it trusts: it leaves out one that stops, or that differs between
/// processors.
const TRUSTED: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

/// The counter of this system.
#[inline]
pub(crate) fn host_counter() -> u64 {
    // SAFETY: every x86-64 processor has both instructions.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        core::arch::x86_64::_rdtsc()
    }
}

/// The counter that all of these vCPUs read. None of them runs. `None` where they do not read the same, or it
/// is not known to run on alike on all processors.
pub(crate) fn guest_counter(vm: &VmFd, cpus: &[&VcpuFd]) -> Option<GuestCounter> {
    if !is_trusted(vm) {
        return None;
    }
    let first = offset(cpus.first()?);
    let mut all = None;
    for cpu in cpus {
        // Those that were made at different times may differ, and KVM lets them be set.
        if let Some(first) = first.filter(|first| offset(cpu) != Some(*first)) {
            set_offset(cpu, first);
        }
        let found = seen(cpu)?;
        let counter = match offset(cpu) {
            Some(exact) if found.holds(exact) => {
                GuestCounter { kind: CounterKind::X86_TSC, offset: exact, error: 0 }
            }
            // KVM scales it, or does not do what it says.
            Some(_) => return None,
            None => GuestCounter { kind: CounterKind::X86_TSC, offset: found.least, error: found.width },
        };
        match all {
            None => all = Some(counter),
            // What was measured is the same within its error.
            Some(other) if first.is_none() && found.holds(other.offset.wrapping_add(other.error / 2)) => {}
            Some(other) if other == counter => {}
            Some(_) => return None,
        }
    }
    all
}

/// Whether KVM or the kernel says so.
fn is_trusted(vm: &VmFd) -> bool {
    let stable = vm.get_clock().is_ok_and(|clock| clock.flags & KVM_CLOCK_TSC_STABLE != 0);
    let listed =
        || fs::read_to_string(TRUSTED).is_ok_and(|list| list.split_whitespace().any(|of| of == "tsc"));
    stable || listed()
}

/// What a vCPU's counter is ahead of this system's by: at least, and how much more it may be.
struct Seen {
    least: u64,
    width: u64,
}

impl Seen {
    fn holds(&self, offset: u64) -> bool {
        offset.wrapping_sub(self.least) <= self.width
    }
}

/// What the vCPU reads, between two looks at this system's counter.
fn seen(cpu: &VcpuFd) -> Option<Seen> {
    let look = |_| {
        let mut one = Msrs::from_entries(&[kvm_msr_entry { index: TSC, ..Default::default() }]).ok()?;
        let before = host_counter();
        let read = cpu.get_msrs(&mut one).ok()?;
        let after = host_counter();
        let value = one.as_slice().first().filter(|_| read == 1)?.data;
        Some(Seen { least: value.wrapping_sub(after), width: after.checked_sub(before)? })
    };
    (0..4).filter_map(look).min_by_key(|seen| seen.width)
}

/// The number that KVM adds, where it says so.
fn offset(cpu: &VcpuFd) -> Option<u64> {
    let mut value = 0_u64;
    let attribute = attribute((&raw mut value).expose_provenance());
    // SAFETY: the request writes eight bytes to the address in the attribute, which are `value`'s.
    let result = unsafe { ioctl_with_ref(cpu, KVM_GET_DEVICE_ATTR(), &attribute) };
    (result == 0).then_some(value)
}

fn set_offset(cpu: &VcpuFd, value: u64) {
    let attribute = attribute((&raw const value).expose_provenance());
    // SAFETY: the request reads eight bytes from the address in the attribute, which are `value`'s. Where it
    // is refused, the vCPU differs, and whoever asks sees that.
    unsafe { ioctl_with_ref(cpu, KVM_SET_DEVICE_ATTR(), &attribute) };
}

fn attribute(value: usize) -> kvm_device_attr {
    kvm_device_attr {
        flags: 0,
        group: KVM_VCPU_TSC_CTRL,
        attr: u64::from(KVM_VCPU_TSC_OFFSET),
        addr: u64::try_from(value).unwrap_or(0),
    }
}
