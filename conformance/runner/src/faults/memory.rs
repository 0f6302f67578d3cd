// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's memory, with a fault in what the host loads, stores and reads.

use super::access::{Access, Past, session};
use super::{Fault, Line};
use crate::guest::memory::GuestMemory;
use tenon_host::Memory;
use tenon_rings::{Mapping, Site, Words};

/// Bytes of a control request: no payload of the cases has this length in one piece at the start of a
/// granule.
const REQUEST: usize = 128;

/// A loopback guest's memory behind a fault.
#[derive(Clone, Copy)]
pub struct FaultyMemory {
    inner: GuestMemory,
    fault: &'static Fault,
    past: &'static Past,
}

impl FaultyMemory {
    /// Puts `fault` between a host and `inner`. It is sound until [`Past::begin`].
    #[must_use]
    pub const fn new(inner: GuestMemory, fault: &'static Fault, past: &'static Past) -> Self {
        Self { inner, fault, past }
    }

    fn wrap(&self, inner: Mapping) -> FaultyWords {
        let window = self.inner.window();
        FaultyWords { inner, area: inner, window, fault: self.fault, past: self.past }
    }

    /// What the wrapper remembers.
    pub(super) const fn past(&self) -> &Past {
        self.past
    }
}

impl Memory for FaultyMemory {
    type Words = FaultyWords;

    fn region_len(&self, region: u16) -> Option<u64> {
        let len = self.inner.region_len(region)?;
        match self.fault.line {
            Line::Length(line) if self.past.is_live() => Some(line(len)),
            _ => Some(len),
        }
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<FaultyWords> {
        self.inner.words(region, offset, len).map(|inner| self.wrap(inner))
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        if !self.inner.read(region, offset, out) {
            // A host that has the length wrong reads on behind the end, whatever is there.
            return matches!(self.fault.line, Line::Length(_));
        }
        if let (Line::Request(line), Ok(bytes)) = (&self.fault.line, <&mut [u8; REQUEST]>::try_from(out)) {
            let mut words = [0; REQUEST / 8];
            let (parts, _) = bytes.as_chunks_mut::<8>();
            for (word, part) in words.iter_mut().zip(parts.iter()) {
                *word = u64::from_le_bytes(*part);
            }
            line(&mut words, session(&self.inner.window()));
            for (word, part) in words.iter().zip(parts) {
                *part = word.to_le_bytes();
            }
        }
        true
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        match self.fault.line {
            Line::Write(line) => line(self.inner, offset, data),
            _ => self.inner.write(region, offset, data),
        }
    }

    fn window(&self) -> FaultyWords {
        self.wrap(self.inner.window())
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        self.inner.piece(index)
    }
}

/// Words behind a fault.
#[derive(Clone, Copy)]
pub struct FaultyWords {
    pub(super) inner: Mapping,
    /// What the host asked the memory for, before it took a part of that.
    pub(super) area: Mapping,
    /// The whole window, as the host sees it.
    pub(super) window: Mapping,
    fault: &'static Fault,
    pub(super) past: &'static Past,
}

impl Words for FaultyWords {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        let value = self.inner.load(index, site);
        let access = Access { words: self, index, site };
        self.past.note_load(&access, value);
        match self.fault.line {
            Line::Load(line) => line(&access, value),
            _ => value,
        }
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        let access = Access { words: self, index, site };
        match self.fault.line {
            Line::Store(line) if self.past.is_live() => line(&access, value),
            _ => access.store(value),
        }
        self.past.note(&access, value);
    }

    fn fence(&self, site: Site) {
        self.past.note_fence(site);
        self.inner.fence(site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { inner: self.inner.slice(first, len)?, ..*self })
    }
}
