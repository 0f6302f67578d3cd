// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the model keeps of requests, queues and vCPUs.

use std::collections::BTreeMap;

use tenon_abi::vcpu::Sizes;
use tenon_abi::{Op, Status, Tail};

use crate::world::Step;

/// A request in flight.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) op: Op,
    /// Where a read may write.
    pub(super) range: Option<(u64, u64)>,
}

/// One of a vCPU's two queues.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) fetched: u32,
    pub(super) completed: u32,
    pub(super) in_flight: BTreeMap<u16, Request>,
    /// The state word that said so: it stands for ever.
    pub(super) corrupt: Option<u64>,
}

/// A bound vCPU.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) guest: usize,
    pub(super) host: usize,
    pub(super) sizes: Sizes,
    pub(super) lanes: [Lane; 2],
    pub(super) written: [u32; 2],
    pub(super) taken: [u32; 2],
    pub(super) broken: [Option<u64>; 2],
}

/// A submission whose tail was taken and whose other words follow.
#[derive(Debug)]
pub(super) struct Taking {
    pub(super) vcpu: usize,
    pub(super) lane: usize,
    pub(super) at: usize,
    pub(super) tail: Tail,
    pub(super) words: Vec<u64>,
}

/// Whether a step may end a request of that operation in that way.
pub(super) fn may_end(step: &Step, op: Op, status: Status) -> bool {
    match step {
        Step::Serve { .. } if op.name().is_none() => status == Status::NOT_SUPPORTED,
        Step::Serve { .. } => status != Status::CANCELLED || op == Op::CONSOLE_READ,
        Step::Stopped(_) => op == Op::VCPU_STOP,
        Step::Input(_) => op == Op::CONSOLE_READ,
        Step::Control(_) | Step::Raise(_) | Step::TakeOutput => false,
        Step::Pass { .. } | Step::Utc(_) | Step::Pause | Step::GoOn => false,
    }
}
