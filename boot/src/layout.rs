// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine's memory as a list of pieces.

use crate::Error;

/// On x86-64 devices lie from here to 4 GiB, so RAM goes on behind them.
pub const X86_64_HOLE: u64 = 0xc000_0000;
/// Where RAM goes on behind the hole of x86-64.
pub const X86_64_HIGH: u64 = 0x1_0000_0000;
/// Where RAM begins on AArch64, as on QEMU's `virt`.
pub const AARCH64_RAM: u64 = 0x4000_0000;
/// Most pieces: the memory map that PVH passes is a page.
pub const MAX_PIECES: usize = 128;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Memory of the guest's own.
    Ram,
    /// Tenon's window: memory that the host writes (DISC-5).
    Window,
    /// Anything else that the guest must not take for free.
    Reserved,
}

/// A piece of the guest-physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte.
    pub address: u64,
    /// Its bytes.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
}

impl Piece {
    /// Its last byte; `None` where there is none, or it lies beyond the address space.
    const fn last(&self) -> Option<u64> {
        last(self.address, self.len)
    }
}

/// The last byte of a range; `None` where it is empty or wraps at 2^64.
pub(crate) const fn last(address: u64, len: u64) -> Option<u64> {
    match len.checked_sub(1) {
        Some(more) => address.checked_add(more),
        None => None,
    }
}

/// A machine's memory: pieces in ascending order that do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pieces: Vec<Piece>,
}

impl Layout {
    /// A layout of these pieces, in any order.
    ///
    /// # Errors
    ///
    /// [`Error::BadLayout`] where a piece is empty or wraps, two overlap, there are more than
    /// [`MAX_PIECES`], none is RAM, or two are a window.
    pub fn new(pieces: &[Piece]) -> Result<Self, Error> {
        if pieces.len() > MAX_PIECES {
            return Err(Error::BadLayout("it has more than 128 pieces"));
        }
        let mut pieces = pieces.to_vec();
        pieces.sort_unstable_by_key(|piece| piece.address);
        let mut before: Option<u64> = None;
        for piece in &pieces {
            let end = piece.last().ok_or(Error::BadLayout("a piece is empty, or ends beyond 2^64"))?;
            if before.is_some_and(|before| piece.address <= before) {
                return Err(Error::BadLayout("two pieces overlap"));
            }
            before = Some(end);
        }
        let this = Self { pieces };
        if this.ram().next().is_none() {
            return Err(Error::BadLayout("it has no RAM"));
        }
        if this.pieces.iter().filter(|piece| piece.kind == Kind::Window).count() > 1 {
            return Err(Error::BadLayout("it has two windows"));
        }
        Ok(this)
    }

    /// RAM as an x86-64 machine has it: from 0, and where it is more than 3 GiB, the rest from 4 GiB on.
    ///
    /// # Errors
    ///
    /// [`Error::BadLayout`] where it is none, or ends beyond 2^64.
    pub fn x86_64(ram: u64) -> Result<Self, Error> {
        let low = ram.min(X86_64_HOLE);
        let mut pieces = vec![Piece { address: 0, len: low, kind: Kind::Ram }];
        let high = ram.saturating_sub(low);
        if high != 0 {
            pieces.push(Piece { address: X86_64_HIGH, len: high, kind: Kind::Ram });
        }
        Self::new(&pieces)
    }

    /// RAM as an AArch64 machine has it: one piece from 1 GiB on.
    ///
    /// # Errors
    ///
    /// As [`Layout::x86_64`].
    pub fn aarch64(ram: u64) -> Result<Self, Error> {
        Self::new(&[Piece { address: AARCH64_RAM, len: ram, kind: Kind::Ram }])
    }

    /// The same with one more piece.
    ///
    /// # Errors
    ///
    /// As [`Layout::new`].
    pub fn with(mut self, kind: Kind, address: u64, len: u64) -> Result<Self, Error> {
        self.pieces.push(Piece { address, len, kind });
        Self::new(&self.pieces)
    }

    /// All pieces, in ascending order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The pieces of RAM, in ascending order: at least one.
    pub fn ram(&self) -> impl Iterator<Item = Piece> + '_ {
        self.pieces.iter().copied().filter(|piece| piece.kind == Kind::Ram)
    }

    /// Tenon's window.
    #[must_use]
    pub fn window(&self) -> Option<Piece> {
        self.pieces.iter().copied().find(|piece| piece.kind == Kind::Window)
    }

    /// Whether the `len` bytes at `address` are RAM, all of them. They may lie in several pieces without a
    /// gap. An empty range, and one that wraps, is not.
    #[must_use]
    pub fn is_ram(&self, address: u64, len: u64) -> bool {
        let Some(end) = last(address, len) else { return false };
        let mut next = address;
        for piece in self.ram() {
            let Some(piece_end) = piece.last() else { return false };
            if piece.address > next {
                return false;
            }
            if piece_end >= end {
                return true;
            }
            // Both ends are at most `end`, which did not wrap.
            next = next.max(piece_end.saturating_add(1));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn ram(layout: &Layout) -> Vec<(u64, u64)> {
        layout.ram().map(|piece| (piece.address, piece.len)).collect()
    }

    fn piece(address: u64, len: u64) -> Piece {
        Piece { address, len, kind: Kind::Ram }
    }

    #[test]
    fn memory_of_x86_64_leaves_the_hole() {
        assert_eq!(ram(&Layout::x86_64(32 << 20).unwrap()), [(0, 32 << 20)]);
        assert_eq!(ram(&Layout::x86_64(3 * GIB).unwrap()), [(0, 3 * GIB)]);
        assert_eq!(ram(&Layout::x86_64(6 * GIB).unwrap()), [(0, 3 * GIB), (4 * GIB, 3 * GIB)]);
        assert!(Layout::x86_64(0).is_err() && Layout::x86_64(u64::MAX).is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        let with = |address, len| Layout::x86_64(6 * GIB).unwrap().with(Kind::Window, address, len);
        assert!(with(0xd000_0000, 2 << 20).is_ok());
        for (address, len) in [(0, 1), (3 * GIB - 1, 2), (3 * GIB, GIB + 1), (7 * GIB - 1, 1), (8 * GIB, 0)] {
            assert!(matches!(with(address, len), Err(Error::BadLayout(_))), "{address:#x} {len:#x}");
        }
        assert!(with(u64::MAX, 2).is_err(), "wraps");
        assert!(with(u64::MAX, 1).is_ok(), "the very last byte does not");
        assert!(with(0xd000_0000, 1).unwrap().with(Kind::Window, 0xe000_0000, 1).is_err(), "two windows");
        assert!(Layout::new(&[]).is_err());
        let many: Vec<_> = (0..129).map(|index| piece(index * 16, 1)).collect();
        assert!(Layout::new(&many[1..]).is_ok() && Layout::new(&many).is_err());
    }

    #[test]
    fn a_range_is_ram_if_every_byte_is() {
        let layout = Layout::new(&[piece(0x3000, 0x1000), piece(0x1000, 0x2000), piece(0x8000, 1)]).unwrap();
        for (address, len) in [(0x1000, 0x3000), (0x2fff, 2), (0x3fff, 1), (0x8000, 1)] {
            assert!(layout.is_ram(address, len), "{address:#x} {len:#x}");
        }
        for (address, len) in
            [(0xfff, 2), (0x1000, 0x3001), (0x3fff, 2), (0x8000, 2), (0x1000, 0), (0x7fff, 2), (0x8001, 1)]
        {
            assert!(!layout.is_ram(address, len), "{address:#x} {len:#x}");
        }
        for (address, len) in [(u64::MAX, 1), (u64::MAX, 2), (u64::MAX - 15, 0x40), (0x1000, u64::MAX)] {
            assert!(!layout.is_ram(address, len), "{address:#x} {len:#x}");
        }
        let window = Layout::x86_64(GIB).unwrap().with(Kind::Window, GIB, GIB).unwrap();
        assert!(window.is_ram(GIB - 1, 1) && !window.is_ram(GIB - 1, 2), "the window is none");
        let all = Layout::new(&[piece(1, u64::MAX)]).unwrap();
        assert!(all.is_ram(u64::MAX, 1) && all.is_ram(1, u64::MAX) && !all.is_ram(u64::MAX, 2));
    }
}
