// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: PVH, split interrupt controller, MSI, port I/O.

mod counter;
pub mod cpuid;
mod hypercall;
pub(super) mod map;
mod registers;

use std::vec::Vec;

use kvm_bindings::{KVM_CAP_SPLIT_IRQCHIP, kvm_cpuid_entry2, kvm_enable_cap};
use kvm_ioctls::{Kvm, VcpuFd, VmFd};
use tenon_boot::{Layout, Plan, pvh};

use crate::kvm::Error;
use crate::kvm::config::Config;
use crate::kvm::setup::request;
use map::CPUID_BASE;

pub(crate) use counter::{guest_counter, host_counter};
pub(crate) use hypercall::{taken as hypercall, trap as trap_hypercalls};
pub use registers::Fresh;

/// Inputs of the interrupt controller that the split model leaves to user space; this machine has none.
const UNUSED_INPUTS: u64 = 24;
/// Where Intel processors want three pages for their own use; anywhere outside memory.
const TASK_STATE: usize = 0xfffb_d000;

/// Interrupt controllers and what vCPUs say of themselves.
pub(crate) struct Board {
    leaves: Vec<kvm_cpuid_entry2>,
    /// Model-specific registers that KVM saves and restores.
    registers: Vec<u32>,
}

impl Board {
    pub(crate) fn new(kvm: &Kvm, vm: &VmFd, config: &Config) -> Result<Self, Error> {
        request("placing the processor's task state", || vm.set_tss_address(TASK_STATE))?;
        let split = kvm_enable_cap {
            cap: KVM_CAP_SPLIT_IRQCHIP,
            args: [UNUSED_INPUTS, 0, 0, 0],
            ..Default::default()
        };
        request("putting the local interrupt controllers into the kernel", || vm.enable_cap(&split))?;
        let registers = request("asking KVM for the registers that it saves", || kvm.get_msr_index_list())?;
        let registers = registers.as_slice().to_vec();
        Ok(Self { leaves: cpuid::supported(kvm, &config.cpuid)?, registers })
    }

    pub(crate) fn cpu(&self, vm: &VmFd, index: u32, count: u32) -> Result<(VcpuFd, Fresh), Error> {
        let cpu = request("making a vCPU", || vm.create_vcpu(u64::from(index)))?;
        cpuid::apply(&cpu, index, count, &self.leaves)?;
        let fresh = request("reading a fresh vCPU", || Fresh::of(&cpu, &self.registers))?;
        Ok((cpu, fresh))
    }

    /// When all vCPUs are there.
    pub(crate) fn finish(self, _vm: &VmFd, _cpus: u32) -> Result<(), Error> {
        Ok(())
    }
}

/// A machine whose guest finds its window (DISC-4).
pub(crate) fn discovered(config: Config) -> Result<Config, Error> {
    let leaves = tenon_boot::cpuid::discovery(CPUID_BASE, &config.layout()?)?;
    Ok(Config { cpuid: leaves.into(), ..config })
}

pub(crate) fn plan<'a>(
    image: &'a [u8],
    command_line: &str,
    layout: &Layout,
    _cpus: u32,
) -> Result<Plan<'a>, Error> {
    Ok(pvh::plan(image, command_line, layout)?)
}

/// Only for a vCPU that will not run again; 0 where it cannot be read.
pub(crate) fn program_counter(vcpu: &VcpuFd) -> u64 {
    vcpu.get_regs().map_or(0, |registers| registers.rip)
}
