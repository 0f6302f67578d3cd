// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a fault is told about one access of the host's.

use super::memory::FaultyWords;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tenon_rings::{Mapping, Site, Words};

/// Offset of the session's word in the record (SES-1).
const SESSION: usize = 0x80;
/// Bytes of the record.
const RECORD: usize = 0x100;

/// What the wrapper remembers of a host.
#[derive(Default)]
pub struct Past {
    /// The host is set up: the fault begins.
    live: AtomicBool,
    /// What the host saw, by place.
    seen: Mutex<HashMap<usize, Seen>>,
    /// Fences of raises so far.
    fences: AtomicUsize,
    /// Places where something was done once, with the session.
    done: Mutex<HashSet<(usize, u64)>>,
    /// Operation of the last submission that was looked at.
    op: AtomicU16,
    /// Where `taken` was read last: of the ring that the next entry is written to.
    ring: AtomicUsize,
    /// Position beyond the last event entry, by ring and session.
    written: Mutex<HashMap<(usize, u64), u64>>,
    /// What a ring's `taken` is at least said to be, by ring and session.
    taken: Mutex<HashMap<(usize, u64), u64>>,
    /// What an action leaves for the next one.
    mark: AtomicBool,
    /// Where the last completion was stored.
    completion: Mutex<Option<(Mapping, usize)>>,
}

/// What a raise saw at a place.
#[derive(Clone, Copy)]
struct Seen {
    /// The raise before it.
    before: u64,
    /// It.
    now: u64,
    /// Fences when it looked first.
    fences: usize,
}

impl Past {
    /// The host is set up.
    pub fn begin(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// Whether the host is set up.
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Leaves a mark for the next action; whether there was one.
    pub(super) fn mark(&self, mark: bool) -> bool {
        self.mark.swap(mark, Ordering::Relaxed)
    }

    /// Notes a load of the host's.
    pub(super) fn note_load(&self, access: &Access<'_>, value: u64) {
        match access.site {
            Site::SubmissionTake => self.op.store(value as u16, Ordering::Relaxed),
            Site::TakenRead => self.ring.store(access.place(), Ordering::Relaxed),
            _ => {}
        }
    }

    /// Notes a fence of the host's.
    pub(super) fn note_fence(&self, site: Site) {
        if site == Site::RaiseFence {
            self.fences.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes a store of the host's.
    pub(super) fn note(&self, access: &Access<'_>, value: u64) {
        match access.site {
            Site::EntryPublish => {
                let position = ((value >> 32) as u32).wrapping_sub(access.seed());
                let ring = (self.ring.load(Ordering::Relaxed), session(&access.words.window));
                lock(&self.written).insert(ring, u64::from(position));
            }
            Site::CompletionPublish => *lock(&self.completion) = Some((access.words.inner, access.index)),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One access.
pub struct Access<'a> {
    /// The words that the host's handle covers.
    pub(super) words: &'a FaultyWords,
    /// The index in them.
    pub index: usize,
    /// The site.
    pub site: Site,
}

impl Access<'_> {
    /// Words of the host's handle: of a queue or a ring, exactly its slots.
    #[must_use]
    pub fn words(&self) -> usize {
        self.words.inner.len()
    }

    /// Loads another word of the handle.
    #[must_use]
    pub fn load(&self, index: usize) -> u64 {
        self.words.inner.load(index, Site::Status)
    }

    /// Stores, as the host wanted to.
    pub fn store(&self, value: u64) {
        self.store_at(self.index, value);
    }

    /// Stores to another word of the handle.
    pub fn store_at(&self, index: usize, value: u64) {
        self.words.inner.store(index, value, self.site);
    }

    /// Offset in the record, if the word is there.
    #[must_use]
    pub fn in_record(&self) -> Option<usize> {
        let offset = self.place().checked_sub(self.words.window.base() as usize)?;
        (offset < RECORD).then_some(offset)
    }

    /// Whether the word is the session's in the record.
    #[must_use]
    pub fn is_session(&self) -> bool {
        self.in_record() == Some(SESSION)
    }

    /// The seed of the current session.
    #[must_use]
    pub fn seed(&self) -> u32 {
        session(&self.words.window) as u32
    }

    /// What the raise before saw here, in place of `value`: a load that did not wait for its fence. A raise
    /// that looks again behind its fence (EVT-9) sees no more than at first.
    #[must_use]
    pub fn stale(&self, value: u64) -> u64 {
        let fences = self.words.past.fences.load(Ordering::Relaxed);
        let first = Seen { before: value, now: value, fences };
        let mut places = lock(&self.words.past.seen);
        let seen = places.entry(self.place()).or_insert(first);
        if seen.fences == fences {
            seen.before = seen.now;
        }
        *seen = Seen { now: value, fences, ..*seen };
        seen.before
    }

    /// Whether this is the first time here in this session.
    #[must_use]
    pub fn is_first(&self) -> bool {
        lock(&self.words.past.done).insert((self.place(), session(&self.words.window)))
    }

    /// The operation that the host is looking at, or executing.
    #[must_use]
    pub fn op(&self) -> u16 {
        self.words.past.op.load(Ordering::Relaxed)
    }

    /// Loads the word at byte `offset` of the area that this word is in.
    #[must_use]
    pub fn area(&self, offset: usize) -> u64 {
        self.words.area.load(offset / 8, Site::Status)
    }

    /// Stores a completion's tail; of an operation of `ops`, with status `to` instead of `from`.
    pub fn store_status(&self, value: u64, ops: RangeInclusive<u16>, from: u64, to: u64) {
        let found =
            self.site == Site::CompletionPublish && value & 0xffff == from && ops.contains(&self.op());
        self.store(if found { value & !0xffff | to } else { value });
    }

    /// Stores a word; where it is the value of a completion of `ops`, another one instead.
    pub fn store_value(&self, value: u64, ops: RangeInclusive<u16>, other: u64) {
        let found = self.site == Site::CompletionBody && ops.contains(&self.op());
        self.store(if found { other } else { value });
    }

    /// A submission's tail as that of a NOP, if it is one of `ops` with arguments for which `wrong` is true.
    #[must_use]
    pub fn as_nop(&self, value: u64, ops: RangeInclusive<u16>, wrong: impl FnOnce([u64; 2]) -> bool) -> u64 {
        let found = self.site == Site::SubmissionTake && ops.contains(&(value as u16));
        // The tail is the last of eight words, the arguments begin with the second.
        if found && wrong([6, 5].map(|back| self.load(self.index - back))) {
            value & !0xffff | 0x0100
        } else {
            value
        }
    }

    /// Where `taken` is read: the position beyond the last entry that the host wrote to that ring.
    #[must_use]
    pub fn written(&self) -> u64 {
        lock(&self.words.past.written).get(&self.ring()).copied().unwrap_or(0)
    }

    /// Where `taken` is read: `value`, but from the moment that `forget` is true, all that was written until
    /// then passes for taken.
    #[must_use]
    pub fn taken(&self, value: u64, forget: bool) -> u64 {
        let mut taken = lock(&self.words.past.taken);
        let least = taken.entry(self.ring()).or_default();
        if forget {
            *least = self.written();
        }
        value.max(*least)
    }

    fn ring(&self) -> (usize, u64) {
        (self.place(), session(&self.words.window))
    }

    /// Stores where the last completion was stored.
    pub fn store_at_last_completion(&self, value: u64) {
        if let Some((words, index)) = *lock(&self.words.past.completion) {
            words.store(index, value, Site::Status);
        }
    }

    fn place(&self) -> usize {
        self.words.inner.base() as usize + self.index * 8
    }
}

/// The session's word in the window's record.
pub(super) fn session(window: &Mapping) -> u64 {
    window.load(SESSION / 8, Site::ControlTake)
}
