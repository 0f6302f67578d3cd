// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk on a file asks of the file: the seam below which a kernel does the work, or a test that loses
//! what was not synced.

use super::iov::Piece;
use super::job::Job;
use std::io;
use std::os::fd::BorrowedFd;

/// What a file is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Fill the pieces from there on; the result is how many bytes.
    Read {
        /// Where, in bytes.
        offset: u64,
    },
    /// Write the pieces from there on; the result is how many bytes.
    Write {
        /// Where, in bytes.
        offset: u64,
    },
    /// `fdatasync`.
    Sync,
    /// Give a range up, which then reads as zeros.
    Punch {
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Make a range zeros, which keeps its place.
    Zero {
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

/// A call on its way, with the request that it is for. What has it keeps the memory of its pieces.
#[derive(Debug)]
pub struct Transfer {
    /// What the file is asked.
    pub call: Call,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) job: Job,
    /// Bytes that earlier calls for this request have moved.
    pub(crate) moved: u64,
}

impl Transfer {
    /// Copies the bytes of a write out, for a storage that is no file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.to_vec()).collect()
    }

    /// Fills the pieces of a read from the front of `data`, for a storage that is no file; how many bytes.
    pub fn fill(&self, data: &[u8]) -> u64 {
        let mut data = data;
        let mut filled = 0u64;
        for piece in &self.pieces {
            let (front, rest) = data.split_at(data.len().min(piece.len()));
            piece.fill(front);
            filled = filled.saturating_add(u64::try_from(front.len()).unwrap_or(0));
            data = rest;
        }
        filled
    }

    /// Bytes of the pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.len()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A call that is over: its result as the system call has it.
pub type Over = (Transfer, io::Result<u64>);

/// Does the calls of a file.
///
/// It owns each [`Transfer`] that it took until it gives it back, and its pieces are touched no more after
/// that. When it is dropped, none of its calls is under way any more.
pub trait Storage: Send {
    /// Takes a call, or gives it back: there is no room for it until another is over.
    fn start(&mut self, transfer: Transfer) -> Option<Transfer>;

    /// Hands over what was taken since the last time.
    fn push(&mut self);

    /// Gives back what is over.
    fn reap(&mut self, over: &mut Vec<Over>);

    /// What is readable when something may be over.
    fn wake(&self) -> BorrowedFd<'_>;
}
