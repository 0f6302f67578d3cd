// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cases by hand share: control requests with their expected answers, looking for what must not happen,
//! random words.

use crate::case::{Fail, Outcome, equal};
use crate::env::Env;
use crate::raw::{self, Control, load};
use crate::since;
use tenon_rings::Mapping;

/// Status codes of control requests alone, as the spec prints them.
pub(crate) const BAD_SESSION: u16 = 11;
pub(crate) const BAD_VERSION: u16 = 12;
pub(crate) const BAD_FEATURES: u16 = 13;

/// A page for control requests.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    pub(crate) env: &'static dyn Env,
    /// The page, 64 KiB and so aligned, and its offset in region 0.
    pub(crate) scratch: (Mapping, u64),
}

impl Desk {
    pub(crate) fn new(env: &'static dyn Env) -> Result<Self, Fail> {
        Ok(Self { env, scratch: raw::pages(env, raw::REQUEST_LEN, 1 << 16)? })
    }

    /// Status and value of a request.
    pub(crate) fn ask(&self, request: Control) -> Result<(u16, u64), Fail> {
        let shift = raw::granule_shift(self.env);
        let answer = request.send(self.env, &self.scratch.0, self.scratch.1, shift);
        answer.ok_or(Fail::Failed("a control request is not answered", request.0[1], 0))
    }

    /// A request that has to be answered with this status; its value.
    pub(crate) fn expect(&self, request: Control, status: u16, what: &'static str) -> Result<u64, Fail> {
        let (found, value) = self.ask(request)?;
        equal(u64::from(found), u64::from(status), what)?;
        Ok(value)
    }

    /// NEGOTIATE that has to succeed.
    pub(crate) fn negotiate(&self, features: u64, shift: u32) -> Outcome {
        self.expect(Control::negotiate(self.env, features, shift), 0, "NEGOTIATE").map(|_| ())
    }

    /// NEGOTIATE with all that is offered and the smallest granule.
    pub(crate) fn open(&self) -> Outcome {
        self.negotiate(self.features(), self.smallest())
    }

    /// RESET that has to succeed.
    pub(crate) fn reset(&self) -> Outcome {
        self.expect(Control::reset(self.env), 0, "RESET").map(|_| ())
    }

    /// BIND by hand in an open session.
    pub(crate) fn bind(&self, vcpu: u32, depth: u32, events: [u32; 2]) -> Result<raw::Bound, Fail> {
        raw::bind(self.env, self.scratch, raw::granule_shift(self.env), vcpu, depth, events)
    }

    /// NEGOTIATE with these features, BIND of vCPU 0.
    pub(crate) fn attach(&self, features: u64, depth: u32) -> Result<raw::Bound, Fail> {
        self.negotiate(features, self.smallest())?;
        self.bind(0, depth, [16, 16])
    }

    /// Features that are offered in the version that is negotiated.
    pub(crate) fn features(&self) -> u64 {
        since::negotiable(self.env)
    }

    /// log2 of the smallest granule that is offered.
    pub(crate) fn smallest(&self) -> u32 {
        (load(&self.env.window(), 0x18) as u32).trailing_zeros()
    }

    /// log2 of the largest granule that is offered.
    pub(crate) fn largest(&self) -> u32 {
        (load(&self.env.window(), 0x18) as u32).checked_ilog2().unwrap_or(12)
    }

    /// The `session` word.
    pub(crate) fn session(&self) -> u64 {
        load(&self.env.window(), 0x80)
    }

    /// Hands a frame over that has to get no answer.
    pub(crate) fn unanswered(&self, frame: u32, what: &'static str) -> Outcome {
        let window = self.env.window();
        let before = load(&window, 0xa0);
        raw::full_fence();
        self.env.bind(frame);
        settle(self.env);
        equal(load(&window, 0xa0), before, what)
    }
}

/// Time for a host that serves in another thread to do what it must not do. What stays undone here may only
/// be late: a case follows up with something that has to work.
pub(crate) fn settle(env: &dyn Env) {
    for _ in 0..100 {
        env.relax();
    }
}

/// Waits until a state word (CALL-15) says corrupt; reason and position.
pub(crate) fn wait_corrupt(bound: &raw::Bound, offset: usize) -> Result<(u16, u32), Fail> {
    for _ in 0..bound.env.patience() {
        let (state, reason, position) = bound.state(offset);
        match state {
            1 => bound.env.relax(),
            2 => return Ok((reason, position)),
            _ => return Err(Fail::Failed("a state that no bound queue has", u64::from(state), 0)),
        }
    }
    Err(Fail::Failed("the queue is not latched corrupt", offset as u64, 0))
}

/// Random words from a seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }
}
