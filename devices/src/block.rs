// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks (BLK-1 to BLK-12).
//!
//! ```
//! use std::sync::Arc;
//! use tenon_devices::block::{Disk, Memory};
//! use tenon_rings::Mapping;
//!
//! // What a domain is told of the disk, what an attachment gives its queues to, and what controls it.
//! let memory = Arc::new(Memory::zeroed(1 << 20));
//! let (device, queues, control) = Disk::in_memory(memory)?.with_queues(4, 128).start::<Mapping>()?;
//! assert_eq!((device.max_queues, control.shape().bytes), (4, 1 << 20));
//! # drop(queues);
//! # Ok::<(), tenon_devices::Error>(())
//! ```
//!
//! | what | by |
//! | --- | --- |
//! | memory | [`Disk::in_memory`] |
//! | a raw file or a block device | [`Disk::raw`] |
//! | a qcow2 image, with the feature `qcow2` | `Disk::qcow2` |
//! | a [`Medium`] of the embedder's, each request in one call | [`Disk::over`] |
//! | a [`Storage`](storage::Storage) of the embedder's, in place of a file | [`Disk::over_storage`] |
//!
//! Each disk has one thread, its worker. It owns the ends of all queues of the disk, looks at them for a
//! while, and then asks for kicks and sleeps (CALL-26). It never holds a lock of the domain's.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod buffers;
mod calls;
mod control;
mod disk;
mod engine;
mod file;
mod iov;
mod job;
mod latch;
mod lock;
mod medium;
mod memory;
mod metrics;
mod open;
mod pool;
#[cfg(feature = "qcow2")]
mod qcow2;
mod queue;
mod shape;
pub mod storage;
mod syncs;
mod uring;
mod witness;
mod worker;

pub use buffers::Buffers;
pub use control::{Change, Control, Tell};
pub use disk::{Disk, Method, Queues};
pub use file::ByItself;
pub use latch::{KeptHere, KeptInFile, Latch};
pub use medium::{Fault, Medium};
pub use memory::Memory;
pub use metrics::Counts;
pub use open::{Access, open_locked};
pub use shape::Shape;
pub use tenon_host::device::Chunk;
pub use witness::Witness;
