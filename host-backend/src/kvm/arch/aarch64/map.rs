// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbers of the machine: where things lie, and what an interrupt is called.

use std::ops::{Range, RangeInclusive};

use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, kvm_irq_routing_entry, kvm_irq_routing_entry__bindgen_ty_1,
    kvm_irq_routing_irqchip,
};
use kvm_ioctls::Cap;
use tenon_abi::ConduitKind;
use tenon_boot::Layout;
use tenon_boot::layout::AARCH64_RAM;

use crate::kvm::Msi;
use crate::kvm::place::Place;

/// Where the window lies.
pub const WINDOW_ADDRESS: u64 = 0x1000_0000;
/// On the conduit MMIO, queue numbers are stored here.
pub const KICK_ADDRESS: u64 = 0x0a00_0000;
/// On the conduit MMIO, frame numbers are stored here.
pub const BIND_ADDRESS: u64 = 0x0a00_0004;

pub(crate) const CONDUIT: ConduitKind = ConduitKind::MMIO;
pub(crate) const CONDUITS: &[ConduitKind] = &[ConduitKind::MMIO, ConduitKind::HYPERCALL];
/// A machine of KVM's usual kind has addresses of 40 bits.
pub(crate) const RAM_MAX: (u64, &str) = (1023 << 30, "a machine has at most 1023 GiB of memory");
pub(crate) const WINDOW: Range<u64> = WINDOW_ADDRESS..AARCH64_RAM;
/// SPIs, by their INTIDs.
pub(crate) const INTERRUPTS: RangeInclusive<u32> = FIRST_SPI..=INTIDS - 1;
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

pub(super) const UART: u64 = 0x0900_0000;
/// INTIDs below are private to each CPU.
const FIRST_SPI: u32 = 32;
/// INTIDs that there are, those that are private to a CPU included.
pub(super) const INTIDS: u32 = 128;

pub(crate) fn layout(ram: u64) -> Result<Layout, tenon_boot::Error> {
    Layout::aarch64(ram)
}

/// Room for more memory: behind RAM.
pub(crate) fn room_at(end: u64, len: u64) -> Option<u64> {
    end.checked_add(len).filter(|room_end| *room_end <= RAM_MAX.0.saturating_add(AARCH64_RAM)).map(|_| end)
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
