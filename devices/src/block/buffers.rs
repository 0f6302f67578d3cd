// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's memory of one request.

use tenon_host::device::Chunk;

/// The guest's memory of one READ or WRITE, in pieces that follow each other. The guest may write to it at
/// any time; it stays mapped until the request is answered.
#[derive(Debug, Default)]
pub struct Buffers {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Buffers {
    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its pieces, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Copies `data` to `at`; `false`, with a part of it copied at most, where it does not fit.
    #[must_use]
    pub fn put(&self, at: usize, data: &[u8]) -> bool {
        let mut data = data;
        for (chunk, skipped) in self.from(at) {
            let (front, rest) = data.split_at(data.len().min(chunk.len().saturating_sub(skipped)));
            if !chunk.write(skipped, front) {
                return false;
            }
            data = rest;
            if data.is_empty() {
                return true;
            }
        }
        data.is_empty()
    }

    /// Fills `out` from `at` on; `false`, with a part of it filled at most, where there is not so much.
    #[must_use]
    pub fn get(&self, at: usize, out: &mut [u8]) -> bool {
        let mut out = out;
        for (chunk, skipped) in self.from(at) {
            let most = out.len().min(chunk.len().saturating_sub(skipped));
            let (front, rest) = out.split_at_mut(most);
            if !chunk.read(skipped, front) {
                return false;
            }
            out = rest;
            if out.is_empty() {
                return true;
            }
        }
        out.is_empty()
    }

    /// The pieces from `at` on, each with how much of its front lies before `at`.
    pub(crate) fn from(&self, at: usize) -> impl Iterator<Item = (Chunk, usize)> {
        let mut before = at;
        self.chunks.iter().filter_map(move |chunk| {
            let skipped = before.min(chunk.len());
            before = before.saturating_sub(skipped);
            (skipped < chunk.len()).then_some((*chunk, skipped))
        })
    }

    /// Empties it and takes these pieces, in memory that it has already.
    pub(crate) fn refill(&mut self, chunks: impl IntoIterator<Item = Chunk>) {
        self.chunks.clear();
        self.chunks.extend(chunks);
        self.len = self.chunks.iter().fold(0, |sum, chunk| sum.saturating_add(chunk.len()));
    }
}
