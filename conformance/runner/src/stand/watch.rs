// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the shared pages say of a guest, clause by clause.
//!
//! A guest is told what it broke, never what it probably meant: a check that cannot be sure says nothing.

mod bound;
mod request;
#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests;

pub use bound::{Bound, Part};
pub use request::View;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was seen of one clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It was looked at and kept.
    Held,
    /// It was broken: where, and how.
    Broken(String),
}

/// Findings by clause.
pub type Findings = BTreeMap<&'static str, Finding>;

/// Watches one boot.
#[derive(Default)]
pub struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    findings: Findings,
    /// The request whose answer is awaited.
    asked: Option<request::Asked>,
    /// vCPUs with areas.
    bound: Vec<Bound>,
    requests: u64,
    kicks: u64,
    stores: u64,
}

impl State {
    fn check(&mut self, clause: &'static str, holds: bool, say: impl FnOnce() -> String) {
        note(&mut self.findings, clause, holds, say);
    }
}

fn note(findings: &mut Findings, clause: &'static str, holds: bool, say: impl FnOnce() -> String) {
    if holds {
        findings.entry(clause).or_insert(Finding::Held);
    } else if !matches!(findings.get(clause), Some(Finding::Broken(_))) {
        findings.insert(clause, Finding::Broken(say()));
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a look at a clause.
    pub fn check(&self, clause: &'static str, holds: bool, say: impl FnOnce() -> String) {
        self.lock().check(clause, holds, say);
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> Findings {
        self.lock().findings.clone()
    }

    /// How many control requests came, and how many kicks.
    #[must_use]
    pub fn rung(&self) -> (u64, u64) {
        let state = self.lock();
        (state.requests, state.kicks)
    }

    /// How many words the host has stored.
    #[must_use]
    pub fn stores(&self) -> u64 {
        self.lock().stores
    }

    /// The host stores a word: its number.
    pub(super) fn counts_store(&self) -> u64 {
        let mut state = self.lock();
        let number = state.stores;
        state.stores = number.saturating_add(1);
        number
    }

    /// The guest rings for a queue.
    pub fn kicked(&self, queue: u32, queues: u32) {
        let mut state = self.lock();
        state.kicks = state.kicks.saturating_add(1);
        state
            .check("DISC-7", queue < queues, || format!("a kick of queue {queue}, where there are {queues}"));
    }

    /// The host ended the session by itself (SES-9).
    pub fn session_ended(&self) {
        let mut state = self.lock();
        (state.bound, state.asked) = (Vec::new(), None);
    }

    /// The guest hands a request over, as the host has copied it from `offset`.
    pub fn asked(&self, bytes: &[u8; 128], offset: u64, view: &View<'_>) {
        let State { findings, asked, bound, requests, .. } = &mut *self.lock();
        *requests = requests.saturating_add(1);
        *asked = Some(request::check(bytes, offset, view, bound, findings));
    }

    /// The host answers it.
    pub(super) fn answered(&self, result: u64, value: u64, seed: u32) {
        let State { asked, bound, .. } = &mut *self.lock();
        if let Some(asked) = asked.take() {
            asked.answered(result, value, seed, bound);
        }
    }

    /// Looks at the areas of all vCPUs: `region` loads a word of region 0 by its offset.
    pub fn look(&self, region: &dyn Fn(u64) -> Option<u64>) {
        let State { findings, bound, .. } = &mut *self.lock();
        for bound in bound {
            bound.look(region, findings);
        }
    }

    /// The host loads the tail of a submission and takes it, where its turn is right.
    pub(super) fn fetches(&self, part: Part, offset: u64, tail: u64) {
        let State { findings, bound, .. } = &mut *self.lock();
        for bound in bound {
            bound.fetches(part, offset, tail, findings);
        }
    }

    /// The host stores a word, before it does.
    pub(super) fn stored(&self, part: Part, offset: u64, value: u64) {
        let State { findings, bound, .. } = &mut *self.lock();
        for bound in bound {
            bound.stored(part, offset, value, findings);
        }
    }
}
