// SPDX-License-Identifier: MIT OR Apache-2.0
//! A vCPU's two queues, as the host sees them.

use tenon_abi::Op;
use tenon_rings::{Completer, Words};

/// One of a vCPU's two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Call,
    Emergency,
}

impl Lane {
    /// vCPU and lane of a queue number (VCPU-7).
    #[inline]
    pub(crate) const fn of(queue: u32) -> (u32, Self) {
        (queue >> 1, if queue & 1 == 0 { Self::Call } else { Self::Emergency })
    }
}

/// The host's ends of a bound vCPU's two queues.
pub(crate) struct Queues<W> {
    pub(crate) call: Completer<W>,
    pub(crate) emergency: Completer<W>,
    /// What was last submitted to the call queue. The next is likely to be the same: runs of one operation
    /// are served at once.
    pub(crate) usual: Op,
}

impl<W: Words> Queues<W> {
    pub(crate) const fn new(call: Completer<W>, emergency: Completer<W>) -> Self {
        Self { call, emergency, usual: Op::NOP }
    }

    #[inline]
    pub(crate) const fn lane(&mut self, lane: Lane) -> &mut Completer<W> {
        match lane {
            Lane::Call => &mut self.call,
            Lane::Emergency => &mut self.emergency,
        }
    }
}
