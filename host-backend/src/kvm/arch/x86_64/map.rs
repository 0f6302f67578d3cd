// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbers of the machine: where things lie, and what an interrupt is called.

use std::ops::{Range, RangeInclusive};

use kvm_bindings::{
    KVM_IRQ_ROUTING_MSI, kvm_irq_routing_entry, kvm_irq_routing_entry__bindgen_ty_1, kvm_irq_routing_msi,
};
use kvm_ioctls::Cap;
use tenon_abi::ConduitKind;
use tenon_boot::Layout;

use crate::kvm::Msi;
use crate::kvm::place::Place;

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

pub(crate) fn layout(ram: u64) -> Result<Layout, tenon_boot::Error> {
    Layout::x86_64(ram)
}

/// Room for more memory: behind RAM, but not in the hole for devices.
pub(crate) fn room_at(end: u64, len: u64) -> Option<u64> {
    let low = end.checked_add(len)? <= tenon_boot::layout::X86_64_HOLE;
    let at = if low { end } else { end.max(tenon_boot::layout::X86_64_HIGH) };
    at.checked_add(len).filter(|end| *end <= RAM_MAX.0).map(|_| at)
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
