// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory as the kernel takes it.
#![allow(unsafe_code, reason = "the kernel, and a test's storage, are given raw memory of the guest")]

use std::ptr::{copy_nonoverlapping, null_mut};
use tenon_host::device::Chunk;

/// An `iovec` over memory of the guest, or over the zeros below.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Piece(libc::iovec);

// SAFETY: it is an address and a length. What it names may be reached from any thread, and whoever holds a
// piece keeps that memory.
unsafe impl Send for Piece {}

const ZEROS_LEN: usize = 64 << 10;

#[repr(align(4096))]
struct Zeros([u8; ZEROS_LEN]);

static ZEROS: Zeros = Zeros([0; ZEROS_LEN]);

impl Piece {
    /// A piece of the guest's memory without `skipped` bytes of its front.
    pub(crate) fn of(chunk: &Chunk, skipped: usize) -> Self {
        let skipped = skipped.min(chunk.len());
        let base = chunk.as_ptr().wrapping_add(skipped).cast();
        Self(libc::iovec { iov_base: base, iov_len: chunk.len().saturating_sub(skipped) })
    }

    /// Zeros to write, at most `len`.
    pub(crate) fn zeros(len: u64) -> Self {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS_LEN);
        // The kernel only reads what is written.
        Self(libc::iovec { iov_base: ZEROS.0.as_ptr().cast_mut().cast(), iov_len: len })
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.iov_len
    }

    /// A copy of it.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        // SAFETY: the memory of a piece is mapped for as long as somebody has it; what the guest writes
        // meanwhile may be seen in part, and the destination is private.
        unsafe { copy_nonoverlapping(self.0.iov_base.cast::<u8>(), bytes.as_mut_ptr(), self.len()) };
        bytes
    }

    /// Fills its front.
    pub(crate) fn fill(&self, data: &[u8]) {
        let len = data.len().min(self.len());
        // SAFETY: as above; `data` is private.
        unsafe { copy_nonoverlapping(data.as_ptr(), self.0.iov_base.cast::<u8>(), len) };
    }

    /// As the kernel takes them: at most so many as it takes at once, and their number.
    pub(crate) fn as_iovecs(pieces: &[Self]) -> (*const libc::iovec, u16) {
        // IOV_MAX of Linux; what lies beyond is moved by the call that goes on behind a short one.
        const MOST: usize = 1024;
        let count = u16::try_from(pieces.len().min(MOST)).unwrap_or(0);
        if pieces.is_empty() { (null_mut(), 0) } else { (pieces.as_ptr().cast(), count) }
    }
}
