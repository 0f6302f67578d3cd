// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bridges: a bus number and a window for what lies behind one, where firmware has not given them.

use super::bus::{Bus, COMMAND, ON, Search};
use super::config::Function;

const NUMBERS: u16 = 0x18;
const WINDOW: u16 = 0x20;
/// Windows are counted in this.
const MIB: u64 = 1 << 20;

impl Bus<'_> {
    /// Looks behind a bridge. `last` is the largest bus number that its own bus may use.
    pub(super) fn cross(&mut self, bridge: Function, depth: u8, last: u8, search: &mut Search<'_>) {
        let [_, given, end, timer] = self.config.read(bridge, NUMBERS).to_le_bytes();
        let is_fresh = given == 0;
        let bus = if is_fresh { self.last.saturating_add(1) } else { given };
        // Numbers grow on the way down and from one bridge to the next: so no bus is met twice.
        let Some(depth) = depth.checked_sub(1).filter(|_| bus > self.last && bus <= last) else { return };
        let end = if is_fresh { last } else { end.min(last) };
        if is_fresh {
            self.config.write(bridge, NUMBERS, u32::from_le_bytes([bridge.bus, bus, end, timer]));
        }
        self.last = bus;
        let before = search.count;
        self.behind(bridge, |this| this.walk(bus, depth, end, search));
        if is_fresh {
            self.config.write(bridge, NUMBERS, u32::from_le_bytes([bridge.bus, bus, self.last, timer]));
        } else {
            self.last = self.last.max(end);
        }
        if search.count > before {
            let command = self.config.read(bridge, COMMAND) & 0xffff;
            self.config.write(bridge, COMMAND, command | ON);
        }
    }

    /// Runs with the addresses that the bridge passes on, and opens its window to what was taken of them.
    fn behind(&mut self, bridge: Function, walk: impl FnOnce(&mut Self)) {
        let window = self.config.read(bridge, WINDOW);
        let (base, limit) = (window & 0xfff0, window.wrapping_shr(16) & 0xfff0);
        let outside = self.free.clone();
        if base != 0 && base <= limit {
            // Firmware's: nobody here knows what is free of it.
            self.free = 0..0;
            walk(self);
            self.free = outside;
            return;
        }
        let end = outside.end.min(1 << 32) & !MIB.wrapping_sub(1);
        let Some(start) = outside.start.checked_next_multiple_of(MIB) else { return };
        self.free = start..end;
        walk(self);
        let taken = self.free.start;
        self.free = outside;
        if taken <= start {
            return;
        }
        // Within `end`, which is a multiple of the same.
        let stop = taken.checked_next_multiple_of(MIB).unwrap_or(end);
        self.free.start = stop;
        let part = |address: u64| u32::try_from(address.wrapping_shr(16) & 0xfff0).unwrap_or(0);
        let last = part(stop.wrapping_sub(1));
        self.config.write(bridge, WINDOW, part(start) | last.wrapping_shl(16));
    }
}
