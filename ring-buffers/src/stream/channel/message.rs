// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a channel carries.

use crate::order::Site;
use crate::words::Words;

/// A value that travels as words of 64 bits. Every bit pattern is one: a peer may send any.
///
/// `[u64; N]` is a message; a type with named fields becomes one by saying how it is turned into such an
/// array and back.
pub trait Message: Copy {
    /// `[u64; N]`, with N from 1 to 512.
    type Words: Run;
    /// The words as they are sent.
    fn to_words(self) -> Self::Words;
    /// From words as they came.
    fn from_words(words: Self::Words) -> Self;
}

impl<const N: usize> Message for [u64; N] {
    type Words = Self;

    #[inline(always)]
    fn to_words(self) -> Self {
        self
    }

    #[inline(always)]
    fn from_words(words: Self) -> Self {
        words
    }
}

/// An array of words: `[u64; N]` and nothing else.
pub trait Run: sealed::Sealed + Copy {
    /// N.
    const LEN: usize;
    /// Stores them from `first` on.
    fn store<W: Words>(&self, memory: &W, first: usize);
    /// Loads as many from `first` on.
    fn load<W: Words>(memory: &W, first: usize) -> Self;
}

impl<const N: usize> Run for [u64; N] {
    const LEN: usize = N;

    #[inline(always)]
    fn store<W: Words>(&self, memory: &W, first: usize) {
        memory.store_run(first, self, Site::RingBody);
    }

    #[inline(always)]
    fn load<W: Words>(memory: &W, first: usize) -> Self {
        memory.load_run(first, Site::RingBody)
    }
}

mod sealed {
    /// Keeps [`super::Run`] to arrays.
    pub trait Sealed {}

    impl<const N: usize> Sealed for [u64; N] {}
}
