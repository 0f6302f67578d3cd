// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: PVH, split interrupt controller, MSI, port I/O.

pub mod cpuid;
mod hypercall;
mod registers;

use std::ops::{Range, RangeInclusive};
use std::vec::Vec;

use kvm_bindings::{
    KVM_CAP_SPLIT_IRQCHIP, KVM_IRQ_ROUTING_MSI, kvm_cpuid_entry2, kvm_enable_cap, kvm_irq_routing_entry,
    kvm_irq_routing_entry__bindgen_ty_1, kvm_irq_routing_msi,
};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use tenon_abi::ConduitKind;
use tenon_boot::{Layout, Plan, pvh};

use crate::kvm::Error;
use crate::kvm::interrupts::Msi;
use crate::kvm::machine::{self, Config};
use crate::kvm::serial::Place;
use crate::kvm::setup::request;

pub(crate) use hypercall::{taken as hypercall, trap as trap_hypercalls};
pub use registers::Fresh;

/// The base leaf of discovery (DISC-4): the second one that a guest looks at, as KVM's own may be the first.
pub const CPUID_BASE: u32 = tenon_boot::cpuid::BASE;
/// Where the window lies.
pub const WINDOW_ADDRESS: u64 = 0xd000_0000;
/// On the conduit MMIO, queue numbers are stored here.
pub const KICK_ADDRESS: u64 = 0xd800_0000;
/// On the conduit MMIO, frame numbers are stored here.
pub const BIND_ADDRESS: u64 = 0xd800_0004;

pub(crate) const CONDUIT: ConduitKind = ConduitKind::PORT_IO;
pub(crate) const CONDUITS: &[ConduitKind] =
    &[ConduitKind::PORT_IO, ConduitKind::MMIO, ConduitKind::HYPERCALL];
/// With the hole, that is what the least of x86-64's processors can address.
pub(crate) const RAM_MAX: (u64, &str) = (63 << 30, "a machine has at most 63 GiB of memory");
/// From its end on up are the interrupt controllers.
pub(crate) const WINDOW: Range<u64> = tenon_boot::layout::X86_64_HOLE..0xfec0_0000;
/// Vectors.
pub(crate) const INTERRUPTS: RangeInclusive<u32> = 32..=255;
/// Those below belong to the interrupt controller that the split model leaves to user space.
pub(crate) const FIRST_INPUT: u32 = 24;
/// Inputs lead nowhere until they are routed.
pub(crate) const SILENT_INPUTS: bool = true;
/// PVH's state has 32-bit registers (VCPU-5).
pub(crate) const MAX_START: u64 = 0xffff_ffff;
pub(crate) const IMAGE: &str = "an ELF file for x86-64 with a PVH entry note";
pub(crate) const NEEDS: &[(Cap, &str)] = &[(Cap::SplitIrqchip, "a split interrupt controller")];
pub(crate) const SERIAL: RangeInclusive<Place> = Place::Port(0x3f8)..=Place::Port(0x3ff);
/// Transmitter empty, and its holding register too.
pub(crate) const SERIAL_STATUS: (Place, u8) = (Place::Port(0x3fd), 0x60);
/// A 32-bit write here ends the machine with that code.
pub(crate) const EXIT: Option<Place> = Some(Place::Port(0xf4));

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
    let leaves = tenon_boot::cpuid::discovery(CPUID_BASE, &machine::layout(&config)?)?;
    Ok(Config { cpuid: leaves.into(), ..config })
}

pub(crate) fn layout(ram: u64) -> Result<Layout, Error> {
    Ok(Layout::x86_64(ram)?)
}

pub(crate) fn plan<'a>(
    image: &'a [u8],
    command_line: &str,
    layout: &Layout,
    _cpus: u32,
) -> Result<Plan<'a>, Error> {
    Ok(pvh::plan(image, command_line, layout)?)
}

pub(crate) fn route(input: u32, msi: Msi) -> kvm_irq_routing_entry {
    const MSI_WINDOW: u32 = 0xfee0_0000;
    let msi = kvm_irq_routing_msi {
        address_lo: MSI_WINDOW | (msi.cpu & 0xff) << 12,
        address_hi: 0,
        data: msi.vector & 0xff, // edge triggered, fixed delivery
        ..Default::default()
    };
    kvm_irq_routing_entry {
        gsi: input,
        type_: KVM_IRQ_ROUTING_MSI,
        u: kvm_irq_routing_entry__bindgen_ty_1 { msi },
        ..Default::default()
    }
}

/// Only for a vCPU that will not run again; 0 where it cannot be read.
pub(crate) fn program_counter(vcpu: &VcpuFd) -> u64 {
    vcpu.get_regs().map_or(0, |registers| registers.rip)
}
