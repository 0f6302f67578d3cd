// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both roles of both kinds of ring are made of: how far this side is, how far the other was when last
//! looked at, and what was told to it.
//!
//! Invariants, all modulo 2^32 and kept whatever the peer writes. A producer: `seen <= shown <= at <= seen +
//! units`. A consumer: `shown <= at <= seen <= shown + units`. Both: `settled <= shown`.

use super::Bell;
use super::memory::SetupError;
use crate::error::{Corrupt, Error};
use crate::order::Site;
use crate::words::Words;
use tenon_abi::stream::{LINE_WORDS, batch};
use tenon_abi::{QueueState, Reason, RingPosition, RingShape, status::StateWord};

/// Words of a control line.
const POSITION: usize = 0;
const ARMED: usize = 1;
const SHAPE: usize = 2;
const STATE: usize = 3;
const RESERVED: usize = 4;

/// Where one side of a ring stands: everything private, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndState {
    /// Where this side is.
    pub at: u32,
    /// Where the other side knows it to be.
    pub shown: u32,
    /// Where this side was when it was last certain that no wake is owed.
    pub settled: u32,
    /// Where the other side was when last looked at.
    pub seen: u32,
    /// Whether the other side was met in this session.
    pub met: bool,
    /// Why the ring is corrupt on this side, if it is.
    pub corrupt: Option<Corrupt>,
}

/// What differs between the two sides.
pub(super) trait Role {
    /// Where the own position is stored, and the other's loaded.
    const PUBLISH: Site;
    const TAKE: Site;
    /// How far the other's position can have moved on, given how much was shown to it.
    fn limit(units: u32, seen: u32, shown: u32) -> u32;
    /// Whether a side can stand so, by the invariants above.
    fn admits(units: u32, state: &EndState) -> bool;
}

/// The producing side.
#[derive(Debug)]
pub(super) struct Produces;

impl Role for Produces {
    const PUBLISH: Site = Site::ProducedPublish;
    const TAKE: Site = Site::ConsumedTake;

    #[inline(always)]
    fn limit(_: u32, seen: u32, shown: u32) -> u32 {
        shown.wrapping_sub(seen)
    }

    fn admits(units: u32, state: &EndState) -> bool {
        let (shown, at) = (state.shown.wrapping_sub(state.seen), state.at.wrapping_sub(state.seen));
        shown <= at && at <= units
    }
}

/// The consuming side.
#[derive(Debug)]
pub(super) struct Consumes;

impl Role for Consumes {
    const PUBLISH: Site = Site::ConsumedPublish;
    const TAKE: Site = Site::ProducedTake;

    #[inline(always)]
    fn limit(units: u32, seen: u32, shown: u32) -> u32 {
        units.wrapping_sub(seen.wrapping_sub(shown))
    }

    fn admits(units: u32, state: &EndState) -> bool {
        let (at, seen) = (state.at.wrapping_sub(state.shown), state.seen.wrapping_sub(state.shown));
        at <= seen && seen <= units
    }
}

/// One side of a ring.
#[derive(Debug)]
pub(super) struct End<W, B, R> {
    own: W,
    other: W,
    /// What this side writes down as its own shape, and expects of the other.
    shape: RingShape,
    seed: u32,
    /// Where this side is.
    pub(super) at: u32,
    /// Where the other side knows it to be.
    shown: u32,
    /// Where this side was when it was last certain that no wake is owed.
    settled: u32,
    /// Where the other side was when last looked at.
    seen: u32,
    /// How far `at` may be from `shown`.
    batch: u32,
    /// Whether the other side was met in this session.
    met: bool,
    corrupt: Option<Corrupt>,
    bell: B,
    role: core::marker::PhantomData<(R, core::cell::Cell<()>)>,
}

impl<W: Words, B: Bell, R: Role> End<W, B, R> {
    /// Takes the place of this side, if it is free (STR-3).
    pub(super) fn attach(own: W, other: W, shape: RingShape, seed: u32, bell: B) -> Result<Self, SetupError> {
        let here = RingPosition::from_word(own.load(POSITION, Site::Status)).seed == seed;
        // The shape tells a line of this session from a cleared one, whose seed may be right by chance.
        let used = RingShape::from_word(own.load(SHAPE, Site::Status)) != RingShape::from_word(0);
        if here && used {
            return Err(SetupError::Taken);
        }
        // In this order, for a side that is just coming says so last.
        let other_lives = is_live(other.load(STATE, R::TAKE));
        let there = RingPosition::from_word(other.load(POSITION, R::TAKE)).seed == seed;
        if is_live(own.load(STATE, Site::Status)) || (other_lives && !there) {
            return Err(SetupError::Alive);
        }
        let start = RingPosition { position: seed, seed };
        for index in RESERVED..LINE_WORDS {
            own.store(index, 0, Site::Status);
        }
        own.store(ARMED, start.to_word(), Site::ArmedPublish);
        own.store(SHAPE, shape.to_word(), Site::Status);
        own.store(POSITION, start.to_word(), R::PUBLISH);
        own.store(STATE, state(QueueState::RUNNING), R::PUBLISH);
        Ok(Self {
            own,
            other,
            shape,
            seed,
            at: seed,
            shown: seed,
            settled: seed,
            seen: seed,
            batch: batch(shape.units),
            met: false,
            corrupt: None,
            bell,
            role: core::marker::PhantomData,
        })
    }

    /// Goes on in the place of a side of this session that stood so, over memory as that one left it. Nothing
    /// is stored.
    pub(super) fn attach_at(
        own: W,
        other: W,
        shape: RingShape,
        seed: u32,
        bell: B,
        state: EndState,
    ) -> Result<Self, SetupError> {
        let batch = batch(shape.units);
        // What is due is shown at once, and what was settled had been shown.
        let due = state.at.wrapping_sub(state.shown) >= batch;
        let unsettled = state.shown.wrapping_sub(state.settled) > i32::MAX.unsigned_abs();
        if due || unsettled || !R::admits(shape.units, &state) {
            return Err(SetupError::BadState);
        }
        let EndState { at, shown, settled, seen, met, corrupt } = state;
        let role = core::marker::PhantomData;
        Ok(Self { own, other, shape, seed, at, shown, settled, seen, batch, met, corrupt, bell, role })
    }

    /// Where this side stands.
    pub(super) const fn state(&self) -> EndState {
        let Self { at, shown, settled, seen, met, corrupt, .. } = *self;
        EndState { at, shown, settled, seen, met, corrupt }
    }

    /// Units in the ring.
    #[inline(always)]
    pub(super) const fn units(&self) -> u32 {
        self.shape.units
    }

    /// Index of the unit at the own position.
    #[inline(always)]
    pub(super) const fn offset(&self) -> u32 {
        self.at & self.shape.units.wrapping_sub(1)
    }

    /// Turn of the own position (STR-7).
    #[inline(always)]
    pub(super) const fn turn(&self) -> u32 {
        tenon_abi::turn(self.seed, self.at)
    }

    /// Units from the own position to the other's: what a consumer has not taken.
    #[inline(always)]
    pub(super) const fn ahead(&self) -> u32 {
        self.seen.wrapping_sub(self.at)
    }

    /// Units that a producer may still write.
    #[inline(always)]
    pub(super) const fn room(&self) -> u32 {
        self.shape.units.wrapping_sub(self.at.wrapping_sub(self.seen))
    }

    /// Units until a publication is due: never zero.
    #[inline(always)]
    pub(super) const fn due(&self) -> u32 {
        self.batch.wrapping_sub(self.at.wrapping_sub(self.shown))
    }

    /// Fails once corrupt.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.corrupt {
            None => Ok(()),
            Some(corrupt) => Err(Error::Corrupt(corrupt)),
        }
    }

    /// Why this side found the ring corrupt, if it did.
    pub(super) const fn corrupt(&self) -> Option<Corrupt> {
        self.corrupt
    }

    /// Goes on by `units`, and shows that when it is due (STR-6, STR-10).
    #[inline(always)]
    pub(super) fn advance(&mut self, units: u32) {
        self.at = self.at.wrapping_add(units);
        if self.at.wrapping_sub(self.shown) >= self.batch {
            self.show();
            // Without a fence this may miss a side that is just arming: it makes the wake early, `publish`
            // makes it certain.
            self.wake();
        }
    }

    /// Stores the own position.
    #[inline(always)]
    fn show(&mut self) {
        self.shown = self.at;
        let position = RingPosition { position: self.at, seed: self.seed };
        self.own.store(POSITION, position.to_word(), R::PUBLISH);
    }

    /// Wakes the other side if it waits for what was shown since this was settled (STR-11).
    #[inline]
    fn wake(&mut self) {
        if B::QUIET {
            return;
        }
        let armed = RingPosition::from_word(self.other.load(ARMED, Site::ArmedRead));
        // It was ahead then and is not now. A position of another session is none.
        let behind = self.at.wrapping_sub(armed.position);
        let passed = behind < self.at.wrapping_sub(self.settled)
            || (crate::planted!("wish-signed") && behind > i32::MAX.unsigned_abs());
        if passed && armed.seed == self.seed {
            // Who is woken sees what is shown, and arms for more than that.
            self.settled = self.at;
            self.bell.ring();
        }
    }

    /// Shows the own position and wakes the other side if it waits for that: to be called before this side
    /// waits for anything, or does something else (STR-6, STR-10, STR-11).
    #[inline]
    pub(super) fn publish(&mut self) {
        if self.at != self.shown {
            self.show();
        }
        if !B::QUIET && self.settled != self.at {
            self.own.fence(Site::WakeFence);
            self.wake();
            self.settled = self.at;
        }
    }

    /// Looks where the other side is (STR-5).
    #[inline]
    pub(super) fn look(&mut self) -> Result<(), Error> {
        self.check()?;
        let found = RingPosition::from_word(self.other.load(POSITION, R::TAKE));
        if !self.met && !self.meet(found)? {
            return Ok(());
        }
        let step = found.position.wrapping_sub(self.seen);
        if found.seed != self.seed || step > R::limit(self.shape.units, self.seen, self.shown) {
            return Err(self.latch(Reason::BAD_POSITION));
        }
        self.seen = found.position;
        Ok(())
    }

    /// Whether the other side is there in this session; its line is checked then (STR-3).
    #[cold]
    fn meet(&mut self, found: RingPosition) -> Result<bool, Error> {
        if found.seed != self.seed {
            return Ok(false);
        }
        let shape = RingShape::from_word(self.other.load(SHAPE, Site::Status));
        if shape == RingShape::from_word(0) {
            // Cleared memory, and a seed of zero.
            return Ok(false);
        }
        if shape != self.shape {
            return Err(self.latch(Reason::BAD_SHAPE));
        }
        let zero = (RESERVED..LINE_WORDS).all(|index| self.other.load(index, Site::Status) == 0);
        if !zero {
            return Err(self.latch(Reason::NOT_ZERO));
        }
        self.met = true;
        Ok(true)
    }

    /// Asks to be woken when the other side is at `wanted`. `true`: it was not when this returned, the caller
    /// may sleep (STR-11).
    pub(super) fn arm(&mut self, wanted: u32) -> Result<bool, Error> {
        self.check()?;
        self.publish();
        let armed = RingPosition { position: wanted, seed: self.seed };
        self.own.store(ARMED, armed.to_word(), Site::ArmedPublish);
        self.own.fence(Site::ArmFence);
        self.look()?;
        if crate::planted!("sleep-compared-plainly") {
            return Ok(wanted > self.seen);
        }
        Ok(wanted.wrapping_sub(self.seen).wrapping_sub(1) < self.shape.units)
    }

    /// A wish for units within what cannot leave both sides asleep (STR-12).
    #[inline]
    pub(super) fn threshold(&self, wanted: u32) -> u32 {
        wanted.min(self.shape.units / 2).max(1)
    }

    /// The position of the other side at which a producer has room for `units`.
    #[inline]
    pub(super) const fn at_room(&self, units: u32) -> u32 {
        self.at.wrapping_add(units).wrapping_sub(self.shape.units)
    }

    /// Latches the ring corrupt on this side, and says so in the state word (STR-13).
    #[cold]
    pub(super) fn latch(&mut self, reason: Reason) -> Error {
        let corrupt = Corrupt { reason, position: self.at };
        self.corrupt = Some(corrupt);
        self.own.store(STATE, corrupt.to_word(), Site::Status);
        Error::Corrupt(corrupt)
    }

    /// What the other side says of itself; a side that has not come yet, or that has left, is `UNBOUND`
    /// (STR-13).
    pub(super) fn peer(&self) -> StateWord {
        let here = RingPosition::from_word(self.other.load(POSITION, R::TAKE)).seed == self.seed;
        let word = if here { self.other.load(STATE, Site::Status) } else { 0 };
        StateWord::from_word(word)
    }

    /// Publishes and leaves (STR-13).
    pub(super) fn close(mut self) {
        if self.corrupt.is_none() {
            self.publish();
            self.own.store(STATE, state(QueueState::UNBOUND), Site::Status);
        }
    }
}

/// Whether somebody uses a side with this state word, in whichever session.
fn is_live(word: u64) -> bool {
    StateWord::from_word(word).state != QueueState::UNBOUND
}

const fn state(state: QueueState) -> u64 {
    StateWord { state, reason: Reason::NONE, position: 0 }.to_word()
}
