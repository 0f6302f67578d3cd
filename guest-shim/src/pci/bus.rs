// SPDX-License-Identifier: MIT OR Apache-2.0
//! The search: bus by bus, and places for BARs.

use super::config::{ConfigSpace, Function};
use super::device::{BARS, Bar, Device, Place, Raw};
use core::ops::Range;

pub(super) const COMMAND: u16 = 0x04;
/// Memory decoding and bus mastery, without which there are no messages.
pub(super) const ON: u32 = 0b110;
const HEADER: u16 = 0x0c;
/// What page tables map as one, at most, for BARs that lie close to each other.
const BLOCK: u64 = 2 << 20;
/// The kind of header of a bridge, in its place.
const KIND: u32 = 0x0001_0000;
/// So many bridges behind each other.
const DEEPEST: u8 = 8;
/// No function there.
const NOBODY: u32 = u32::MAX;

/// A host bridge: its configuration space and what is free in its window.
pub struct Bus<'c> {
    pub(super) config: &'c dyn ConfigSpace,
    pub(super) free: Range<u64>,
    reach: u64,
    /// The largest bus number that was met.
    pub(super) last: u8,
    /// Whether the last place was given to memory, as against registers.
    was_memory: Option<bool>,
}

impl<'c> Bus<'c> {
    /// `free` are addresses that the bridge passes on and no device has: BARs without a place get theirs from
    /// there. A BAR keeps the place that firmware gave it if that ends at or below `reach`: what lies higher
    /// the kernel cannot map.
    #[must_use]
    pub const fn new(config: &'c dyn ConfigSpace, free: Range<u64>, reach: u64) -> Self {
        Self { config, free, reach, last: 0, was_memory: None }
    }

    /// Looks for the functions with this device and vendor number, behind bridges too, puts their BARs in
    /// place and turns them on. `found` gets as many as it holds; the result is how many there are.
    pub fn find(&mut self, id: u32, found: &mut [Option<Device>]) -> usize {
        let mut search = Search { id, found, count: 0 };
        self.walk(0, DEEPEST, u8::MAX, &mut search);
        search.count
    }

    pub(super) fn walk(&mut self, bus: u8, depth: u8, last: u8, search: &mut Search<'_>) {
        for device in 0..32 {
            let first = Function { bus, device, function: 0 };
            if self.config.read(first, 0) == NOBODY {
                continue;
            }
            let several = self.config.read(first, HEADER) & 0x0080_0000 != 0;
            for function in 0..if several { 8 } else { 1 } {
                let function = Function { bus, device, function };
                let id = self.config.read(function, 0);
                if id == search.id {
                    let device = self.set_up(function);
                    if let Some(place) = search.found.get_mut(search.count) {
                        *place = Some(device);
                    }
                    search.count = search.count.saturating_add(1);
                }
                if id != NOBODY && self.config.read(function, HEADER) & 0x007f_0000 == KIND {
                    self.cross(function, depth, last, search);
                }
            }
        }
    }

    /// Puts all BARs in place and turns the device on; leaves it as it was if one of them has no room.
    fn set_up(&mut self, function: Function) -> Device {
        let config = self.config;
        // The upper half of this word is a status, whose bits are cleared by ones.
        let command = config.read(function, COMMAND) & 0xffff;
        config.write(function, COMMAND, command & !ON);
        let mut sized = [None; BARS];
        let mut index = 0usize;
        while let Some(place) = sized.get_mut(index) {
            let bar = Raw::size(config, function, index);
            *place = bar.filter(|bar| bar.len != 0);
            index = index.saturating_add(if bar.is_some_and(|bar| bar.is_wide) { 2 } else { 1 });
        }
        let places = self.place_all(sized);
        for (bar, place) in sized.iter().zip(places) {
            if let (Some(bar), Place::At(Bar { address, .. })) = (bar, place) {
                bar.store(config, function, address);
            }
        }
        let complete = !places.contains(&Place::NoRoom);
        config.write(function, COMMAND, if complete { command | ON } else { command });
        Device { function, bars: places }
    }

    /// A place for each, or for none: a device of which only a part is in place is of no use.
    fn place_all(&mut self, mut sized: [Option<Raw>; BARS]) -> [Place; BARS] {
        let before = (self.free.clone(), self.was_memory);
        let all = sized.map(|bar| if bar.is_some() { Place::NoRoom } else { Place::Nothing });
        let mut places = all;
        // The longest first, which wastes least.
        for _ in 0..BARS {
            let longest = (0..).zip(sized).filter_map(|(index, bar): (usize, _)| Some((index, bar?)));
            let Some((index, bar)) = longest.max_by_key(|(_, bar)| bar.len) else { break };
            let Some(place) = self.place(bar) else {
                (self.free, self.was_memory) = before;
                return all;
            };
            if let (Some(to), Some(from)) = (places.get_mut(index), sized.get_mut(index)) {
                (*to, *from) = (Place::At(place), None);
            }
        }
        places
    }

    fn place(&mut self, bar: Raw) -> Option<Bar> {
        let Raw { address, len, .. } = bar;
        if address != 0 && address.checked_add(len)? <= self.reach {
            return Some(Bar { address, len });
        }
        let ends = if bar.is_wide { self.free.end } else { self.free.end.min(1 << 32) };
        // Registers and memory are mapped in different ways: they share no block.
        let apart = if self.was_memory.is_some_and(|was| was != bar.is_memory) { BLOCK } else { 1 };
        let address = self.free.start.max(1).checked_next_multiple_of(len.max(apart))?;
        let end = address.checked_add(len).filter(|end| *end <= ends)?;
        (self.free.start, self.was_memory) = (end, Some(bar.is_memory));
        Some(Bar { address, len })
    }
}

impl core::fmt::Debug for Bus<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bus").field("free", &self.free).finish_non_exhaustive()
    }
}

pub(super) struct Search<'f> {
    id: u32,
    found: &'f mut [Option<Device>],
    pub(super) count: usize,
}
