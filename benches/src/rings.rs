// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Tenon's rings cost beside the crates that people use today, and beside what no ring can be faster than.
//!
//! All variants take turns in one process. A message is written in full by who sends it, copied out in full and summed up by who receives it, and the
//! sum is checked.
//!
//! | module | what |
//! | --- | --- |
//! | [`pair`] | one thread, or two on two processors, and how long they took |
//! | [`sample`] | samples in turns, and what comes out of them |
//! | [`memory`] | memory that both ends share |
//! | [`queue`] | requests and answers: what every queue has to do |
//! | [`ours`] | Tenon's queue |
//! | [`virtio`] | virtio-drivers and virtio-queue |
//! | [`report`] | what is measured, and what is compared |
//! | [`slots`] | the floor of a queue: the same wire, nothing checked |
//! | [`lines`] | the floor of a round trip: a cache line there and back |

pub mod lines;
pub mod memory;
pub mod ours;
pub mod pair;
pub mod queue;
pub mod report;
pub mod sample;
pub mod slots;
pub mod virtio;
