// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device tree: where RAM, serial port, interrupt controller, PCI and Tenon's window are.

#[cfg(test)]
mod tests;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

/// What the node of Tenon's window is compatible with (DISC-13).
pub const WINDOW: &str = "tenon,window";
/// Bytes of the header that says how long the tree is.
pub const HEADER_LEN: usize = 8;
/// The longest tree that is read.
pub const MAX_LEN: usize = 2 << 20;
/// Nodes deeper than this are not looked at: the root is at 0, a bus's devices at 2.
const DEPTH: u32 = 3;
/// RAM is looked for in so many pieces.
const PIECES: usize = 8;

/// A piece of the physical address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub address: u64,
    /// Bytes.
    pub len: u64,
}

impl Range {
    /// Whether `address` lies inside.
    #[must_use]
    pub const fn holds(&self, address: u64) -> bool {
        address >= self.address && address.wrapping_sub(self.address) < self.len
    }
}

/// The kinds of serial port that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// Arm's PL011.
    Pl011,
    /// A 16550, in memory.
    Ns16550,
}

/// A serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uart {
    /// Its kind.
    pub kind: UartKind,
    /// Where its registers begin.
    pub address: u64,
    /// Registers are 2^shift bytes apart.
    pub shift: u32,
}

/// A GICv3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gic {
    /// The distributor.
    pub distributor: Range,
    /// The first region of redistributors.
    pub redistributors: Range,
}

/// A PCI host bridge whose configuration space is memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pci {
    /// Configuration space: 4 KiB for each function.
    pub ecam: Range,
    /// Where BARs of 32 bits can be placed; empty where the tree names no such room. Addresses on the bus are
    /// the processor's.
    pub memory: Range,
}

/// What a device tree says about the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform<'a> {
    /// The boot command line.
    pub command_line: &'a str,
    /// RAM; pieces that are not used are empty.
    pub memory: [Range; PIECES],
    /// The serial port: that of `stdout-path` where it is found by its address, else the first.
    pub uart: Option<Uart>,
    /// Firmware is called by SMC, not by HVC.
    pub psci_by_smc: bool,
    /// The interrupt controller.
    pub gic: Option<Gic>,
    /// Ticks of the timer in a second, where the tree says so.
    pub timebase: Option<u32>,
    /// Tenon's window (DISC-13).
    pub window: Option<Range>,
    /// The first PCI host bridge.
    pub pci: Option<Pci>,
}

/// The length of a tree from its first [`HEADER_LEN`] bytes; `None` if that is none, or longer than
/// [`MAX_LEN`].
#[must_use]
pub fn length(header: [u8; HEADER_LEN]) -> Option<usize> {
    let [m0, m1, m2, m3, l0, l1, l2, l3] = header;
    let is_tree = u32::from_be_bytes([m0, m1, m2, m3]) == 0xd00d_feed;
    let len = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
    (is_tree && (HEADER_LEN..=MAX_LEN).contains(&len)).then_some(len)
}

impl<'a> Platform<'a> {
    /// Reads a tree; `None` if it is none. What is missing or nonsense in it is left out.
    #[must_use]
    pub fn read(tree: &'a [u8]) -> Option<Self> {
        let fdt = Fdt::new(tree).ok()?;
        let mut this = Self::default();
        let chosen = fdt.find_node("/chosen");
        let text = |name| {
            chosen.and_then(|node| node.property(name)).and_then(|property| property.value_as::<&str>().ok())
        };
        this.command_line = text("bootargs").unwrap_or_default();
        // `/pl011@9000000` or an alias; an alias says nothing here, and the first port serves.
        let stdout = text("stdout-path").and_then(|path| path.split(':').next());
        let stdout = stdout
            .and_then(|path| path.rsplit_once('@'))
            .and_then(|(_, at)| u64::from_str_radix(at, 16).ok());
        this.visit(fdt.root(), Cells::default(), stdout, 0);
        Some(this)
    }

    fn visit(&mut self, node: FdtNode<'a>, parent: Cells, stdout: Option<u64>, depth: u32) {
        self.take(&node, parent, stdout);
        if depth < DEPTH {
            let cells = Cells::of(&node);
            for child in node.children() {
                self.visit(child, cells, stdout, depth.saturating_add(1));
            }
        }
    }

    fn take(&mut self, node: &FdtNode<'a>, cells: Cells, stdout: Option<u64>) {
        let is = |name: &str| node.compatible().is_some_and(|mut names| names.any(|found| found == name));
        let number = |name| node.property(name).and_then(|property| property.value_as::<u32>().ok());
        let says = |name, text: &str| {
            node.property(name).and_then(|property| property.value_as::<&str>().ok()) == Some(text)
        };
        let reg = node.property("reg");
        let reg = || reg.iter().flat_map(|reg| ranges(reg.value(), cells));
        let uart =
            [("arm,pl011", UartKind::Pl011), ("ns16550a", UartKind::Ns16550), ("ns16550", UartKind::Ns16550)];
        if says("device_type", "memory") {
            let free = self.memory.iter_mut().filter(|piece| piece.len == 0);
            for (piece, range) in free.zip(reg()) {
                *piece = range;
            }
        } else if let Some((_, kind)) = uart.into_iter().find(|(name, _)| is(name))
            && let Some(range) = reg().next()
            && (self.uart.is_none() || stdout == Some(range.address))
        {
            let shift = number("reg-shift").filter(|shift| *shift <= 3).unwrap_or(0);
            self.uart = Some(Uart { kind, address: range.address, shift });
        } else if is("arm,gic-v3")
            && let (Some(distributor), Some(redistributors)) = (reg().next(), reg().nth(1))
        {
            self.gic = Some(Gic { distributor, redistributors });
        } else if is("arm,psci-1.0") || is("arm,psci-0.2") {
            self.psci_by_smc = says("method", "smc");
        } else if is(WINDOW) {
            self.window = self.window.or_else(|| reg().next());
        } else if is("pci-host-ecam-generic") && self.pci.is_none() {
            let memory = node.property("ranges").map(|ranges| memory_window(ranges.value(), cells));
            self.pci = reg().next().map(|ecam| Pci { ecam, memory: memory.flatten().unwrap_or_default() });
        }
        self.timebase = self.timebase.or_else(|| number("timebase-frequency").filter(|ticks| *ticks != 0));
    }
}

/// How many 32-bit cells addresses and lengths have below a node.
#[derive(Clone, Copy)]
struct Cells {
    address: usize,
    size: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { address: 2, size: 1 }
    }
}

impl Cells {
    fn of(node: &FdtNode<'_>) -> Self {
        // More than 3 is nonsense: then nothing below the node has an address.
        let cells = |name, default| {
            let told = node.property(name).and_then(|property| property.value_as::<u32>().ok());
            told.map_or(default, |cells| usize::try_from(cells).unwrap_or(usize::MAX))
        };
        Self { address: cells("#address-cells", 2), size: cells("#size-cells", 1) }
    }
}

/// The value of one or two cells.
fn value(cells: &[u8]) -> Option<u64> {
    match cells.len() {
        4 => Some(u64::from(u32::from_be_bytes(cells.try_into().ok()?))),
        8 => Some(u64::from_be_bytes(cells.try_into().ok()?)),
        _ => None,
    }
}

/// The pieces of a `reg`. One that is empty or wraps is left out.
fn ranges(reg: &[u8], cells: Cells) -> impl Iterator<Item = Range> {
    let known = (1..=2).contains(&cells.address) && (1..=2).contains(&cells.size);
    let (at, len) = if known { (cells.address.wrapping_mul(4), cells.size.wrapping_mul(4)) } else { (4, 4) };
    let reg = if known { reg } else { &[] };
    reg.chunks_exact(at.wrapping_add(len)).filter_map(move |entry| {
        let (address, size) = entry.split_at_checked(at)?;
        let range = Range { address: value(address)?, len: value(size)? };
        (range.len != 0 && range.address.checked_add(range.len).is_some()).then_some(range)
    })
}

/// The 32-bit memory of a PCI bridge's `ranges`: three cells on the bus, the parent's, two of length.
fn memory_window(ranges: &[u8], parent: Cells) -> Option<Range> {
    const SPACE: u32 = 0x0300_0000;
    const MEMORY_32: u32 = 0x0200_0000;
    let parent = (1..=2).contains(&parent.address).then_some(parent.address.wrapping_mul(4))?;
    ranges.chunks_exact(parent.wrapping_add(20)).find_map(|entry| {
        let (kind, rest) = entry.split_first_chunk()?;
        let (bus, rest) = rest.split_first_chunk()?;
        let (address, len) = rest.split_at_checked(parent)?;
        let range = Range { address: value(address)?, len: value(len)? };
        let is_memory =
            u32::from_be_bytes(*kind) & SPACE == MEMORY_32 && u64::from_be_bytes(*bus) == range.address;
        (is_memory && range.len != 0 && range.address.checked_add(range.len).is_some()).then_some(range)
    })
}
