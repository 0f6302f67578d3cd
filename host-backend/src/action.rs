// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core asks of its attachment.

use crate::lifecycle::CrashRecord;
use alloc::collections::VecDeque;

/// One thing to do. Each is done once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Inject the vCPU's upcall (VCPU-8).
    Upcall {
        /// The vCPU.
        vcpu: u32,
        /// Its interrupt vector.
        vector: u32,
    },
    /// A vCPU has another upcall vector, or none: attachments that route interrupts in advance do so now.
    Route {
        /// The vCPU.
        vcpu: u32,
        /// The vector; `None` turns upcalls off.
        vector: Option<u32>,
    },
    /// A direct port was bound: route its interrupt (EVT-22).
    RouteDirect {
        /// The port.
        port: u32,
        /// The vCPU that gets the interrupt.
        vcpu: u32,
        /// The vector.
        vector: u32,
    },
    /// A direct port was released: forget its route.
    UnrouteDirect {
        /// The port.
        port: u32,
    },
    /// Inject a direct port's interrupt.
    Direct {
        /// The port.
        port: u32,
        /// The vCPU that gets it.
        vcpu: u32,
        /// The vector.
        vector: u32,
    },
    /// Start a vCPU (VCPU-5).
    Start {
        /// The vCPU.
        vcpu: u32,
        /// Where it begins.
        entry: u64,
        /// What it is given.
        argument: u64,
    },
    /// Stop a vCPU. When it executes nothing more, say so by [`crate::Domain::stopped`]: only then is the
    /// guest's request completed, and the vCPU may be started again (VCPU-6).
    Stop {
        /// The vCPU.
        vcpu: u32,
    },
    /// Console output waits: see [`crate::Domain::take_output`].
    Output,
    /// The guest left a crash record (LIFE-4). It goes on.
    Crash(CrashRecord),
    /// End the domain with this code (LIFE-2).
    Exit {
        /// The guest's code.
        code: u32,
    },
    /// Boot the domain anew (LIFE-3).
    Restart,
    /// The guest reset its session (SES-6).
    Reset {
        /// Number of the session that begins.
        session: u32,
    },
}

/// What one call of [`crate::Domain::serve`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "`again` means that the queue is served again without another kick"]
pub struct Served {
    /// Submissions that were fetched.
    pub fetched: u32,
    /// The budget ran out, or actions wait to be done: call again, without waiting for a kick (CALL-19).
    pub again: bool,
}

/// Actions in order, never more than a bound.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    queue: VecDeque<Action>,
}

impl Actions {
    /// While this many wait nothing is fetched, so what one submission may add is all that can be beyond it.
    const HIGH: usize = 64;

    pub(crate) fn push(&mut self, action: Action) {
        self.queue.push_back(action);
    }

    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.queue.pop_front()
    }

    pub(crate) fn is_high(&self) -> bool {
        self.queue.len() >= Self::HIGH
    }

    /// What only the ended session asked for is dropped.
    pub(crate) fn end_session(&mut self) {
        self.queue.retain(|action| !matches!(action, Action::Upcall { .. } | Action::Direct { .. }));
    }
}
