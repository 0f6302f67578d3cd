// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host counts, by hand and through the shim (MET-1 to MET-5).

pub mod counts;
pub mod read;
pub mod shim;

use crate::case::{Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{expect, op, status};
use crate::raw::{self, Bound, load};
use tenon_abi::Features;
use tenon_rings::Mapping;

const METER: Needs = Needs { features: Features::METER, ..Needs::NONE };

/// Numbers of rows, as the spec prints them.
mod row {
    pub(super) const CALLS: u64 = 1;
    pub(super) const BATCHES: u64 = 2;
    pub(super) const CONTROLS: u64 = 3;
    pub(super) const EVENTS: u64 = 4;
    pub(super) const UPCALLS: u64 = 5;
    pub(super) const DIRECT_INTERRUPTS: u64 = 6;
    pub(super) const CONSOLE_OUT: u64 = 7;
    pub(super) const CONSOLE_IN: u64 = 8;
    pub(super) const ENTROPY: u64 = 9;
}

/// Bytes of the page that is read to: more than any host of this version needs.
const LEN: u64 = 4096;
/// Rows that are looked at: a host may have more, which a guest passes over.
const ROWS: usize = 128;

/// A bound vCPU with a page to read the meter to.
struct Desk {
    bound: Bound,
    page: (Mapping, u64),
}

/// An answer of METER_READ.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Answer {
    epoch: u64,
    rows: [(u64, u64); ROWS],
    len: usize,
}

impl Answer {
    /// The words of an answer of `bytes` bytes: an epoch, and rows in ascending order from `first` on.
    fn of(page: &Mapping, bytes: u64, first: u64) -> Result<Self, Fail> {
        check(
            bytes >= 8 && (bytes - 8).is_multiple_of(16),
            "the value is not that of an epoch and whole rows",
        )?;
        let len = ((bytes - 8) / 16) as usize;
        check(len <= ROWS, "more rows than this case looks at")?;
        let mut answer = Self { epoch: load(page, 0), rows: [(0, 0); ROWS], len };
        let mut least = first;
        for (index, row) in answer.rows.iter_mut().take(len).enumerate() {
            *row = (load(page, 8 + index * 16), load(page, 16 + index * 16));
            if row.0 < least {
                return Err(Fail::Failed("a row out of order, or below the first", row.0, least));
            }
            least = row.0.saturating_add(1);
        }
        check(answer.epoch != 0, "an epoch of zero")?;
        Ok(answer)
    }

    fn rows(&self) -> &[(u64, u64)] {
        self.rows.get(..self.len).unwrap_or_default()
    }

    /// The count of a row that has to be there.
    fn get(&self, number: u64) -> Result<u64, Fail> {
        let found = self.rows().iter().find(|row| row.0 == number);
        found.map(|row| row.1).ok_or(Fail::Failed("a row is missing", number, 0))
    }

    /// Whether nothing fell or went since `before`, in the same epoch (MET-4).
    fn follows(&self, before: &Self) -> Outcome {
        equal(self.epoch, before.epoch, "another epoch")?;
        for (number, count) in before.rows() {
            let now = self.get(*number)?;
            if now < *count {
                return Err(Fail::Failed("a count fell", now, *count));
            }
        }
        Ok(())
    }

    /// What a row has more than in `before`.
    fn more(&self, before: &Self, number: u64) -> Result<u64, Fail> {
        Ok(self.get(number)?.wrapping_sub(before.get(number)?))
    }
}

impl Desk {
    fn open(ctx: &Ctx) -> Result<Self, Fail> {
        let bound = raw::attach(ctx.env)?;
        Ok(Self { bound, page: raw::pages(ctx.env, LEN as usize, 4096)? })
    }

    /// Every row.
    fn read(&mut self) -> Result<Answer, Fail> {
        self.read_from(0)
    }

    fn read_from(&mut self, first: u64) -> Result<Answer, Fail> {
        let args = [first, self.page.1, LEN];
        let bytes = expect(&mut self.bound, op::METER_READ, &args, status::OK, "METER_READ")?;
        check(bytes <= LEN, "more bytes than there is room for")?;
        Answer::of(&self.page.0, bytes, first)
    }
}
