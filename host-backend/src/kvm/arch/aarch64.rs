// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64: a device tree, GICv3, SPIs, doorbells in memory. Devices lie where QEMU's `virt` has them, so
//! that one image serves both.

mod gic;
mod hypercall;
mod registers;

use std::ops::{Range, RangeInclusive};

use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, kvm_irq_routing_entry, kvm_irq_routing_entry__bindgen_ty_1,
    kvm_irq_routing_irqchip, kvm_vcpu_init,
};
use kvm_ioctls::{Cap, Kvm, VcpuFd, VmFd};
use tenon_abi::ConduitKind;
use tenon_boot::aarch64::Devices;
use tenon_boot::layout::AARCH64_RAM;
use tenon_boot::{Layout, Plan};

use crate::kvm::Error;
use crate::kvm::interrupts::Msi;
use crate::kvm::machine::Config;
use crate::kvm::serial::Place;
use crate::kvm::setup::request;

pub(crate) use hypercall::{taken as hypercall, trap as trap_hypercalls};
pub use registers::Fresh;
pub(crate) use registers::program_counter;

/// Where the window lies.
pub const WINDOW_ADDRESS: u64 = 0x1000_0000;
/// On the conduit MMIO, queue numbers are stored here.
pub const KICK_ADDRESS: u64 = 0x0a00_0000;
/// On the conduit MMIO, frame numbers are stored here.
pub const BIND_ADDRESS: u64 = 0x0a00_0004;

pub(crate) const CONDUIT: ConduitKind = ConduitKind::MMIO;
pub(crate) const CONDUITS: &[ConduitKind] = &[ConduitKind::MMIO, ConduitKind::HYPERCALL];
/// RAM ends at 4 GiB.
pub(crate) const RAM_MAX: (u64, &str) = (3 << 30, "a machine has at most 3 GiB of memory");
pub(crate) const WINDOW: Range<u64> = WINDOW_ADDRESS..AARCH64_RAM;
/// SPIs, by their INTIDs.
pub(crate) const INTERRUPTS: RangeInclusive<u32> = FIRST_SPI..=gic::INTERRUPTS - 1;
pub(crate) const FIRST_INPUT: u32 = 0;
/// KVM's own table leads each input to an SPI.
pub(crate) const SILENT_INPUTS: bool = false;
pub(crate) const MAX_START: u64 = u64::MAX;
pub(crate) const IMAGE: &str = "an ELF file or an Image for AArch64";
pub(crate) const NEEDS: &[(Cap, &str)] =
    &[(Cap::DeviceCtrl, "devices in the kernel"), (Cap::ArmPsci02, "PSCI 0.2")];
/// A PL011: its data register comes first.
pub(crate) const SERIAL: RangeInclusive<Place> = Place::Memory(UART)..=Place::Memory(UART + 0xfff);
/// The flag register: transmitter empty, receiver empty.
pub(crate) const SERIAL_STATUS: (Place, u8) = (Place::Memory(UART + 0x18), 0x90);
pub(crate) const EXIT: Option<Place> = None;

const UART: u64 = 0x0900_0000;
/// INTIDs below are private to each CPU.
const FIRST_SPI: u32 = 32;

/// The interrupt controller and what all vCPUs are made of.
pub(crate) struct Board {
    init: kvm_vcpu_init,
}

impl Board {
    pub(crate) fn new(_kvm: &Kvm, vm: &VmFd, _config: &Config) -> Result<Self, Error> {
        let mut init = kvm_vcpu_init::default();
        request("asking for the processor's kind", || vm.get_preferred_target(&mut init))?;
        Ok(Self { init: registers::features(init) })
    }

    pub(crate) fn cpu(&self, vm: &VmFd, index: u32, _count: u32) -> Result<(VcpuFd, Fresh), Error> {
        let cpu = request("making a vCPU", || vm.create_vcpu(u64::from(index)))?;
        request("initialising a vCPU", || cpu.vcpu_init(&self.init))?;
        Ok((cpu, Fresh::of(self.init)))
    }

    /// When all vCPUs are there.
    pub(crate) fn finish(self, vm: &VmFd, cpus: u32) -> Result<(), Error> {
        gic::make(vm, cpus)
    }
}

/// The device tree names the window, whatever the machine is made of.
pub(crate) fn discovered(config: Config) -> Result<Config, Error> {
    Ok(config)
}

pub(crate) fn layout(ram: u64) -> Result<Layout, Error> {
    Ok(Layout::aarch64(ram)?)
}

pub(crate) fn plan<'a>(
    image: &'a [u8],
    command_line: &str,
    layout: &Layout,
    cpus: u32,
) -> Result<Plan<'a>, Error> {
    let redistributors = gic::redistributors(cpus);
    let devices = Devices { cpus, uart: UART, distributor: gic::DISTRIBUTOR, redistributors };
    Ok(tenon_boot::aarch64::plan(image, command_line, layout, &devices)?)
}

pub(crate) fn route(input: u32, msi: Msi) -> kvm_irq_routing_entry {
    let irqchip = kvm_irq_routing_irqchip { irqchip: 0, pin: msi.vector.saturating_sub(FIRST_SPI) };
    kvm_irq_routing_entry {
        gsi: input,
        type_: KVM_IRQ_ROUTING_IRQCHIP,
        u: kvm_irq_routing_entry__bindgen_ty_1 { irqchip },
        ..Default::default()
    }
}
