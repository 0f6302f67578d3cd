// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk in memory.

use super::buffers::Buffers;
use super::medium::{Fault, Medium};
use super::shape::Shape;
use std::fmt::{Debug, Formatter};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A disk that is memory of this process, and gone with it.
pub struct Memory(Mutex<Box<[u8]>>);

impl Memory {
    /// A disk of so many bytes, all zeros.
    #[must_use]
    pub fn zeroed(bytes: usize) -> Self {
        Self::new(vec![0; bytes].into_boxed_slice())
    }

    /// A disk with this on it.
    #[must_use]
    pub fn new(bytes: Box<[u8]>) -> Self {
        Self(Mutex::new(bytes))
    }

    /// A copy of what is on it.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.lock().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Box<[u8]>> {
        // Bytes have no invariant that a panic could break.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debug for Memory {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

fn range(offset: u64, len: u64) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
}

fn len(buffers: &Buffers) -> u64 {
    u64::try_from(buffers.len()).unwrap_or(u64::MAX)
}

impl Medium for Memory {
    fn shape(&self) -> Shape {
        let bytes = u64::try_from(self.lock().len()).unwrap_or(0);
        Shape {
            max_discard: 1 << 30,
            max_zero: 1 << 30,
            physical: 512,
            // Memory is as durable as the disk is: there is no cache in front of it.
            volatile_cache: false,
            ..Shape::of(bytes)
        }
    }

    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault> {
        let disk = self.lock();
        let data = range(offset, len(into)).and_then(|range| disk.get(range)).ok_or(Fault::Io)?;
        if into.put(0, data) { Ok(()) } else { Err(Fault::Io) }
    }

    fn write(&self, offset: u64, from: &Buffers) -> Result<(), Fault> {
        let mut disk = self.lock();
        let data = range(offset, len(from)).and_then(|range| disk.get_mut(range)).ok_or(Fault::Io)?;
        if from.get(0, data) { Ok(()) } else { Err(Fault::Io) }
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), Fault> {
        Ok(())
    }

    fn zero(&self, offset: u64, len: u64, _: bool) -> Result<(), Fault> {
        let mut disk = self.lock();
        range(offset, len).and_then(|range| disk.get_mut(range)).ok_or(Fault::Io)?.fill(0);
        Ok(())
    }
}
