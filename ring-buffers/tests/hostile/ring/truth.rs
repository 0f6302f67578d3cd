// SPDX-License-Identifier: MIT OR Apache-2.0
//! What either side of a data ring has to make of the words that it was seen to load.

use super::{ARMED, DATA, POSITION, RESERVED, SHAPE, STATE, Shape};
use crate::ground::Access;
use std::iter::Peekable;
use tenon_abi::stream::LINE_WORDS;
use tenon_abi::{Reason, RingPosition};
use tenon_rings::{Corrupt, Site};

/// A control access that a side is free to make, or one of the data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Loaded {
        index: usize,
        value: u64,
    },
    Stored {
        index: usize,
        value: u64,
    },
    /// The own position was stored.
    Shown {
        at: u32,
    },
}

/// Where a side is, by the spec.
#[derive(Debug)]
pub(crate) struct Truth {
    shape: Shape,
    produces: bool,
    pub(crate) at: u32,
    pub(crate) shown: u32,
    pub(crate) seen: u32,
    met: bool,
    pub(crate) corrupt: Option<Reason>,
    /// The state word that says so was stored.
    said: bool,
}

impl Truth {
    pub(crate) fn new(shape: Shape, produces: bool) -> Self {
        let (at, corrupt) = (shape.seed, None);
        Self { shape, produces, at, shown: at, seen: at, met: false, corrupt, said: false }
    }

    /// Takes what a call did to the lines; what it did to the data goes to `data`.
    pub(crate) fn hear(&mut self, log: &[Access], mut data: impl FnMut(&mut Self, Heard)) {
        assert!(self.corrupt.is_none() || log.is_empty(), "a corrupt ring is used: {log:?}");
        let (own, other) = if self.produces { (0, LINE_WORDS) } else { (LINE_WORDS, 0) };
        let mut log = log.iter().copied().peekable();
        while let Some(access) = log.next() {
            match access {
                Access::Load { index, value, site: Site::RingBody } => {
                    assert!(index >= DATA);
                    data(self, Heard::Loaded { index, value });
                }
                Access::Store { index, value, site: Site::RingBody } => {
                    assert!(index >= DATA);
                    data(self, Heard::Stored { index, value });
                }
                Access::Load { index, value, .. } if index == other + POSITION => {
                    self.look(RingPosition::from_word(value), &mut log, other);
                }
                // It says when to ring the bell, and nothing else.
                Access::Load { index, .. } if index == other + ARMED => {}
                Access::Store { index, value, .. } if index == own + POSITION => {
                    let position = RingPosition::from_word(value);
                    assert_eq!(position.seed, self.shape.seed, "not a position of this session (STR-4)");
                    data(self, Heard::Shown { at: position.position });
                    self.shown = position.position;
                }
                Access::Store { index, value, .. } if index == own + ARMED => {
                    assert_eq!(RingPosition::from_word(value).seed, self.shape.seed);
                }
                Access::Store { index, value, .. } if index == own + STATE => {
                    let word = self.corrupt.map(|reason| Corrupt { reason, position: self.at }.to_word());
                    assert_eq!(word, Some(value), "not the state that the words show (STR-13)");
                    self.said = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.said, self.corrupt.is_some(), "the state word does not say so (STR-13)");
    }

    /// The other side's position was loaded (STR-3, STR-5).
    fn look(&mut self, found: RingPosition, log: &mut Peekable<impl Iterator<Item = Access>>, other: usize) {
        let mut next = |word| match log.peek() {
            Some(&Access::Load { index, value, .. }) if index == other + word => {
                log.next();
                Some(value)
            }
            _ => None,
        };
        if !self.met {
            if found.seed != self.shape.seed {
                return;
            }
            let shape = next(SHAPE).expect("a side is met without a look at its shape (STR-3)");
            if shape == 0 {
                return;
            }
            if shape != self.shape.word() {
                self.corrupt = Some(Reason::BAD_SHAPE);
                return;
            }
            let zero =
                (RESERVED..LINE_WORDS).all(|word| next(word).expect("a reserved word unseen (GEN-5)") == 0);
            if !zero {
                self.corrupt = Some(Reason::NOT_ZERO);
                return;
            }
            self.met = true;
        }
        let step = found.position.wrapping_sub(self.seen);
        let most = match self.produces {
            true => self.shown.wrapping_sub(self.seen),
            false => self.shape.units - self.seen.wrapping_sub(self.shown),
        };
        if found.seed != self.shape.seed || step > most {
            self.corrupt = Some(Reason::BAD_POSITION);
        } else {
            self.seen = found.position;
        }
    }

    /// Units that a consumer has not taken, by what it has loaded.
    pub(crate) fn ahead(&self) -> u32 {
        self.seen.wrapping_sub(self.at)
    }

    /// Units that a producer may write, by what it has loaded.
    pub(crate) fn room(&self) -> u32 {
        self.shape.units - self.at.wrapping_sub(self.seen)
    }
}
