// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written before the guest starts.

use crate::Error;
use crate::layout::{Layout, last};
use std::borrow::Cow;

/// What belongs into a machine's memory, and where its first vCPU starts. It borrows the image and is as
/// long as that at most.
///
/// All of it was checked: each write lies in RAM, and no two overlap. The memory is zero before; where it
/// may not be, write zeros to [`Plan::zeros`] as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    writes: Vec<(u64, Cow<'a, [u8]>)>,
    zeros: Vec<(u64, u64)>,
    entry: u64,
    argument: u64,
}

impl<'a> Plan<'a> {
    /// Checks an image's segments against the machine: `passed` is where the monitor leaves something for
    /// the guest.
    pub(crate) fn of(
        mut segments: Vec<Segment<'a>>,
        layout: &Layout,
        passed: (u64, u64),
        entry: u64,
    ) -> Result<Self, Error> {
        segments.sort_unstable_by_key(|segment| segment.address);
        let mut before: Option<(u64, u64)> = None;
        for segment in &segments {
            let Segment { address, len, .. } = *segment;
            let end = last(address, len).filter(|_| layout.is_ram(address, len));
            let end = end.ok_or(Error::NeedsMemory { address, len })?;
            if let Some((other, before)) = before
                && address <= before
            {
                return Err(Error::Overlap { address, other });
            }
            before = Some((address, end));
            let (passed, len) = passed;
            if last(passed, len).is_some_and(|passed_end| address <= passed_end && passed <= end) {
                return Err(Error::Overlap { address, other: passed });
            }
        }
        if segments.is_empty() {
            return Err(Error::Empty);
        }
        if !segments.iter().any(|segment| segment.holds(entry)) {
            return Err(Error::BadEntry(entry));
        }
        let zeros = segments.iter().filter_map(Segment::zeros).collect();
        let with_bytes = segments.into_iter().filter(|segment| !segment.bytes.is_empty());
        let writes = with_bytes.map(|segment| (segment.address, Cow::Borrowed(segment.bytes))).collect();
        Ok(Self { writes, zeros, entry, argument: 0 })
    }

    /// The same with what the monitor passes: bytes, and the argument by which the guest finds them.
    pub(crate) fn passing(mut self, data: Vec<(u64, Vec<u8>)>, argument: u64) -> Self {
        self.writes.extend(data.into_iter().map(|(address, bytes)| (address, Cow::Owned(bytes))));
        self.argument = argument;
        self
    }

    /// Each write: a guest-physical address, and the bytes that belong there.
    pub fn writes(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.writes.iter().map(|(address, bytes)| (*address, &**bytes))
    }

    /// The parts of the image's memory that have no bytes in its file and read as zero, as (address, length).
    pub fn zeros(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.zeros.iter().copied()
    }

    /// Where the first vCPU starts.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// What it finds in EBX or X0.
    #[must_use]
    pub const fn argument(&self) -> u64 {
        self.argument
    }
}

/// A part of an image: bytes of its file, and zeros behind them up to `len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) address: u64,
    pub(crate) len: u64,
    pub(crate) bytes: &'a [u8],
}

impl Segment<'_> {
    const fn holds(&self, address: u64) -> bool {
        match address.checked_sub(self.address) {
            Some(offset) => offset < self.len,
            None => false,
        }
    }

    fn zeros(&self) -> Option<(u64, u64)> {
        let bytes = u64::try_from(self.bytes.len()).ok()?;
        let len = self.len.checked_sub(bytes).filter(|&len| len != 0)?;
        Some((self.address.checked_add(bytes)?, len))
    }
}
