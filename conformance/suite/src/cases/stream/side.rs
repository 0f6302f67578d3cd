// SPDX-License-Identifier: MIT OR Apache-2.0
//! One side of a ring by hand, and the roles of `tenon-rings` on the other. Numbers stand here as the spec
//! prints them.
#![allow(unsafe_code, reason = "a case says who has which side of a ring")]

use crate::case::{Ctx, Fail, Outcome, equal};
use crate::raw::{self, load, store};
use tenon_rings::stream::{ConsumerSide, ProducerSide};
use tenon_rings::{Error, Mapping, RingMemory, SetupError};

/// A granule: the smallest.
const GRANULE: usize = 0x1000;

/// Which control page.
#[derive(Clone, Copy)]
pub(super) enum Line {
    Producer,
    Consumer,
}

/// The memory of a ring in one piece: the producer's page, the consumer's, the data.
pub(super) struct Ring {
    memory: Mapping,
    granule: usize,
    pub(super) seed: u32,
}

impl Ring {
    /// Cleared memory with that many bytes of data, for a session with this seed.
    pub(super) fn new(ctx: &Ctx, bytes: usize, seed: u32) -> Result<Self, Fail> {
        Self::with(ctx, GRANULE, bytes, seed)
    }

    /// As [`Self::new`], with another granule.
    pub(super) fn with(ctx: &Ctx, granule: usize, bytes: usize, seed: u32) -> Result<Self, Fail> {
        let (memory, _) = raw::pages(ctx.env, 2 * granule + bytes, granule)?;
        Ok(Self { memory, granule, seed })
    }

    /// The library's sides. A case takes each once in a session.
    pub(super) fn sides(&self) -> Result<(ProducerSide<Mapping>, ConsumerSide<Mapping>), Fail> {
        // SAFETY: a case uses one side by the library and the other one by hand, in turn and by one thread.
        let memory = unsafe { RingMemory::new(self.memory, self.granule.trailing_zeros()) };
        memory.map(RingMemory::split).map_err(|error| setup("the library refuses the memory", error))
    }

    fn line(&self, line: Line) -> usize {
        match line {
            Line::Producer => 0,
            Line::Consumer => self.granule,
        }
    }

    /// The word at a byte offset of a control line.
    pub(super) fn word(&self, line: Line, offset: usize) -> u64 {
        load(&self.memory, self.line(line) + offset)
    }

    /// Stores such a word.
    pub(super) fn set(&self, line: Line, offset: usize, value: u64) {
        store(&self.memory, self.line(line) + offset, value);
    }

    /// A position that many units after the start, with the session's seed (STR-4).
    pub(super) fn at(&self, units: u32) -> u64 {
        u64::from(self.seed.wrapping_add(units)) | u64::from(self.seed) << 32
    }

    /// The header of a record of so many bytes, that many units after the start (STR-7).
    pub(super) fn header(&self, units: u32, bytes: u32) -> u64 {
        let turn = self.seed.wrapping_add(self.seed).wrapping_add(units).wrapping_add(1);
        u64::from(bytes) | u64::from(turn) << 32
    }

    /// Comes as a side by hand (STR-3), with this shape.
    pub(super) fn come(&self, line: Line, shape: u64) {
        self.set(line, 0x08, self.at(0));
        self.set(line, 0x10, shape);
        for reserved in [0x20, 0x28, 0x30, 0x38] {
            self.set(line, reserved, 0);
        }
        self.set(line, 0x00, self.at(0));
        self.set(line, 0x18, 1);
    }

    /// Publishes, or releases, by hand.
    pub(super) fn go(&self, line: Line, units: u32) {
        self.set(line, 0x00, self.at(units));
    }

    /// A side's line says this position, and is whole otherwise.
    pub(super) fn is_at(&self, line: Line, units: u32, what: &'static str) -> Outcome {
        equal(self.word(line, 0x00), self.at(units), what)
    }

    /// Byte offset of the word of the data that lies so many units after the start, in a ring of so many
    /// units.
    fn place(&self, units: u32, of: u32) -> usize {
        2 * self.granule + (self.seed.wrapping_add(units) & (of - 1)) as usize * 8
    }

    /// A word of the data of a ring of records.
    pub(super) fn data(&self, units: u32, of: u32) -> u64 {
        load(&self.memory, self.place(units, of))
    }

    /// Stores such a word.
    pub(super) fn put(&self, units: u32, of: u32, value: u64) {
        store(&self.memory, self.place(units, of), value);
    }

    /// A word of the data, whatever lies there.
    pub(super) fn plain(&self, word: usize) -> u64 {
        load(&self.memory, 2 * self.granule + word * 8)
    }

    /// Stores such a word.
    pub(super) fn set_plain(&self, word: usize, value: u64) {
        store(&self.memory, 2 * self.granule + word * 8, value);
    }
}

/// The library's refusal as a failure.
pub(super) fn setup(what: &'static str, error: SetupError) -> Fail {
    Fail::Failed(what, error as u64, 0)
}

/// The library's answer as a failure.
pub(super) fn wrong(what: &'static str) -> impl Fn(Error) -> Fail {
    move |error| match error {
        Error::Corrupt(corrupt) => {
            Fail::Failed(what, u64::from(corrupt.reason.0), u64::from(corrupt.position))
        }
        _ => Fail::Failed(what, 0, 0),
    }
}
