// SPDX-License-Identifier: MIT OR Apache-2.0
//! Configuration space as hardware has it: a tree of functions and bridges, which pass on what their numbers
//! and windows say.

use std::cell::{Cell, RefCell};
use tenon_guest::pci::{ConfigSpace, Function, IVSHMEM};

/// Memory decoding.
const DECODES: u32 = 0b10;

/// A BAR: its length, and the bits that cannot be written. A wide one takes the next place too.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bar {
    pub(crate) len: u64,
    pub(crate) flags: u32,
}

pub(crate) const REGISTERS: u32 = 0;
pub(crate) const WIDE_MEMORY: u32 = 0b1100;

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: (u8, u8),
    pub(crate) registers: RefCell<[u32; 64]>,
    pub(crate) bars: [Bar; 6],
    /// What lies behind it, if it is a bridge.
    pub(crate) behind: Option<Vec<Node>>,
}

impl Node {
    fn new(place: (u8, u8), id: u32, kind: u32, behind: Option<Vec<Self>>) -> Self {
        let mut registers = [0; 64];
        (registers[0], registers[3]) = (id, kind << 16);
        Self { place, registers: RefCell::new(registers), bars: [Bar::default(); 6], behind }
    }

    /// A device as QEMU makes it, with so much memory.
    pub(crate) fn ivshmem(device: u8, memory: u64) -> Self {
        let mut this = Self::new((device, 0), IVSHMEM, 0, None);
        this.bars[0] = Bar { len: 256, flags: REGISTERS };
        this.bars[1] = Bar { len: 4096, flags: REGISTERS };
        this.bars[2] = Bar { len: memory, flags: WIDE_MEMORY };
        for (index, bar) in this.bars.iter().enumerate() {
            this.registers.get_mut()[4 + index] = bar.flags;
        }
        this
    }

    /// Something else.
    pub(crate) fn other(device: u8) -> Self {
        Self::new((device, 0), 0x1237_8086, 0, None)
    }

    /// A bridge that nobody has set up.
    pub(crate) fn bridge(device: u8, behind: Vec<Self>) -> Self {
        Self::new((device, 0), 0x000c_1b36, 1, Some(behind))
    }

    /// At another function of its device, which says that there are several.
    pub(crate) fn function(mut self, function: u8) -> Self {
        self.place.1 = function;
        self
    }

    pub(crate) fn with(self, register: u16, value: u32) -> Self {
        self.registers.borrow_mut()[usize::from(register) / 4] = value;
        self
    }

    pub(crate) fn register(&self, register: u16) -> u32 {
        self.registers.borrow()[usize::from(register) / 4]
    }

    fn write(&self, register: u16, value: u32) {
        let index = usize::from(register) / 4;
        let mut registers = self.registers.borrow_mut();
        registers[index] = match (index, &self.behind) {
            (0..=3, _) if index != 1 => return,
            // The status is cleared by ones.
            (1, _) => registers[1] & !value & 0xffff_0000 | value & 0xffff,
            (4..=9, None) => {
                let bar = index - 4;
                let upper = bar > 0 && self.bars[bar - 1].flags & 0b100 != 0;
                let Bar { len, flags } = if upper { self.bars[bar - 1] } else { self.bars[bar] };
                let mask = if len == 0 { 0 } else { !(len - 1) };
                if upper { value & (mask >> 32) as u32 } else { value & mask as u32 | flags }
            }
            (8, Some(_)) => value & 0xfff0_fff0,
            _ => value,
        };
    }

    /// Address of a BAR as it stands.
    pub(crate) fn address(&self, bar: usize) -> u64 {
        let registers = self.registers.borrow();
        let low = u64::from(registers[4 + bar] & !0xf);
        let wide = self.bars[bar].flags & 0b100 != 0;
        if wide { u64::from(registers[5 + bar]) << 32 | low } else { low }
    }

    pub(crate) fn decodes(&self) -> bool {
        self.register(4) & DECODES != 0
    }

    /// First and last address that a bridge passes on.
    fn window(&self) -> (u64, u64) {
        let word = self.register(0x20);
        (u64::from(word & 0xfff0) << 16, u64::from(word >> 16 & 0xfff0) << 16 | 0xf_ffff)
    }
}

/// A machine.
pub(crate) struct Model {
    pub(crate) root: Vec<Node>,
    pub(crate) accesses: Cell<u32>,
}

impl Model {
    pub(crate) fn new(root: Vec<Node>) -> Self {
        Self { root, accesses: Cell::new(0) }
    }

    fn find(nodes: &[Node], own: u8, function: Function) -> Option<&Node> {
        if function.bus == own {
            return nodes.iter().find(|node| node.place == (function.device, function.function));
        }
        nodes.iter().find_map(|node| {
            let behind = node.behind.as_ref()?;
            let [_, bus, last, _] = node.register(0x18).to_le_bytes();
            let passes = bus != 0 && (bus..=last).contains(&function.bus);
            passes.then(|| Self::find(behind, bus, function))?
        })
    }

    fn access(&self, function: Function) -> Option<&Node> {
        self.accesses.set(self.accesses.get() + 1);
        Self::find(&self.root, 0, function)
    }

    /// Address and length of all BARs that are decoded, each of them reached through the bridges above it.
    pub(crate) fn decoded(&self) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        collect(&self.root, (0, u64::MAX), &mut all);
        all.sort_unstable();
        for pair in all.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "two BARs share an address: {pair:#x?}");
        }
        all
    }
}

fn collect(nodes: &[Node], passed: (u64, u64), all: &mut Vec<(u64, u64)>) {
    for node in nodes {
        match &node.behind {
            Some(behind) => {
                let (first, last) = node.window();
                let here = if node.decodes() { (first.max(passed.0), last.min(passed.1)) } else { (1, 0) };
                collect(behind, here, all);
            }
            None if node.decodes() => {
                for (index, bar) in node.bars.iter().enumerate().filter(|(_, bar)| bar.len != 0) {
                    let address = node.address(index);
                    assert!(
                        passed.0 <= address && address + bar.len - 1 <= passed.1,
                        "{address:#x} is not passed on: {passed:#x?}"
                    );
                    all.push((address, bar.len));
                }
            }
            None => {}
        }
    }
}

impl ConfigSpace for Model {
    fn read(&self, function: Function, register: u16) -> u32 {
        self.access(function).map_or(u32::MAX, |node| node.register(register))
    }

    fn write(&self, function: Function, register: u16, value: u32) {
        if let Some(node) = self.access(function) {
            node.write(register, value);
        }
    }
}
