// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-7, GEN-8, STR-3 to STR-13: each side of a data ring against the other. Layout: the producer's line,
//! the consumer's, the data.
#![allow(unsafe_code, reason = "the memory of a ring is said to be nobody else's")]

mod consumer;
mod producer;
mod truth;

use crate::ground::{Ground, View};
use crate::story::PLAIN;
use tenon_abi::call::pack;
use tenon_abi::stream::{LINE_WORDS, RecordLength, max_record};
use tenon_abi::{RingPosition, RingShape, turn};
use tenon_rings::RingMemory;

/// Words of a control line.
const POSITION: usize = 0;
const ARMED: usize = 1;
const SHAPE: usize = 2;
const STATE: usize = 3;
const RESERVED: usize = 4;
/// Where the data begins.
const DATA: usize = 2 * LINE_WORDS;

/// What a message of the tested channels is.
type Message = [u64; 2];

/// Accesses of a call that it makes whatever it moves: the other side is looked at (its position, and when it
/// is met its shape and its reserved words), the own position is published and the other's wish looked at, a
/// breach is shown.
const LOOK: usize = 1 + 1 + 4;
const PUBLISH: usize = 2;
const LATCH: usize = 1;

/// A ring and how it is used.
#[derive(Clone, Copy, Debug)]
struct Shape {
    units: u32,
    /// Words of a message; zero: records.
    message: u32,
    seed: u32,
}

impl Shape {
    fn word(self) -> u64 {
        RingShape { units: self.units, message: self.message }.to_word()
    }

    fn position(self, position: u32) -> u64 {
        RingPosition { position, seed: self.seed }.to_word()
    }

    /// Words of a unit.
    fn unit(self) -> usize {
        self.message.max(1) as usize
    }

    /// Words of the data.
    fn data(self) -> usize {
        self.units as usize * self.unit()
    }

    fn words(self) -> usize {
        DATA + self.data()
    }

    /// First word of the unit of a position.
    fn place(self, position: u32) -> usize {
        DATA + (position & (self.units - 1)) as usize * self.unit()
    }

    fn to_end(self, position: u32) -> u32 {
        self.units - (position & (self.units - 1))
    }

    /// Random histories: fewer where the records are long.
    fn rounds(self) -> u64 {
        if self.units > 64 { 300 } else { 3000 }
    }

    /// The next session over the same memory.
    fn next(self) -> Self {
        Self { seed: self.seed.wrapping_add(0x1001), ..self }
    }
}

/// Every small ring, with positions, or turns, that wrap soon.
const SHAPES: [Shape; 6] = [
    Shape { units: 8, message: 0, seed: u32::MAX - 9 },
    Shape { units: 16, message: 0, seed: 0x7fff_fffa },
    Shape { units: 1, message: 2, seed: u32::MAX - 1 },
    Shape { units: 2, message: 2, seed: 0 },
    Shape { units: 4, message: 2, seed: u32::MAX - 5 },
    Shape { units: 16, message: 2, seed: 0x7fff_fffa },
];

/// Larger ones, for chance.
const LARGE: [Shape; 4] = [
    Shape { units: 32, message: 0, seed: u32::MAX - 50 },
    Shape { units: 1 << 12, message: 0, seed: 0x7fff_ff00 },
    Shape { units: 8, message: 2, seed: u32::MAX - 20 },
    Shape { units: 1 << 12, message: 2, seed: u32::MAX - 500 },
];

/// One side's hold on the memory. The tested side writes its line, and the data if it produces; the rest it
/// may only load.
fn memory<'a>(ground: &'a Ground, shape: Shape, produces: Option<bool>) -> RingMemory<View<'a>> {
    let part = |first, len, ours: Option<bool>| match ours {
        None => ground.peer(first, len),
        Some(true) => ground.ours(first, len),
        Some(false) => ground.theirs(first, len),
    };
    let (producer, consumer) =
        (part(0, LINE_WORDS, produces), part(LINE_WORDS, LINE_WORDS, produces.map(|p| !p)));
    // SAFETY: the memory is made of cells: whoever accesses it, nothing here depends on who does.
    unsafe { RingMemory::from_parts(producer, consumer, part(DATA, shape.data(), produces)) }.unwrap()
}

/// What a side can say in its line, for a ring in which the other side stands at `stood`.
fn line(shape: Shape, word: usize, stood: u32) -> Vec<u64> {
    let mut values = PLAIN.to_vec();
    match word {
        // When to wake somebody: no answer is a breach.
        ARMED => values.extend([0, 1, u32::MAX, 1 << 31].map(|by| shape.position(stood.wrapping_add(by)))),
        POSITION => {
            let near = (0..shape.units.min(16) + 5).map(|by| stood.wrapping_sub(2).wrapping_add(by));
            let far = [1 << 31, (1 << 31) - 1, shape.units, shape.units + 1, shape.units.wrapping_neg()];
            let all = near.chain(far.map(|by| stood.wrapping_add(by)));
            values.extend(all.map(|position| shape.position(position)));
            values.extend([1, u32::MAX, 1 << 31].map(|by| pack(stood, shape.seed.wrapping_add(by))));
        }
        SHAPE => values.extend([0, 1, 1 << 32, 1 << 63].map(|bit| shape.word() ^ bit)),
        // The state words that there are, and more.
        STATE => values.extend((0..4).map(|state| state | 7 << 16)),
        _ => values.truncate(3),
    }
    values
}

/// What a producer can say in its data.
fn data(shape: Shape, word: usize, stood: u32) -> Vec<u64> {
    let mut values = PLAIN[..3].to_vec();
    if shape.message > 0 {
        return values;
    }
    let index = (word - DATA) as u32;
    let here = stood.wrapping_add(index.wrapping_sub(stood) & (shape.units - 1));
    let most = max_record(shape.units);
    let to_end = 8 * shape.to_end(here);
    let skip = RecordLength::SKIP.0;
    let edges =
        [most.saturating_sub(1), most, most + 1, most + 8, to_end - 8, to_end, 1 << 31, skip - 1, skip];
    // Any that an honest producer writes: there is no check that the last record's length spares this one.
    let lengths = (0..most.min(25)).chain(edges);
    let header = |by, len| pack(len, turn(shape.seed, here.wrapping_add(by)));
    values.extend(lengths.map(|len| header(0, len)));
    for by in [1, u32::MAX, shape.units, shape.units.wrapping_neg()] {
        values.extend([0, 8, skip].map(|len| header(by, len)));
    }
    values
}
