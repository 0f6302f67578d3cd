// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices beside virtio's, on one machine, with one disk and the same threads.

pub mod disk;
pub mod virtio;

use std::sync::atomic::AtomicU64;

/// Bytes of a disk's request.
pub const BLOCK: usize = 4096;

/// What a device's thread counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests, or frames.
    pub requests: AtomicU64,
    /// Bytes of frames.
    pub bytes: AtomicU64,
    /// Doorbells that the guest rang and that woke the thread.
    pub kicks: AtomicU64,
    /// Interrupts that were raised.
    pub bells: AtomicU64,
}
