// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest gave and what it shared, as ranges of region 0, and what the attachment is doing about it.
//! All of it is bounded by the host's own numbers (MEM-6, MEM-12).

use crate::action::{Action, MemoryAction};
use crate::late::Key;
use crate::range::Range;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::{Rights, Status};
use tenon_rings::planted;

/// Jobs of the attachment that may be under way at once.
pub(crate) const MAX_JOBS: usize = 64;

/// A range without a gap, all of it with the same rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    start: u64,
    end: u64,
    rights: u64,
}

/// Ranges of region 0 in ascending order. Two that touch differ in their rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ranges(Vec<Run>);

impl Ranges {
    /// Runs that have a byte in the range.
    fn inside(&self, range: Range) -> impl Iterator<Item = &Run> {
        let end = range.end();
        let first = self.0.partition_point(|run| run.end <= range.offset);
        self.0.iter().skip(first).take_while(move |run| run.start < end)
    }

    /// Whether any byte of the range is here.
    pub(crate) fn touches(&self, range: Range) -> bool {
        range.region == 0 && self.inside(range).next().is_some()
    }

    /// Whether every byte of the range is here, with all of these rights.
    pub(crate) fn covers(&self, range: Range, rights: Rights) -> bool {
        let mut next = range.offset;
        for run in self.inside(range) {
            if run.start > next || !Rights::from_bits_retain(run.rights).contains(rights) {
                return false;
            }
            next = run.end;
        }
        range.region == 0 && next >= range.end()
    }

    /// How many separate ranges there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// How many bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().fold(0, |sum, run| sum.saturating_add(run.end.saturating_sub(run.start)))
    }

    /// Adds a range, none of which is here.
    pub(crate) fn insert(&mut self, range: Range, rights: Rights) {
        let mut new = Run { start: range.offset, end: range.end(), rights: rights.bits() };
        let mut at = self.0.partition_point(|run| run.end < new.start);
        if let Some(before) = self.0.get(at).filter(|run| run.end == new.start && run.rights == new.rights) {
            new.start = before.start;
            self.0.remove(at);
        } else if self.0.get(at).is_some_and(|run| run.end == new.start) {
            at = at.saturating_add(1);
        }
        if let Some(after) = self.0.get(at).filter(|run| run.start == new.end && run.rights == new.rights) {
            new.end = after.end;
            self.0.remove(at);
        }
        self.0.insert(at.min(self.0.len()), new);
    }

    /// Takes a range out.
    pub(crate) fn remove(&mut self, range: Range) {
        let (start, end) = (range.offset, range.end());
        let mut kept = Vec::with_capacity(self.0.len().saturating_add(1));
        for run in &self.0 {
            let front = Run { end: run.end.min(start), ..*run };
            let back = Run { start: run.start.max(end), ..*run };
            kept.extend([front, back].into_iter().filter(|part| part.start < part.end));
        }
        self.0 = kept;
    }

    /// Whether taking this range out leaves one run in two parts.
    pub(crate) fn splits(&self, range: Range) -> bool {
        self.inside(range).any(|run| run.start < range.offset && run.end > range.end())
    }

    /// Every range, with its rights.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Range, Rights)> + '_ {
        self.0.iter().map(|run| {
            let range = Range { region: 0, offset: run.start, len: run.end.saturating_sub(run.start) };
            (range, Rights::from_bits_retain(run.rights))
        })
    }

    /// Whether no guest can have made them otherwise: none empty, in order, apart.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().all(|run| run.start < run.end)
            && self.0.windows(2).all(
                |pair| matches!(pair, [a, b] if a.end < b.start || a.end == b.start && a.rights != b.rights),
            )
    }
}

/// What an attachment does for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    Give,
    Take,
    Hint,
    Share { rights: u64 },
    Unshare,
}

/// A request that waits for the attachment. Its asker may have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) queue: u32,
    pub(crate) id: u16,
    pub(crate) work: Work,
    offset: u64,
    len: u64,
}

impl Job {
    pub(crate) const fn range(&self) -> Range {
        Range { region: 0, offset: self.offset, len: self.len }
    }

    pub(crate) const fn key(&self) -> Key {
        (self.queue, self.id)
    }

    /// What the attachment is asked.
    pub(crate) fn action(&self) -> Action {
        ask(self.number, self.work, self.range())
    }
}

/// What the attachment is asked about a range; job 0 needs no answer.
pub(crate) fn ask(job: u32, work: Work, range: Range) -> Action {
    let Range { offset, len, .. } = range;
    match work {
        Work::Give => MemoryAction::Give { job, offset, len },
        Work::Take => MemoryAction::Take { job, offset, len },
        Work::Hint => MemoryAction::Hint { job, offset, len },
        Work::Share { rights } => {
            MemoryAction::Share { job, offset, len, rights: Rights::from_bits_retain(rights) }
        }
        Work::Unshare => MemoryAction::Unshare { job, offset, len },
    }
    .into()
}

/// What is given, what is shared, and what is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Given, also while it is on its way there or back (MEM-6).
    pub(crate) given: Ranges,
    /// Shared for payload (MEM-12).
    pub(crate) shared: Ranges,
    pub(crate) jobs: Vec<Job>,
    /// The number of the last job.
    last: u32,
}

impl Ledger {
    /// Whether a job is under way somewhere in the range.
    pub(crate) fn is_moving(&self, range: Range) -> bool {
        self.jobs.iter().any(|job| job.range().overlaps(range))
    }

    /// Begins a job; its number.
    pub(crate) fn begin(&mut self, key: Key, work: Work, range: Range) -> Result<Job, Status> {
        if self.jobs.len() >= MAX_JOBS {
            return Err(Status::NO_CAPACITY);
        }
        // Zero is nobody's.
        self.last = self.last.checked_add(1).unwrap_or(1);
        let (queue, id) = key;
        let job = Job { number: self.last, queue, id, work, offset: range.offset, len: range.len };
        self.jobs.push(job);
        Ok(job)
    }

    /// Takes a job that has come to its end.
    pub(crate) fn end(&mut self, number: u32) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.number == number)?;
        Some(self.jobs.remove(at))
    }

    /// As it is saved.
    pub(crate) fn save(&self) -> Self {
        let mut saved = self.clone();
        if planted!("save-loses-given") {
            saved.given = Ranges::default();
        }
        if planted!("save-loses-shared") {
            saved.shared = Ranges::default();
        }
        saved
    }

    /// The session is over: everything is the guest's, and nothing is shared (MEM-9, MEM-14).
    pub(crate) fn clear(&mut self) {
        // Numbers go on: an answer that comes late is to no job of the next session.
        *self = Self { last: self.last, ..Self::default() };
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests may panic"
)]
mod tests {
    use super::*;
    use alloc::vec;

    const fn range(start: u64, end: u64) -> Range {
        Range { region: 0, offset: start, len: end.wrapping_sub(start) }
    }

    /// Every short history of ranges, against a bit for each place.
    #[test]
    fn ranges_are_what_a_bit_for_each_place_says() {
        const PLACES: u64 = 8;
        let rights = [Rights::READ, Rights::all()];
        let mut seed = 7u64;
        for _ in 0..2000 {
            let (mut ranges, mut bits) = (Ranges::default(), [None; 8]);
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let word = seed.to_be_bytes();
                let start = u64::from(word[0]) % PLACES;
                let end = start + 1 + u64::from(word[1]) % (PLACES - start);
                let (this, right) = (range(start, end), rights[usize::from(word[2] % 2)]);
                let places = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
                let here = &mut bits[places];
                assert_eq!(ranges.touches(this), here.iter().any(Option::is_some));
                assert_eq!(
                    ranges.covers(this, Rights::READ | right),
                    here.iter().all(|bit: &Option<Rights>| bit.is_some_and(|bit| bit.contains(right)))
                );
                if !ranges.touches(this) {
                    ranges.insert(this, right);
                    here.fill(Some(right));
                } else {
                    let (before, splits) = (ranges.count(), ranges.splits(this));
                    ranges.remove(this);
                    here.fill(None);
                    assert!(ranges.count() <= before + usize::from(splits));
                }
                assert!(ranges.is_sound(), "{ranges:?}");
                assert_eq!(
                    ranges.bytes(),
                    u64::try_from(bits.iter().filter(|bit| bit.is_some()).count()).unwrap()
                );
                let listed: Vec<_> = ranges.iter().flat_map(|(range, _)| range.offset..range.end()).collect();
                let whole: Vec<_> =
                    (0..PLACES).filter(|place| bits[usize::try_from(*place).unwrap()].is_some()).collect();
                assert_eq!(listed, whole);
            }
        }
    }

    #[test]
    fn another_region_is_never_here() {
        let mut ranges = Ranges::default();
        ranges.insert(range(0, 8), Rights::all());
        let other = Range { region: 1, ..range(0, 4) };
        assert!(!ranges.touches(other) && !ranges.covers(other, Rights::READ));
    }

    #[test]
    fn a_late_answer_is_to_no_job_of_the_next_session() {
        let mut ledger = Ledger::default();
        let first = ledger.begin((0, 1), Work::Give, range(0, 8)).unwrap();
        ledger.clear();
        let second = ledger.begin((0, 1), Work::Give, range(0, 8)).unwrap();
        assert_ne!(first.number, second.number);
        assert_eq!((ledger.end(first.number), ledger.end(second.number)), (None, Some(second)));
        assert_eq!(vec![second.key()], [(0, 1)]);
    }
}
