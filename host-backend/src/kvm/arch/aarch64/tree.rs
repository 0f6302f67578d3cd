// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device tree: what a guest learns of its machine.

use std::format;
use std::string::ToString;
use std::vec::Vec;

use vm_fdt::{Error, FdtWriter};

use super::{RAM, UART, gic};

const GIC: u32 = 1;
const CLOCK: u32 = 2;
/// Interrupts of the generic timer are private to a CPU, and active low.
const PRIVATE: u32 = 1;
const LEVEL_LOW: u32 = 8;

/// What the tree says.
pub(super) struct Machine<'a> {
    pub(super) command_line: &'a str,
    pub(super) memory: u64,
    pub(super) cpus: u32,
    pub(super) window: Option<(u64, u64)>,
}

/// The flat tree.
pub(super) fn flat(machine: &Machine<'_>) -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    tree.property_string("compatible", "linux,dummy-virt")?;
    tree.property_u32("interrupt-parent", GIC)?;

    let node = tree.begin_node("chosen")?;
    tree.property_string("bootargs", machine.command_line)?;
    tree.property_string("stdout-path", &format!("/pl011@{UART:x}"))?;
    tree.end_node(node)?;

    let node = tree.begin_node(&format!("memory@{RAM:x}"))?;
    tree.property_string("device_type", "memory")?;
    tree.property_array_u64("reg", &[RAM, machine.memory])?;
    tree.end_node(node)?;

    cpus(&mut tree, machine.cpus)?;

    let node = tree.begin_node("psci")?;
    tree.property_string_list(
        "compatible",
        ["arm,psci-1.0", "arm,psci-0.2"].map(|name| name.to_string()).into(),
    )?;
    tree.property_string("method", "hvc")?;
    tree.end_node(node)?;

    let (distributor, redistributors) = (gic::DISTRIBUTOR, gic::redistributors(machine.cpus));
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

    let node = tree.begin_node(&format!("pl011@{UART:x}"))?;
    tree.property_string_list(
        "compatible",
        ["arm,pl011", "arm,primecell"].map(|name| name.to_string()).into(),
    )?;
    tree.property_array_u64("reg", &[UART, 0x1000])?;
    tree.property_array_u32("clocks", &[CLOCK, CLOCK])?;
    tree.property_string_list("clock-names", ["uartclk", "apb_pclk"].map(|name| name.to_string()).into())?;
    tree.end_node(node)?;

    if let Some((address, len)) = machine.window {
        let node = tree.begin_node(&format!("tenon@{address:x}"))?;
        tree.property_string("compatible", "tenon,window")?;
        tree.property_array_u64("reg", &[address, len])?;
        tree.end_node(node)?;
    }
    tree.end_node(root)?;
    tree.finish()
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

/// MPIDR's affinity as KVM gives it to vCPU `index`: 16 to a cluster, as a GICv3 addresses no more at once.
const fn affinity(index: u32) -> u32 {
    (index & 0xf) | (index >> 4) << 8
}
