// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that refuses every byte that was neither handed over nor shared (MEM-11): the model of a machine
//! that keeps its memory from its host, and what the conformance suite runs closed domains on.

use super::Memory;
use crate::device::Arena;
use std::boxed::Box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;
use tenon_abi::Rights;
use tenon_rings::{Site, Words};

/// A refused access: what was tried, where it begins, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was tried.
    pub what: &'static str,
    /// Where it begins in region 0.
    pub offset: u64,
    /// Its length.
    pub len: u64,
}

/// How long ranges that were handed over are the host's.
type Lives = Arc<[Arc<AtomicBool>]>;

type OnRefused = Box<dyn Fn(Refused) + Send + Sync>;

/// What is open, for the memory that asks and for the attachment that does
/// [`crate::MemoryAction::Share`] and [`crate::MemoryAction::Unshare`].
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    open: Mutex<Vec<Open>>,
    refused: AtomicU64,
    on_refused: OnRefused,
}

/// An open range.
struct Open {
    start: u64,
    end: u64,
    rights: Rights,
    /// `None`: shared for payload. Else handed over, and for how long.
    alive: Option<Arc<AtomicBool>>,
    /// How often it was handed over: arenas of several devices may be one range (DEV-6).
    times: u32,
}

impl Open {
    fn is_handed_over(&self, start: u64, end: u64) -> bool {
        self.alive.is_some() && (self.start, self.end) == (start, end)
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("refused", &self.refused()).finish_non_exhaustive()
    }
}

impl Guard {
    /// Nothing is open. `on_refused` is told of each access that is refused: it is called within an entry
    /// into the domain.
    #[must_use]
    pub fn new(on_refused: impl Fn(Refused) + Send + Sync + 'static) -> Self {
        let (open, refused) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { open, refused, on_refused: Box::new(on_refused) }))
    }

    /// How many accesses were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a range for payload.
    pub fn share(&self, offset: u64, len: u64, rights: Rights) {
        self.open().push(Open {
            start: offset,
            end: offset.saturating_add(len),
            rights,
            alive: None,
            times: 1,
        });
    }

    /// Closes a range that was opened for payload, in one share or in several.
    pub fn unshare(&self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let mut open = self.open();
        let mut kept = Vec::with_capacity(open.len().saturating_add(1));
        for range in open.drain(..) {
            let Open { start, end: last, rights, alive: None, .. } = range else {
                kept.push(range);
                continue;
            };
            for (start, end) in [(start, last.min(offset)), (start.max(end), last)] {
                if start < end {
                    kept.push(Open { start, end, rights, alive: None, times: 1 });
                }
            }
        }
        *open = kept;
    }

    /// Opens a range that is handed over.
    pub(crate) fn hand_over(&self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let mut open = self.open();
        if let Some(again) = open.iter_mut().find(|range| range.is_handed_over(offset, end)) {
            again.times = again.times.saturating_add(1);
            return;
        }
        let alive = Some(Arc::new(AtomicBool::new(true)));
        open.push(Open { start: offset, end, rights: Rights::all(), alive, times: 1 });
    }

    /// Closes it again, as often as it was handed over, and what was reached there.
    pub(crate) fn let_go(&self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let mut open = self.open();
        let Some(at) = open.iter().position(|range| range.is_handed_over(offset, end)) else { return };
        let Some(range) = open.get_mut(at) else { return };
        range.times = range.times.saturating_sub(1);
        if range.times == 0
            && let Some(alive) = open.swap_remove(at).alive
        {
            alive.store(false, Ordering::Relaxed);
        }
    }

    /// Closes all that was opened for payload.
    pub(crate) fn end_session(&self) {
        self.open().retain(|range| range.alive.is_some());
    }

    /// Whether all of a range is open with these rights; it is recorded if not.
    pub(crate) fn admits(&self, what: &'static str, offset: u64, len: u64, rights: Rights) -> bool {
        let mut next = offset;
        let end = offset.saturating_add(len);
        {
            let open = self.open();
            // Each round goes on by one range at least.
            while next < end {
                let here = open.iter().filter(|range| range.start <= next && range.rights.contains(rights));
                match here.map(|range| range.end).max().filter(|last| *last > next) {
                    Some(last) => next = last,
                    None => break,
                }
            }
        }
        next >= end || self.refuse(Refused { what, offset, len })
    }

    /// The lives of the ranges that were handed over and hold this one, as arenas and areas may lie over each
    /// other; it is recorded if there is none.
    pub(crate) fn area(&self, offset: u64, len: u64) -> Option<Lives> {
        let end = offset.saturating_add(len);
        let open = self.open();
        let holds = open.iter().filter(|range| range.start <= offset && end <= range.end);
        let lives: Lives = holds.filter_map(|range| range.alive.clone()).collect();
        drop(open);
        if lives.is_empty() {
            self.refuse(Refused { what: "an area", offset, len });
            return None;
        }
        Some(lives)
    }

    fn refuse(&self, refused: Refused) -> bool {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        (self.0.on_refused)(refused);
        false
    }
}

/// Memory behind a guard.
#[derive(Clone, Debug)]
pub struct Closed<M> {
    inner: M,
    guard: Guard,
}

impl<M: Memory> Closed<M> {
    /// Closes `inner`.
    pub const fn new(inner: M, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

impl<M: Memory> Memory for Closed<M> {
    type Words = Revocable<M::Words>;

    fn region_len(&self, region: u16) -> Option<u64> {
        self.inner.region_len(region)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Self::Words> {
        let alive = self.guard.area(offset, len)?;
        let inner = self.inner.words(region, offset, len)?;
        Some(Revocable { inner, life: Some((alive, self.guard.clone(), offset)) })
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        let len = u64::try_from(out.len()).unwrap_or(u64::MAX);
        self.guard.admits("a read", offset, len, Rights::READ) && self.inner.read(region, offset, out)
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.guard.admits("a write", offset, len, Rights::WRITE) && self.inner.write(region, offset, data)
    }

    fn window(&self) -> Self::Words {
        Revocable { inner: self.inner.window(), life: None }
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        self.inner.piece(index)
    }

    fn hand_over(&self, offset: u64, len: u64) {
        self.guard.hand_over(offset, len);
    }

    fn let_go(&self, offset: u64, len: u64) {
        self.guard.let_go(offset, len);
    }

    /// The guard opens it as a whole when it is handed over, so what the device touches there is not asked
    /// for again.
    fn arena(&self, offset: u64, len: u64) -> Option<Arena> {
        self.inner.arena(offset, len)
    }

    fn end_session(&self) {
        self.guard.end_session();
        self.inner.end_session();
    }
}

/// Words of an area, which refuse once the area is the guest's again, and no arena holds it.
#[derive(Clone, Debug)]
pub struct Revocable<W> {
    inner: W,
    /// Of the window: `None`, it is the host's own.
    life: Option<(Lives, Guard, u64)>,
}

impl<W: Words> Revocable<W> {
    fn is_open(&self, what: &'static str) -> bool {
        match &self.life {
            Some((lives, guard, offset)) => {
                lives.iter().any(|alive| alive.load(Ordering::Relaxed))
                    || guard.refuse(Refused { what, offset: *offset, len: 8 })
            }
            None => true,
        }
    }
}

impl<W: Words> Words for Revocable<W> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        if self.is_open("a load from an area") { self.inner.load(index, site) } else { 0 }
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        if self.is_open("a store to an area") {
            self.inner.store(index, value, site);
        }
    }

    fn fence(&self, site: Site) {
        self.inner.fence(site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { inner: self.inner.slice(first, len)?, life: self.life.clone() })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test ends where memory cannot be had")]
mod tests {
    use super::*;
    use crate::loopback::Ram;

    /// Arenas of two devices may be one range: it is open until both are closed (DEV-6, DEV-12).
    #[test]
    fn a_range_that_was_handed_over_twice_is_open_until_it_was_let_go_twice() {
        let guard = Guard::new(|_| {});
        let memory = Closed::new(Ram::new(0x1000, 0x1000).expect("memory"), guard.clone());
        memory.hand_over(0x100, 0x200);
        let first = memory.words(0, 0x100, 0x40).expect("it is open");
        memory.hand_over(0x100, 0x200);
        let second = memory.words(0, 0x140, 0x40).expect("it is open");
        first.store(0, 7, Site::Status);
        memory.let_go(0x100, 0x200);
        second.store(0, 9, Site::Status);
        assert_eq!((first.load(0, Site::Status), second.load(0, Site::Status)), (7, 9));
        assert_eq!(guard.refused(), 0);
        memory.let_go(0x100, 0x200);
        assert_eq!((first.load(0, Site::Status), guard.refused()), (0, 1));
        assert!(memory.words(0, 0x100, 0x40).is_none());
    }
}
