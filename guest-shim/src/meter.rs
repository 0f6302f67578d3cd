// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host counts ([MET-1] to [MET-5]).
//!
//! [MET-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#metering
//! [MET-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#metering

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::meter::{EPOCH_LEN, Meter as Number};
use tenon_abi::{Op, Submission};
use tenon_rings::planted;

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// What the host counts.
    #[must_use]
    pub const fn meter(&self) -> Meter<'_> {
        Meter::over(self)
    }
}

/// What the host counts.
#[derive(Clone, Copy)]
pub struct Meter<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Meter<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Reads the rows from number `first` on, as many as the buffer has room for ([MET-1]). For all of them
    /// a kernel goes on at [`Reading::next_first`] while that is there, and begins again if the epoch changes
    /// on the way.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: BAD_ARGUMENT if the buffer is shorter than 24 bytes.
    ///
    /// [MET-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#metering
    pub fn read<'b>(&self, first: u32, buffer: &'b Buffer) -> Result<Reading<'b>, Error> {
        let len = u64::try_from(buffer.len()).map_err(|_| Error::TooLong)?;
        let args = [u64::from(first), buffer.address(), len, 0, 0, 0];
        let written = self.calls.call_with(Submission::new(Op::METER_READ, args))?;
        // The host's number: never more than was given, and of whole rows.
        let written = if planted!("meter-stale-rows") { len } else { written.min(len) };
        let rows = usize::try_from(written.saturating_sub(EPOCH_LEN) / 16).unwrap_or(0);
        let mut epoch = [0; 8];
        // A host that wrote less than an epoch has none.
        if written < EPOCH_LEN || !buffer.read(0, &mut epoch) {
            epoch = [0; 8];
        }
        Ok(Reading { buffer, epoch: u64::from_le_bytes(epoch), least: u64::from(first), rows, at: 0 })
    }

    /// One count with its epoch; `None` where the host has no row of that number.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn get(&self, number: Number, buffer: &Buffer) -> Result<Option<Count>, Error> {
        let Ok(first) = u32::try_from(number.0) else { return Ok(None) };
        let mut reading = self.read(first, buffer)?;
        let epoch = reading.epoch();
        let found = reading.find(|(row, _)| *row == number || planted!("meter-first-row-for-asked"));
        Ok(found.map(|(_, value)| Count { epoch, value }))
    }
}

/// One count. Two of them are compared only where their epochs are the same ([MET-4]).
///
/// [MET-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#metering
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The epoch that it is of.
    pub epoch: u64,
    /// How much there was.
    pub value: u64,
}

impl Count {
    /// How much more this is than `earlier`; `None` where the host lost its counts between the two, or where
    /// the count fell, which no host does.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<u64> {
        if self.epoch != earlier.epoch && !planted!("meter-epochs-mixed") {
            return None;
        }
        self.value.checked_sub(earlier.value)
    }
}

/// Rows of an answer, in the order of their numbers. Numbers that a kernel does not know it passes over
/// ([MET-2]).
///
/// [MET-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#metering
#[derive(Debug)]
pub struct Reading<'b> {
    buffer: &'b Buffer,
    epoch: u64,
    /// No row may have a smaller number.
    least: u64,
    rows: usize,
    at: usize,
}

impl Reading<'_> {
    /// What the counts are of; zero from a host that does not keep to the text.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where a further call of [`Meter::read`] goes on, once all rows here were taken; `None` where there
    /// were none, or no further ones can be.
    #[must_use]
    pub fn next_first(&self) -> Option<u32> {
        if self.at == 0 { None } else { u32::try_from(self.least).ok() }
    }
}

impl Iterator for Reading<'_> {
    type Item = (Number, u64);

    fn next(&mut self) -> Option<(Number, u64)> {
        if self.at >= self.rows {
            return None;
        }
        let mut words = [[0; 8]; 2];
        let from = self.at.wrapping_mul(16).wrapping_add(8);
        if !self.buffer.read(from, words.as_flattened_mut()) {
            return None;
        }
        let [number, value] = words.map(u64::from_le_bytes);
        // A host that breaks the order has no further rows: a kernel that goes on from number to number ends.
        if number < self.least {
            self.rows = self.at;
            return None;
        }
        self.least = number.saturating_add(1);
        self.at = self.at.wrapping_add(1);
        Some((Number(number), value))
    }
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}
