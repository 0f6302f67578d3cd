// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layer between the host core and its guest's memory.

use super::plan::{Lie, Plan};
use super::watch::{Part, View, Watch};
use core::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tenon_abi::Record;
use tenon_host::Memory;
use tenon_rings::{Mapping, Site, Words};

/// Bytes of a control request.
const REQUEST: usize = 128;

/// A guest's memory on the stand. A handle: copies share what they have seen.
#[derive(Clone)]
pub struct Stood<M> {
    inner: M,
    shared: Arc<Shared>,
}

struct Shared {
    watch: Arc<Watch>,
    window: Mapping,
    lie: Option<Lie>,
    holds: bool,
    /// A control request is being handed over.
    asks: AtomicBool,
    /// Completions that nobody has seen yet.
    held: Mutex<Vec<Held>>,
    /// The value of the completion that is being stored.
    value: Mutex<u64>,
}

/// A completion that is held back.
struct Held {
    words: Mapping,
    /// The index of its tail.
    index: usize,
    value: u64,
    tail: u64,
}

impl<M: Memory<Words = Mapping>> Stood<M> {
    /// Memory that is watched by `watch` and behaves as `plan` says.
    pub fn new(inner: M, watch: Arc<Watch>, plan: &Plan) -> Self {
        let window = inner.window();
        let (asks, held, value) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        let shared = Shared { watch, window, lie: plan.lie, holds: plan.shuffled, asks, held, value };
        Self { inner, shared: Arc::new(shared) }
    }

    /// The next read of a request's length is of a control request.
    pub fn expect_request(&self) {
        // What was completed before is seen before it is answered.
        self.release();
        self.shared.asks.store(true, Ordering::Relaxed);
    }

    /// Lets held completions go, the last first: each at a place of its own queue, in the order of positions.
    pub fn release(&self) -> bool {
        self.shared.release()
    }

    /// Looks at what the guest wrote.
    pub fn look(&self) {
        self.shared.watch.look(&|offset| self.word(offset));
    }

    fn word(&self, offset: u64) -> Option<u64> {
        Some(self.inner.words(0, offset & !7, 8)?.load(0, Site::Status))
    }

    fn wrap(&self, inner: Mapping, part: Part, offset: u64) -> StoodWords {
        StoodWords { inner, part, offset, shared: Arc::clone(&self.shared) }
    }
}

impl Shared {
    fn record(&self, offset: usize) -> u64 {
        self.window.load(offset / 8, Site::Status)
    }

    fn release(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *held);
        let mut queues: Vec<(usize, Vec<Held>)> = Vec::new();
        for one in all {
            let base = one.words.base().addr();
            match queues.iter_mut().find(|(at, _)| *at == base) {
                Some((_, queue)) => queue.push(one),
                None => queues.push((base, vec![one])),
            }
        }
        let is_some = !queues.is_empty();
        for (_, queue) in queues {
            // The results in the opposite order, the turns where they belong.
            for (place, result) in queue.iter().zip(queue.iter().rev()) {
                let tail = place.tail & !u64::from(u32::MAX) | result.tail & u64::from(u32::MAX);
                place.words.store(place.index.wrapping_sub(1), result.value, Site::CompletionBody);
                place.words.store(place.index, tail, Site::CompletionPublish);
            }
        }
        is_some
    }
}

impl<M: Memory<Words = Mapping>> Memory for Stood<M> {
    type Words = StoodWords;

    fn region_len(&self, region: u16) -> Option<u64> {
        self.inner.region_len(region)
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<StoodWords> {
        Some(self.wrap(self.inner.words(region, offset, len)?, Part::Region, offset))
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        if !self.inner.read(region, offset, out) {
            return false;
        }
        if let Ok(bytes) = <&[u8; REQUEST]>::try_from(&*out)
            && self.shared.asks.swap(false, Ordering::Relaxed)
        {
            let view = View {
                record: &|offset| self.shared.record(offset),
                region: &|offset| self.word(offset),
                region_len: self.region_len(0).unwrap_or(0),
            };
            self.shared.watch.asked(bytes, offset, &view);
        }
        true
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.inner.write(region, offset, data)
    }

    fn window(&self) -> StoodWords {
        self.wrap(self.inner.window(), Part::Window, 0)
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        self.inner.piece(index)
    }

    fn end_session(&self) {
        self.inner.end_session();
    }
}

/// Words on the stand.
#[derive(Clone)]
pub struct StoodWords {
    inner: Mapping,
    part: Part,
    /// Of the first word, in bytes.
    offset: u64,
    shared: Arc<Shared>,
}

impl StoodWords {
    fn at(&self, index: usize) -> u64 {
        self.offset.saturating_add(u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(8))
    }
}

impl Words for StoodWords {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        let value = self.inner.load(index, site);
        if site == Site::SubmissionTake {
            self.shared.watch.fetches(self.part, self.at(index), value);
        }
        value
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        let (shared, at) = (&self.shared, self.at(index));
        let number = shared.watch.counts_store();
        let value = match shared.lie {
            Some(lie) if lie.store == number => match lie.value.of(value) {
                Some(value) => value,
                None => return,
            },
            _ => value,
        };
        if self.part == Part::Window && at == offset_of!(Record, control_result) as u64 {
            let seed = shared.record(offset_of!(Record, session)) as u32;
            shared.watch.answered(value, shared.record(offset_of!(Record, control_value)), seed);
        }
        shared.watch.stored(self.part, at, value);
        match site {
            Site::CompletionBody if shared.holds && self.inner.len() > 2 => {
                *shared.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
            }
            Site::CompletionPublish if shared.holds && self.inner.len() > 2 => {
                let body = *shared.value.lock().unwrap_or_else(PoisonError::into_inner);
                let held = Held { words: self.inner, index, value: body, tail: value };
                shared.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
            }
            _ => self.inner.store(index, value, site),
        }
    }

    fn fence(&self, site: Site) {
        self.inner.fence(site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        let inner = self.inner.slice(first, len)?;
        Some(Self { inner, offset: self.at(first), ..self.clone() })
    }
}
