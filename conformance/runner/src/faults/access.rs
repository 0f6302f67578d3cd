// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a fault is told about one access of the host's.

use super::memory::FaultyWords;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Values as they were at the last look, by place.
    seen: Mutex<HashMap<usize, u64>>,
    /// Places where something was done once, with the session.
    done: Mutex<HashSet<(usize, u64)>>,
    /// Position beyond the last event entry.
    written: AtomicU64,
    /// Where the last completion was stored.
    completion: Mutex<Option<(Mapping, usize)>>,
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

    /// Notes a store of the host's.
    pub(super) fn note(&self, access: &Access<'_>, value: u64) {
        match access.site {
            Site::EntryPublish => {
                let position = ((value >> 32) as u32).wrapping_sub(access.seed());
                self.written.store(u64::from(position), Ordering::Relaxed);
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

    /// What the host saw here the last time, in place of `value`: a load that did not wait for its fence.
    #[must_use]
    pub fn stale(&self, value: u64) -> u64 {
        lock(&self.words.past.seen).insert(self.place(), value).unwrap_or(value)
    }

    /// Whether this is the first time here in this session.
    #[must_use]
    pub fn is_first(&self) -> bool {
        lock(&self.words.past.done).insert((self.place(), session(&self.words.window)))
    }

    /// Position beyond the last event entry that the host wrote.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.words.past.written.load(Ordering::Relaxed)
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
