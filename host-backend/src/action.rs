// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core asks of its attachment, by family. An attachment that meets an action that it does not know
//! cannot go on: it ends the run with an error.

use crate::crash::CrashRecord;
use crate::device::QueueName;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use tenon_abi::{DeviceKind, Rights};

/// One thing to do. Each is done once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Of a session.
    Session(SessionAction),
    /// Of a direct port.
    Event(EventAction),
    /// Of a vCPU.
    Vcpu(VcpuAction),
    /// Of the console.
    Console(ConsoleAction),
    /// Of the domain's life.
    Lifecycle(LifecycleAction),
    /// Of memory that is given or shared.
    Memory(MemoryAction),
    /// Of clocks and timers.
    Time(TimeAction),
    /// Of devices.
    Device(DeviceAction),
}

/// What sessions ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionAction {
    /// The guest reset its session (SES-6): forget all routes.
    Reset {
        /// Number of the session that begins.
        session: u32,
    },
}

/// What direct ports ask for (EVT-22).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventAction {
    /// A port was bound, or its vCPU is another one: route its interrupt.
    Route {
        /// The port.
        port: u32,
        /// The vCPU that gets the interrupt.
        vcpu: u32,
        /// The vector.
        vector: u32,
    },
    /// A port was released: forget its route.
    Unroute {
        /// The port.
        port: u32,
    },
    /// Inject a port's interrupt.
    Raise {
        /// The port.
        port: u32,
        /// The vCPU that gets it.
        vcpu: u32,
        /// The vector.
        vector: u32,
    },
}

/// What vCPUs ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VcpuAction {
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
}

/// What the console asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleAction {
    /// Output waits: see [`crate::Domain::take_output`].
    Output,
}

/// What the domain's life asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleAction {
    /// The guest left a crash record (LIFE-4). It goes on.
    Crash(CrashRecord),
    /// End the domain with this code (LIFE-2).
    Exit {
        /// The guest's code.
        code: u32,
    },
    /// Boot the domain anew (LIFE-3).
    Restart,
    /// The guest has repaired the generation with this id: what leaves it need not be held back any more
    /// (LIFE-7, LIFE-8).
    Repaired {
        /// Its low 64 bits, then its high 64 bits.
        id: [u64; 2],
    },
    /// The guest is ready to be suspended, as it was asked to be (LIFE-10).
    SuspendReady,
}

/// What giving and sharing ask for. Each range is one of region 0. It may be done without the domain's lock,
/// one after the other; when it is done, say so by [`crate::Domain::memory_done`] with its job. Job 0 needs
/// no answer: a restored domain tells a new attachment so what is given and what is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryAction {
    /// The guest does not use the range any more: return it (MEM-6).
    Give {
        /// The job.
        job: u32,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// The guest uses a given range again: it has to read as zeros, whatever was done to it meanwhile
    /// (MEM-7).
    Take {
        /// The job.
        job: u32,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// The guest does not need what the range holds (MEM-8).
    Hint {
        /// The job.
        job: u32,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// The host may reach the range for payload (MEM-12).
    Share {
        /// The job.
        job: u32,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len: u64,
        /// What the host may do there.
        rights: Rights,
    },
    /// The host may reach the range no more (MEM-13).
    Unshare {
        /// The job.
        job: u32,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        len: u64,
    },
}

/// What timers ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeAction {
    /// The next deadline is sooner than the one that the attachment knows: see
    /// [`crate::Domain::next_deadline`].
    Deadline,
}

/// What devices ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceAction {
    /// A queue was opened, or goes on: take its end ([`crate::Domain::take_end`]) and hand it to the device's
    /// back end, with a way to hear kicks of `doorbell`. Where the end is not there any more, nothing is to
    /// be done.
    Opened {
        /// The queue.
        queue: QueueName,
        /// What its device is.
        kind: DeviceKind,
        /// The number that its kicks carry.
        doorbell: u32,
        /// The port that its bell raises ([`crate::Domain::ring`]).
        port: Option<u32>,
    },
    /// A queue is to be closed: have its back end give the end back ([`crate::Domain::return_end`]).
    Close {
        /// The queue.
        queue: QueueName,
    },
    /// The same, for the queue to go on later ([`crate::Domain::recall_ends`]).
    Recall {
        /// The queue.
        queue: QueueName,
    },
    /// A queue has closed: nobody waits for kicks of its doorbell any more.
    Closed {
        /// The queue.
        queue: QueueName,
        /// The number that its kicks carried.
        doorbell: u32,
    },
    /// A queue was kicked by [`crate::Domain::serve`]: for attachments whose doorbells all come there.
    Kick {
        /// The queue.
        queue: QueueName,
    },
    /// A device was taken away, and is open (DEV-13).
    Removed {
        /// The device.
        device: u32,
    },
    /// Which frames a network interface's guest wants (NET-9).
    Filter {
        /// The device.
        device: u32,
        /// Bits of [`tenon_abi::net::FilterMode`].
        mode: u64,
        /// Addresses that it wants as well.
        addresses: Vec<[u8; 6]>,
    },
}

macro_rules! grouped {
    ($($group:ident($action:ty);)*) => { $(
        impl From<$action> for Action {
            fn from(action: $action) -> Self {
                Self::$group(action)
            }
        }
    )* };
}

grouped! {
    Session(SessionAction);
    Event(EventAction);
    Vcpu(VcpuAction);
    Console(ConsoleAction);
    Lifecycle(LifecycleAction);
    Memory(MemoryAction);
    Time(TimeAction);
    Device(DeviceAction);
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

    pub(crate) fn push(&mut self, action: impl Into<Action>) {
        self.queue.push_back(action.into());
    }

    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.queue.pop_front()
    }

    /// How many more may wait before nothing is fetched any more.
    pub(crate) fn room(&self) -> u32 {
        u32::try_from(Self::HIGH.saturating_sub(self.queue.len())).unwrap_or(0)
    }

    /// What waits in `earlier` comes first.
    pub(crate) fn go_behind(&mut self, earlier: &mut Self) {
        earlier.queue.append(&mut self.queue);
        core::mem::swap(self, earlier);
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// What only the ended session asked for is dropped.
    pub(crate) fn end_session(&mut self) {
        self.queue.retain(|action| {
            !matches!(
                action,
                Action::Vcpu(VcpuAction::Upcall { .. })
                    | Action::Event(EventAction::Raise { .. })
                    | Action::Memory(_)
            )
        });
    }
}
