// SPDX-License-Identifier: MIT OR Apache-2.0
//! A set of places below 4096, from which any one is found at once.

/// A set of places.
#[derive(Debug)]
pub(super) struct Set {
    /// Bit n: word n is not zero.
    used: u64,
    words: [u64; 64],
}

impl Set {
    pub(super) const fn new() -> Self {
        Self { used: 0, words: [0; 64] }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) fn insert(&mut self, place: u16) {
        if let Some(word) = self.words.get_mut(usize::from(place >> 6)) {
            *word |= bit(place);
            self.used |= bit(place >> 6);
        }
    }

    pub(super) fn remove(&mut self, place: u16) {
        if let Some(word) = self.words.get_mut(usize::from(place >> 6)) {
            *word &= !bit(place);
            if *word == 0 {
                self.used &= !bit(place >> 6);
            }
        }
    }

    /// Takes one out.
    pub(super) fn take_any(&mut self) -> Option<u16> {
        if self.used == 0 {
            return None;
        }
        let index = u16::try_from(self.used.trailing_zeros()).ok()?;
        let word = *self.words.get(usize::from(index))?;
        let place = index.wrapping_shl(6) | u16::try_from(word.trailing_zeros()).ok()?;
        self.remove(place);
        Some(place)
    }
}

fn bit(index: u16) -> u64 {
    1u64.wrapping_shl(u32::from(index & 63))
}
