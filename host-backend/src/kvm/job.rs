// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine's threads tell those that work for them.

use std::boxed::Box;

use super::balloon::Epoch;
use crate::action::{LifecycleAction, MemoryAction};
use crate::device::{End, QueueName};
use tenon_rings::Mapping;

/// What is left to the worker.
pub(super) enum Job {
    /// Serve a queue whose budget ran out.
    Serve(u32),
    /// Ring the port of a device's queue.
    Ring(QueueName),
    /// Take the end of a device's queue home.
    Home(Box<End<Mapping>>),
    /// The machine has ended.
    Quit,
}

/// What the thread is told that gives memory back.
pub(super) enum Ask {
    /// Do this, as long as the session lasts that asked for it.
    Do(MemoryAction, Epoch),
    /// The machine has ended.
    Quit,
}

/// What the console's thread is told.
pub(super) enum Said {
    /// The domain has output.
    Output,
    /// The guest says something of its life.
    Life(LifecycleAction),
    /// The machine has ended: what is left is the last.
    Last,
}
