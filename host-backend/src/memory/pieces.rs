// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is mapped in this process, in pieces: what most attachments have.

use super::Memory;
use alloc::vec::Vec;
use tenon_rings::{Mapping, Words};

/// Guest memory in pieces, and a window, all of them mapped here. Region 0 begins at guest address 0, also
/// where memory does not; what lies between two pieces is a hole (REG-1).
///
/// Who makes the [`Mapping`]s keeps them mapped as long as the domain lives.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// In ascending order of their guest addresses.
    ram: Vec<(u64, Mapping)>,
    window: Mapping,
}

impl Pieces {
    /// The pieces of memory, each with its guest address, and the window. `None` where there is no piece,
    /// one ends beyond 2^64, two overlap, or one begins at no multiple of 8.
    #[must_use]
    pub fn new(ram: impl IntoIterator<Item = (u64, Mapping)>, window: Mapping) -> Option<Self> {
        let mut ram: Vec<_> = ram.into_iter().collect();
        ram.sort_unstable_by_key(|(address, _)| *address);
        let mut free = 0;
        for (address, piece) in &ram {
            if *address < free || !address.is_multiple_of(8) {
                return None;
            }
            free = address.checked_add(len(piece))?;
        }
        (!ram.is_empty()).then_some(Self { ram, window })
    }

    /// The piece that holds `offset`: it, the offset there, and the bytes from there on.
    fn locate(&self, offset: u64) -> Option<(Mapping, usize, usize)> {
        self.ram.iter().find_map(|(address, piece)| {
            let inside = usize::try_from(offset.checked_sub(*address)?).ok()?;
            let left = piece.byte_len().checked_sub(inside)?;
            (left != 0).then_some((*piece, inside, left))
        })
    }

    /// Whether the range lies in memory to its last byte. It may lie in several pieces without a hole.
    fn covers(&self, region: u16, mut offset: u64, mut len: usize) -> bool {
        while region == 0 && len != 0 {
            let Some((_, _, left)) = self.locate(offset) else { return false };
            let part = left.min(len);
            (offset, len) =
                (offset.saturating_add(u64::try_from(part).unwrap_or(0)), len.saturating_sub(part));
        }
        region == 0
    }
}

fn len(piece: &Mapping) -> u64 {
    u64::try_from(piece.byte_len()).unwrap_or(u64::MAX)
}

impl Memory for Pieces {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        let (address, piece) = self.ram.last().filter(|_| region == 0)?;
        address.checked_add(len(piece))
    }

    /// Words lie in one piece: two are not mapped side by side.
    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        let (piece, inside, _) = self.locate(offset).filter(|_| region == 0)?;
        piece.slice(inside / 8, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, mut offset: u64, mut out: &mut [u8]) -> bool {
        if !self.covers(region, offset, out.len()) {
            return false;
        }
        while let Some((piece, inside, left)) = self.locate(offset).filter(|_| !out.is_empty()) {
            let (part, rest) = out.split_at_mut(left.min(out.len()));
            if !piece.read(inside, part) {
                return false;
            }
            offset = offset.saturating_add(u64::try_from(part.len()).unwrap_or(0));
            out = rest;
        }
        true
    }

    fn write(&self, region: u16, mut offset: u64, mut data: &[u8]) -> bool {
        if !self.covers(region, offset, data.len()) {
            return false;
        }
        while let Some((piece, inside, left)) = self.locate(offset).filter(|_| !data.is_empty()) {
            let (part, rest) = data.split_at(left.min(data.len()));
            if !piece.write(inside, part) {
                return false;
            }
            offset = offset.saturating_add(u64::try_from(part.len()).unwrap_or(0));
            data = rest;
        }
        true
    }

    fn window(&self) -> Mapping {
        self.window
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        self.ram.get(index).map(|(address, piece)| (*address, len(piece)))
    }
}
