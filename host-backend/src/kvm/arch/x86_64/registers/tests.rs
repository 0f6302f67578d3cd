// SPDX-License-Identifier: MIT OR Apache-2.0
//! A used vCPU that is started again is as a fresh one that is started (VCPU-5).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test")]

use super::*;
use crate::kvm::arch::x86_64::Board;
use crate::kvm::config::Config;
use kvm_ioctls::{Kvm, VmFd};
use std::fmt::Debug;

const ENTRY: Entry = Entry { address: 0x10_0000, argument: 7 };

type Cpu = (VcpuFd, Fresh);

/// A used one and one that was never touched, with the machine that they are of; `None` where KVM cannot be
/// used.
fn pair() -> Option<(VmFd, Cpu, Cpu)> {
    let Ok(kvm) = Kvm::new() else {
        println!("skipped: a_restarted_vcpu_is_a_fresh_one: no usable /dev/kvm");
        return None;
    };
    let vm = kvm.create_vm().unwrap();
    let board = Board::new(&kvm, &vm, &Config::default()).unwrap();
    // Neither is the boot CPU, which knows that it is.
    let [_, used, fresh] = [0, 1, 2].map(|index| board.cpu(&vm, index, 3).unwrap());
    Some((vm, used, fresh))
}

/// Sets a model-specific register; whether this KVM took it.
fn set(vcpu: &VcpuFd, index: u32, data: u64) -> bool {
    let entry = kvm_msr_entry { index, data, ..Default::default() };
    matches!(vcpu.set_msrs(&Msrs::from_entries(&[entry]).unwrap()), Ok(1))
}

fn get(vcpu: &VcpuFd, index: u32) -> Option<u64> {
    let mut one = Msrs::from_entries(&[kvm_msr_entry { index, ..Default::default() }]).unwrap();
    matches!(vcpu.get_msrs(&mut one), Ok(1)).then(|| one.as_slice()[0].data)
}

/// Registers that a kernel sets, and those by which KVM writes into a guest's memory.
const REGISTERS: [(u32, u64); 14] = [
    (0x174, 0x8),
    (0x175, 0x1000),
    (0x176, 0x2000),
    (0x277, 0x0007_0106_0007_0106),
    (0x6e0, 1 << 60),
    (0x4b56_4d00, 0x3000),
    (0x4b56_4d01, 0x4001),
    (0x4b56_4d03, 0x5001),
    (0x4b56_4d04, 0x6001),
    (0xc000_0081, 0x0023_0010_0000_0000),
    (0xc000_0082, 0x7000),
    (0xc000_0084, 0x200),
    (0xc000_0102, 0x8000),
    (0xc000_0103, 5),
];

fn word(apic: &kvm_lapic_state, at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| apic.regs[at + byte] as u8))
}

fn set_word(apic: &mut kvm_lapic_state, at: usize, value: u32) {
    for (to, from) in apic.regs[at..].iter_mut().zip(value.to_le_bytes()) {
        *to = from as _;
    }
}

/// Task priority, spurious vector, the timer's entry and its initial count: all that a kernel sets first.
const APIC: [(usize, u32); 4] = [(0x80, 0x20), (0xf0, 0x1ff), (0x320, 0x2_0040), (0x380, 1000)];

fn same<T: PartialEq + Debug>(what: &str, used: T, fresh: T) {
    assert_eq!(used, fresh, "{what} of a vCPU that is started again, and of a fresh one");
}

#[test]
fn a_restarted_vcpu_is_a_fresh_one() {
    let Some((_vm, (used, its), (fresh, other))) = pair() else { return };
    its.start(&used, ENTRY).unwrap();

    let mut apic = used.get_lapic().unwrap();
    APIC.iter().for_each(|&(at, value)| set_word(&mut apic, at, value));
    used.set_lapic(&apic).unwrap();
    let mut float = used.get_fpu().unwrap();
    (float.fcw, float.mxcsr, float.xmm[3][0]) = (0x27f, 0x1f00, 9);
    let has_float = used.set_fpu(&float).is_ok() && used.get_fpu().unwrap().fcw == 0x27f;
    let mut debug = used.get_debug_regs().unwrap();
    (debug.db[0], debug.dr7) = (0x1234, 0x401);
    let has_debug = used.set_debug_regs(&debug).is_ok() && used.get_debug_regs().unwrap().dr7 == 0x401;
    let mut extended = used.get_xcrs().unwrap_or_default();
    extended.xcrs[0].value = 7;
    let has_extended = extended.nr_xcrs > 0 && used.set_xcrs(&extended).is_ok();
    let mut special = used.get_sregs().unwrap();
    (special.cr2, special.gs.base, special.cr4) = (0x5000, 0x6000, 1 << 5);
    used.set_sregs(&special).unwrap();
    let taken: Vec<u32> =
        REGISTERS.iter().filter(|(index, to)| set(&used, *index, *to)).map(|r| r.0).collect();
    used.set_regs(&kvm_regs { rax: 1, rsp: 2, r15: 3, ..Default::default() }).unwrap();
    println!("changed: FPU {has_float}, debug {has_debug}, XCR0 {has_extended}, registers {taken:x?}");
    assert!(taken.len() >= 4, "this KVM lets hardly anything be changed: {taken:x?}");

    its.start(&used, ENTRY).unwrap();
    other.start(&fresh, ENTRY).unwrap();

    same("general registers", used.get_regs().unwrap(), fresh.get_regs().unwrap());
    same("special registers", used.get_sregs().unwrap(), fresh.get_sregs().unwrap());
    let apics = [used.get_lapic().unwrap(), fresh.get_lapic().unwrap()];
    for (at, _) in APIC {
        same(&format!("local APIC {at:#x}"), word(&apics[0], at), word(&apics[1], at));
    }
    let floats = [used.get_fpu().unwrap(), fresh.get_fpu().unwrap()];
    same("FPU", floats[0].fcw, floats[1].fcw);
    same("SSE", (floats[0].mxcsr, floats[0].xmm), (floats[1].mxcsr, floats[1].xmm));
    let debugs = [used.get_debug_regs().unwrap(), fresh.get_debug_regs().unwrap()];
    same("debug registers", (debugs[0].db, debugs[0].dr7), (debugs[1].db, debugs[1].dr7));
    let xcr0 = |vcpu: &VcpuFd| vcpu.get_xcrs().map(|xcrs| xcrs.xcrs[0].value).ok();
    same("XCR0", xcr0(&used), xcr0(&fresh));
    for index in taken {
        same(&format!("register {index:#x}"), get(&used, index), get(&fresh, index));
    }
}
