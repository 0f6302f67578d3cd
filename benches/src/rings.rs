// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Tenon's rings cost beside the crates that people use today, and beside what no ring can be faster
//! than.
//!
//! All variants take turns in one process. A message is written in full by who sends it, copied out in full
//! and summed up by who receives it, and the sum is checked.
//!
//! | module | what |
//! | --- | --- |
//! | [`report`] | everything that is measured, and how it is printed |
//! | [`compare`] | what is held against what |
//! | [`sample`] | samples in turns, and what comes out of them |
//! | [`pair`] | one thread, or two on two processors, and how long they took |
//! | [`memory`] | memory that both ends share |
//! | [`queue`] | requests and answers: what every queue has to do |
//! | [`ours`], [`virtio`], [`slots`] | Tenon's queue, virtio-drivers with virtio-queue, and the floor: the same wire, nothing checked |
//! | [`events`] | Tenon's events |
//! | [`doorbells`] | how many doorbells a queue under load rings |
//! | [`message`] | messages of one size: what every channel has to do |
//! | [`data`], [`others`], [`copy`] | Tenon's data rings, rtrb, crossbeam and the standard library's channel, and the floor: a copy |
//! | [`lines`] | the floor of a round trip: a cache line there and back |

pub mod compare;
pub mod copy;
pub mod data;
pub mod doorbells;
pub mod events;
pub mod lines;
pub mod memory;
pub mod message;
pub mod others;
pub mod ours;
pub mod pair;
pub mod queue;
pub mod report;
pub mod sample;
pub mod slots;
pub mod virtio;
