// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given back, taken again and shared: what the cases of the chapter have in common.

pub mod closed;
pub mod give;
pub mod info;
pub mod misuse;
pub mod shares;
pub mod shim;
pub mod watch;

use crate::case::{Fail, Needs, Outcome, check};
use crate::cases::tools::{expect, op, status};
use crate::env::Env;
use crate::raw::{self, Bound, load, store};
use tenon_abi::Features;
use tenon_rings::Mapping;

/// What most of the cases need.
pub(super) const MEMORY: Needs = Needs { features: Features::MEMORY, ..Needs::NONE };
/// Bytes of a whole answer of MEMORY_INFO that the cases read.
const TOLD: u64 = 64 + 16 * 16;
/// What marks memory that somebody may have changed.
pub(super) const MARK: u64 = 0x6d65_6d6f_7279_2021;

/// What MEMORY_INFO says, by the offsets of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cases) struct Info {
    pub(super) target: u64,
    pub(super) memory: u64,
    pub(super) given: u64,
    pub(super) granule: u64,
    pub(super) max_range: u64,
    pub(super) pieces: u64,
}

/// A page for MEMORY_INFO, and what it says.
pub(in crate::cases) struct Desk {
    pub(super) page: Mapping,
    pub(super) at: u64,
}

impl Desk {
    pub(super) fn new(env: &dyn Env) -> Result<Self, Fail> {
        let (page, at) = raw::pages(env, 4096, 4096)?;
        Ok(Self { page, at })
    }

    pub(super) fn info(&self, bound: &mut Bound) -> Result<Info, Fail> {
        let told = expect(bound, op::MEMORY_INFO, &[self.at, TOLD], status::OK, "MEMORY_INFO")?;
        check(told >= 64, "MEMORY_INFO wrote less than its structure")?;
        let word = |at: usize| load(&self.page, at);
        Ok(Info {
            target: word(0x00),
            memory: word(0x08),
            given: word(0x10),
            granule: word(0x18),
            max_range: word(0x20),
            pieces: word(0x28),
        })
    }

    /// A piece as the last answer told it.
    pub(super) fn piece(&self, index: u64) -> (u64, u64) {
        let at = 64 + index as usize * 16;
        (load(&self.page, at), load(&self.page, at + 8))
    }

    /// The offset behind the last byte of memory.
    pub(super) fn end(&self, info: &Info) -> u64 {
        let (offset, len) = self.piece(info.pieces.clamp(1, 16) - 1);
        offset + len
    }
}

/// What overlaps the second and third of four units: the first unit, how many, and what that is.
const OVERLAPS: [(u64, u64, &str); 6] = [
    (1, 2, "the same range again"),
    (1, 1, "its front again"),
    (2, 1, "its end again"),
    (0, 2, "a range that ends in it"),
    (2, 2, "a range that begins in it"),
    (0, 4, "a range around it"),
];

/// Cleared memory of the guest's own, so many granules of giving: never shared.
pub(super) fn ground(env: &dyn Env, info: &Info, granules: u64) -> Result<(Mapping, u64), Fail> {
    let len = usize::try_from(info.granule * granules).map_err(|_| Fail::Error("no pages left"))?;
    env.pages(len, info.granule as usize).ok_or(Fail::Error("no pages left"))
}

/// One call after the other until all of a range is done: how a guest gives, takes and shares.
pub(super) fn all_of(bound: &mut Bound, op: u16, at: u64, len: u64, more: u64, unit: u64) -> Outcome {
    let mut done = 0;
    while done < len {
        let args = [at + done, len - done, more];
        let args = if more == 0 { &args[..2] } else { &args[..] };
        let value = expect(bound, op, args, status::OK, "a call of MEM-2")?;
        check(value != 0 && value <= len - done && value.is_multiple_of(unit), "bytes of one call")?;
        done += value;
    }
    Ok(())
}

/// Gives or takes all of a range.
pub(super) fn whole(bound: &mut Bound, info: &Info, op: u16, at: u64, len: u64) -> Outcome {
    all_of(bound, op, at, len, 0, info.granule)
}

/// Marks a word of each 512 bytes.
pub(super) fn mark(page: &Mapping, from: u64, to: u64) {
    (from..to).step_by(512).for_each(|at| store(page, at as usize, MARK ^ at));
}

/// Whether each of them is still there, or zero.
pub(super) fn marked(page: &Mapping, from: u64, to: u64) -> Outcome {
    for at in (from..to).step_by(512) {
        let found = load(page, at as usize);
        if found != MARK ^ at {
            return Err(Fail::Failed("memory that was not given has changed", at, found));
        }
    }
    Ok(())
}

/// Whether a range holds nothing but zeros: its first words, and one in each 64 bytes.
pub(super) fn zeros(page: &Mapping, from: u64, to: u64) -> Outcome {
    for at in (from..to).step_by(64) {
        let found = load(page, at as usize);
        if found != 0 {
            return Err(Fail::Failed("memory that was taken again is not zero", at, found));
        }
    }
    Ok(())
}
