// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request on its way through a disk.

use super::buffers::Buffers;
use super::medium::Fault;

/// Which request: the slot of its queue, and its id there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The queue's index.
    pub queue: u32,
    /// The request's id.
    pub id: u16,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Fill the buffers from there on.
    Read {
        /// Where, in bytes.
        offset: u64,
    },
    /// Write the buffers.
    Write {
        /// Where, in bytes.
        offset: u64,
    },
    /// Make durable what was written.
    Sync,
    /// Give a range up.
    Discard {
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Make a range zeros.
    Zero {
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// It may lose its place.
        may_unmap: bool,
    },
}

/// A request that was checked.
#[derive(Debug)]
pub(crate) struct Job {
    /// Whose it is; `None`: the disk's own.
    pub key: Option<Key>,
    /// What is to be done.
    pub work: Work,
    /// It is over only when what it wrote is durable. The worker sees to that.
    pub durable: bool,
    /// With what memory.
    pub buffers: Buffers,
}

/// A request that is over.
#[derive(Debug)]
pub(crate) struct Done {
    /// The request.
    pub job: Job,
    /// What became of it.
    pub result: Result<(), Fault>,
}
