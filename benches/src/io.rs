// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices beside virtio's, on one machine, with one disk and threads alike.
//!
//! | module | what |
//! | --- | --- |
//! | `guest` | a guest that does both in turns, and what it caused |
//! | `virtio` | the device's end of a virtio queue |
//! | `reads` | reads of a disk in memory |
//! | `frames` | frames to the host |
//! | `ends` | reads of a disk within this process, by two threads |
//! | `along` | large reads of a file, one behind the other |
//! | `report` | all of it as rows |

pub mod along;
pub mod ends;
pub mod frames;
pub mod guest;
pub mod reads;
pub mod report;
pub mod virtio;

/// Bytes of a disk's request.
pub const BLOCK: usize = 4096;
