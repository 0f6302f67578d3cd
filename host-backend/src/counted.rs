// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counts of a domain (MET-4, MET-5).

use serde::{Deserialize, Serialize};
use tenon_abi::meter::{EPOCH_LEN, Meter, MeterRow};
use tenon_rings::planted;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

/// Declares the counts. One line each: field, number. The order is that of the numbers (MET-1).
macro_rules! counts {
    ($($field:ident $number:ident;)*) => {
        /// The counts of one epoch.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct Counts {
            $( pub(crate) $field: u64, )*
        }

        /// How many there are.
        const ROWS: usize = [$(Meter::$number),*].len();

        impl Counts {
            const fn rows(&self) -> [(Meter, u64); ROWS] {
                [$((Meter::$number, self.$field)),*]
            }
        }
    };
}

counts! {
    calls CALLS;
    batches BATCHES;
    controls CONTROLS;
    events EVENTS;
    upcalls UPCALLS;
    direct_interrupts DIRECT_INTERRUPTS;
    console_out CONSOLE_OUT;
    console_in CONSOLE_IN;
    entropy ENTROPY;
    timers TIMERS;
    given GIVEN;
    taken TAKEN;
    shared SHARED;
}

/// Bytes of an answer with every row.
pub(crate) const ALL: usize = 8 + 16 * ROWS;

/// What a domain has counted since its epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    epoch: u64,
    counts: Counts,
}

impl Counted {
    /// Nothing yet. `epoch` is the word of the session in which the domain's host began: its number is
    /// another one for each host that the domain has had (SES-1, SES-9), and not zero.
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, counts: Counts::default() }
    }

    /// The counts, for whoever adds to them.
    #[inline(always)]
    pub(crate) const fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// Another epoch from here on.
    pub(crate) const fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// What the counts are of: another number after counts were lost (MET-4).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Each number with its count, in ascending order.
    pub fn rows(&self) -> impl Iterator<Item = (Meter, u64)> + use<> {
        self.counts.rows().into_iter()
    }

    /// One count; zero for a number that this host does not count.
    #[must_use]
    pub fn get(&self, number: Meter) -> u64 {
        self.rows().find(|(row, _)| *row == number).map_or(0, |(_, count)| count)
    }

    /// These as they follow `earlier`; `None` if a guest that has read those found one that fell (MET-4).
    /// The upcalls of a restore were sent, whatever was saved.
    pub(crate) fn following(mut self, earlier: &Self) -> Option<Self> {
        self.counts.upcalls = self.counts.upcalls.max(earlier.counts.upcalls);
        let mut pairs = self.rows().zip(earlier.rows());
        let follows = self.epoch == earlier.epoch && pairs.all(|((_, now), (_, before))| now >= before);
        follows.then_some(self)
    }

    /// Without the number of upcalls, which a restore adds to (EVT-13).
    pub(crate) const fn without_upcalls(mut self) -> Self {
        self.counts.upcalls = 0;
        self
    }

    /// Whether these can be a host's counts.
    pub(crate) const fn is_sound(&self) -> bool {
        self.epoch != 0 && self.counts.batches <= self.counts.calls
    }

    /// The answer's bytes: an epoch, and as many of the rows from `first` on as `room` bytes hold.
    pub(crate) fn answer(&self, first: u64, room: u64) -> ([u8; ALL], usize) {
        let mut bytes = [0; ALL];
        let mut len = 0usize;
        let mut put = |part: &[u8]| {
            let end = len.saturating_add(part.len());
            if let Some(to) = bytes.get_mut(len..end) {
                to.copy_from_slice(part);
                len = end;
            }
        };
        put(self.epoch.to_le().as_bytes());
        let wanted = self.rows().filter(|(number, _)| number.0 >= first || planted!("meter-first-unheard"));
        let whole = usize::try_from(room.saturating_sub(EPOCH_LEN) / 16).unwrap_or(ROWS);
        for (number, value) in wanted.take(whole) {
            put(MeterRow { number: U64::new(number.0), value: U64::new(value) }.as_bytes());
        }
        (bytes, len)
    }
}

/// More of something.
#[inline(always)]
pub(crate) const fn add(count: &mut u64, more: u64) {
    // 2^64 of anything is beyond any domain's life.
    *count = count.wrapping_add(more);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use super::*;

    /// Each number of the table has a row, in the table's order (MET-1).
    #[test]
    fn every_number_is_counted() {
        let rows: Vec<u64> = Counted::new(1).rows().map(|(number, _)| number.0).collect();
        let numbers: Vec<u64> = Meter::NUMBERS.iter().map(|number| number.value).collect();
        assert_eq!(rows, numbers);
    }

    #[test]
    fn an_answer_has_whole_rows_from_the_first_on() {
        let mut counted = Counted::new(7);
        (counted.counts.calls, counted.counts.shared) = (3, 9);
        let words = |first, room| {
            let (bytes, len) = counted.answer(first, room);
            let told = bytes.get(..len).unwrap();
            told.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>()
        };
        assert_eq!(words(0, 24), [7, 1, 3]);
        assert_eq!(words(1, 39), [7, 1, 3]);
        assert_eq!(words(2, 40), [7, 2, 0, 3, 0]);
        assert_eq!(words(Meter::SHARED.0, u64::MAX), [7, Meter::SHARED.0, 9]);
        assert_eq!(words(Meter::SHARED.0 + 1, u64::MAX), [7]);
        assert_eq!(words(0, u64::MAX).len(), 1 + 2 * ROWS);
    }
}
