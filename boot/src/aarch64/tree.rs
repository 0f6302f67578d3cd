// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device tree: what a guest learns of its machine.

use crate::Layout;
use vm_fdt::{Error, FdtWriter};

const GIC: u32 = 1;
const CLOCK: u32 = 2;
/// Interrupts of the generic timer are private to a CPU, and active low.
const PRIVATE: u32 = 1;
const LEVEL_LOW: u32 = 8;

/// What a machine has beside memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devices {
    /// vCPUs, whose numbers on the platform are those of [`affinity`].
    pub cpus: u32,
    /// Where a PL011 is, the first serial port.
    pub uart: u64,
    /// The distributor of a GICv3: address and length.
    pub distributor: (u64, u64),
    /// Its redistributors, in one region.
    pub redistributors: (u64, u64),
}

/// MPIDR's affinity of vCPU `index`, as KVM gives it: 16 to a cluster, as a GICv3 addresses no more at once.
#[must_use]
pub const fn affinity(index: u32) -> u32 {
    (index & 0xf) | (index >> 4) << 8
}

/// The flat tree.
pub(super) fn flat(command_line: &str, layout: &Layout, devices: &Devices) -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let uart = format!("pl011@{:x}", devices.uart);
    let root = tree.begin_node("")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    tree.property_string("compatible", "linux,dummy-virt")?;
    tree.property_u32("interrupt-parent", GIC)?;

    let node = tree.begin_node("chosen")?;
    tree.property_string("bootargs", command_line)?;
    tree.property_string("stdout-path", &format!("/{uart}"))?;
    tree.end_node(node)?;

    for piece in layout.ram() {
        let node = tree.begin_node(&format!("memory@{:x}", piece.address))?;
        tree.property_string("device_type", "memory")?;
        tree.property_array_u64("reg", &[piece.address, piece.len])?;
        tree.end_node(node)?;
    }

    cpus(&mut tree, devices.cpus)?;

    let node = tree.begin_node("psci")?;
    strings(&mut tree, "compatible", ["arm,psci-1.0", "arm,psci-0.2"])?;
    tree.property_string("method", "hvc")?;
    tree.end_node(node)?;

    let (distributor, redistributors) = (devices.distributor, devices.redistributors);
    let node = tree.begin_node(&format!("intc@{:x}", distributor.0))?;
    tree.property_string("compatible", "arm,gic-v3")?;
    tree.property_null("interrupt-controller")?;
    tree.property_u32("#interrupt-cells", 3)?;
    tree.property_u32("#redistributor-regions", 1)?;
    tree.property_array_u64("reg", &[distributor.0, distributor.1, redistributors.0, redistributors.1])?;
    tree.property_phandle(GIC)?;
    tree.end_node(node)?;

    let node = tree.begin_node("timer")?;
    tree.property_string("compatible", "arm,armv8-timer")?;
    tree.property_null("always-on")?;
    let timers = [13, 14, 11, 10].map(|number| [PRIVATE, number, LEVEL_LOW]);
    tree.property_array_u32("interrupts", timers.as_flattened())?;
    tree.end_node(node)?;

    let node = tree.begin_node("apb-pclk")?;
    tree.property_string("compatible", "fixed-clock")?;
    tree.property_u32("#clock-cells", 0)?;
    tree.property_u32("clock-frequency", 24_000_000)?;
    tree.property_phandle(CLOCK)?;
    tree.end_node(node)?;

    let node = tree.begin_node(&uart)?;
    strings(&mut tree, "compatible", ["arm,pl011", "arm,primecell"])?;
    tree.property_array_u64("reg", &[devices.uart, 0x1000])?;
    tree.property_array_u32("clocks", &[CLOCK, CLOCK])?;
    strings(&mut tree, "clock-names", ["uartclk", "apb_pclk"])?;
    tree.end_node(node)?;

    if let Some(window) = layout.window() {
        let node = tree.begin_node(&format!("tenon@{:x}", window.address))?;
        tree.property_string("compatible", "tenon,window")?;
        tree.property_array_u64("reg", &[window.address, window.len])?;
        tree.end_node(node)?;
    }
    tree.end_node(root)?;
    tree.finish()
}

fn strings(tree: &mut FdtWriter, name: &str, values: [&str; 2]) -> Result<(), Error> {
    tree.property_string_list(name, values.map(str::to_owned).into())
}

fn cpus(tree: &mut FdtWriter, count: u32) -> Result<(), Error> {
    let cpus = tree.begin_node("cpus")?;
    tree.property_u32("#address-cells", 1)?;
    tree.property_u32("#size-cells", 0)?;
    for index in 0..count {
        let node = tree.begin_node(&format!("cpu@{:x}", affinity(index)))?;
        tree.property_string("device_type", "cpu")?;
        tree.property_string("compatible", "arm,armv8")?;
        tree.property_string("enable-method", "psci")?;
        tree.property_u32("reg", affinity(index))?;
        tree.end_node(node)?;
    }
    tree.end_node(cpus)
}
