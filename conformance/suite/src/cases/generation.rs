// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generations and suspension, by hand and through the shim (LIFE-5 to LIFE-10).

pub mod repaired;
pub mod restored;
pub mod shim;
pub mod suspend;

use crate::case::{Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{expect, op, status};
use crate::raw::{self, Bound, load};
use core::sync::atomic::{Ordering, fence};
use tenon_abi::Features;
use tenon_rings::Mapping;

const GENERATION: Needs = Needs { features: Features::GENERATION.union(Features::PAGES), ..Needs::NONE };
/// With a console, by which a case asks for something.
pub(super) const ASKED: Needs =
    Needs { features: GENERATION.features.union(Features::CONSOLE), ..Needs::NONE };
/// And with ports.
const WATCHED: Needs = Needs { features: ASKED.features.union(Features::EVENTS), ..Needs::NONE };

/// The kind of the page, as the spec prints it.
const KIND: u64 = 2;
const GENERATION_BIT: u64 = 1 << 10;

/// An id: its low 64 bits, then its high 64 bits.
pub(super) type Id = [u64; 2];

/// The page of the generation, wherever it lies.
#[derive(Clone, Copy)]
pub(super) struct Page {
    memory: Mapping,
    at: usize,
}

impl Page {
    /// The page in the window, or one that is donated.
    pub(super) fn of(bound: &mut Bound) -> Result<Self, Fail> {
        if load(&bound.env.window(), 0x90) & 1 != 0 {
            let at = expect(bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
            return Ok(Self { memory: bound.env.window(), at: at as usize });
        }
        let granule = 1 << raw::granule_shift(bound.env);
        let (memory, at) = raw::pages(bound.env, granule, granule)?;
        equal(expect(bound, op::PAGE, &[KIND, at], status::OK, "PAGE")?, 0, "the value of a donated page")?;
        Ok(Self { memory, at: 0 })
    }

    fn word(&self, offset: usize) -> u64 {
        load(&self.memory, self.at + offset)
    }

    /// Grows with each id (PAGE-4).
    pub(super) fn sequence(&self) -> u64 {
        self.word(0)
    }

    /// The id of the valid copy (PAGE-4).
    pub(super) fn id(&self) -> Result<Id, Fail> {
        for _ in 0..1000 {
            let sequence = self.sequence();
            let copy = if sequence & 1 == 0 { 0x40 } else { 0x80 };
            let id = [self.word(copy), self.word(copy + 8)];
            fence(Ordering::Acquire);
            if self.sequence() == sequence {
                check(sequence != 0, "a sequence of zero")?;
                return Ok(id);
            }
        }
        Err(Fail::Failed("the sequence never stands still", self.sequence(), 0))
    }
}

/// What a case owes behind its restores: the next one finds a generation that is repaired (NET-11).
pub(super) fn repair(bound: &mut Bound) -> Outcome {
    let id = Page::of(bound)?.id()?;
    repaired(bound, id, status::OK, "REPAIRED with the id of now")
}

/// REPAIRED with this status.
pub(super) fn repaired(bound: &mut Bound, id: Id, status: u16, what: &'static str) -> Outcome {
    equal(expect(bound, op::REPAIRED, &id, status, what)?, 0, "REPAIRED's value")
}
