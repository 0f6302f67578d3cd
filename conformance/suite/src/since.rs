// SPDX-License-Identifier: MIT OR Apache-2.0
//! What exists since which minor version, as the spec prints it: the one table that cases about operations
//! and features read. It is independent of `tenon-abi` on purpose: an error there must show.

use crate::cases::op;
use crate::env::Env;
use crate::raw::load;

/// The newest minor version that this suite knows. It negotiates this one, or the host's where that is older.
const NEWEST: u64 = 2;

/// Feature bits with the minor version that brought them.
const FEATURES: &[(u64, u64)] = &[
    (1 << 0, 1),
    (1 << 1, 1),
    (1 << 2, 1),
    (1 << 3, 1),
    (1 << 4, 1),
    (1 << 5, 1),
    (1 << 6, 1),
    (1 << 7, 2),
    (1 << 8, 2),
    (1 << 9, 2),
    (1 << 10, 2),
    (1 << 11, 2),
    (1 << 12, 2),
    (1 << 13, 2),
    (1 << 14, 2),
    (1 << 15, 2),
    (1 << 16, 2),
    (1 << 17, 2),
];

/// Whether an operation may be submitted again after a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safe {
    /// It may.
    Yes,
    /// It may not.
    No,
}

/// How the emergency lane takes an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Not at all.
    Never,
    /// In some form.
    Takes,
}

/// What is known of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Its number.
    pub(crate) op: u16,
    /// The feature bits that it needs.
    pub(crate) needs: u64,
    pub(crate) safe: Safe,
    pub(crate) lane: Lane,
    /// How many arguments it uses, and such ones as let a host get as far as looking at the others. `None`
    /// where that ends the machine, or where there may be a payload instead: those are looked at elsewhere.
    pub(crate) arguments: Option<(usize, [u64; 3])>,
}

const fn known(op: u16, needs: u64, safe: Safe, lane: Lane, arguments: Option<(usize, [u64; 3])>) -> Known {
    Known { op, needs, safe, lane, arguments }
}

const EVENTS: u64 = 1 << 1;
const DIRECT: u64 = 1 << 2;
const UPCALL: u64 = 1 << 3;
const SMP: u64 = 1 << 4;
const CONSOLE: u64 = 1 << 5;
const LIFECYCLE: u64 = 1 << 6;
const ENTROPY: u64 = 1 << 7;
const PAGES: u64 = 1 << 8;
const TIME: u64 = 1 << 9;
const GENERATION: u64 = 1 << 10;
const METER: u64 = 1 << 11;
const MEMORY: u64 = 1 << 12;
const CLOSED: u64 = 1 << 13;
const DEVICES: u64 = 1 << 15;
const BLOCK: u64 = 1 << 16;
const NET: u64 = 1 << 17;

/// Every operation of a call queue.
pub(crate) const OPS: &[Known] = &[
    known(op::NOP, 0, Safe::Yes, Lane::Takes, Some((1, [7, 0, 0]))),
    known(op::PROBE, 0, Safe::Yes, Lane::Never, Some((1, [0x0100, 0, 0]))),
    known(op::CANCEL, 0, Safe::No, Lane::Never, Some((1, [9, 0, 0]))),
    known(op::EVENT_BIND, EVENTS, Safe::No, Lane::Never, Some((3, [5, 0, 0]))),
    known(op::EVENT_UNBIND, EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::EVENT_MOVE, EVENTS, Safe::No, Lane::Never, Some((3, [5, 0, 1]))),
    known(op::EVENT_SIGNAL, EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::EVENT_BIND_DIRECT, EVENTS | DIRECT, Safe::No, Lane::Never, Some((3, [6, 0, 0x30]))),
    known(op::REGION_QUERY, 0, Safe::Yes, Lane::Never, Some((1, [0, 0, 0]))),
    known(op::PAGE, PAGES, Safe::Yes, Lane::Never, Some((2, [1, 0, 0]))),
    known(op::VCPU_START, SMP, Safe::No, Lane::Never, Some((3, [0, 0, 0]))),
    known(op::VCPU_STOP, SMP, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::VCPU_UPCALL, UPCALL, Safe::Yes, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::CONSOLE_WRITE, CONSOLE, Safe::No, Lane::Takes, None),
    known(op::CONSOLE_READ, CONSOLE, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::CLOCK_READ, TIME, Safe::Yes, Lane::Never, Some((1, [0, 0, 0]))),
    known(op::TIMER_SET, TIME | EVENTS, Safe::No, Lane::Never, Some((4, [5, 0, 0]))),
    known(op::TIMER_CANCEL, TIME | EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::EXIT, LIFECYCLE, Safe::No, Lane::Takes, None),
    known(op::RESTART, LIFECYCLE, Safe::No, Lane::Takes, None),
    known(op::CRASH, LIFECYCLE, Safe::No, Lane::Takes, None),
    known(op::REPAIRED, GENERATION, Safe::Yes, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::SUSPEND_WATCH, GENERATION | EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::SUSPEND_READY, GENERATION, Safe::No, Lane::Never, Some((0, [0, 0, 0]))),
    known(op::MEMORY_INFO, MEMORY, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::MEMORY_WATCH, MEMORY | EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::GIVE, MEMORY, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::TAKE, MEMORY, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::HINT, MEMORY, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::SHARE, CLOSED, Safe::No, Lane::Never, Some((3, [0, 0, 1]))),
    known(op::UNSHARE, CLOSED, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::ENTROPY, ENTROPY, Safe::No, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::METER_READ, METER, Safe::No, Lane::Never, Some((3, [0, 0, 0]))),
    known(op::DEVICE_LIMITS, DEVICES, Safe::Yes, Lane::Never, Some((0, [0, 0, 0]))),
    known(op::DEVICE_WATCH, DEVICES | EVENTS, Safe::No, Lane::Never, Some((1, [5, 0, 0]))),
    known(op::DEVICE_QUERY, DEVICES, Safe::No, Lane::Never, Some((3, [0, 0, 0]))),
    known(op::DEVICE_OPEN, DEVICES, Safe::No, Lane::Never, Some((5, [0, 0, 0]))),
    known(op::DEVICE_CLOSE, DEVICES, Safe::No, Lane::Never, Some((1, [0, 0, 0]))),
    known(op::QUEUE_OPEN, DEVICES, Safe::No, Lane::Never, Some((6, [0, 0, 0]))),
    known(op::QUEUE_CLOSE, DEVICES, Safe::No, Lane::Never, Some((1, [0, 0, 0]))),
    known(op::NET_FILTER, DEVICES | NET, Safe::No, Lane::Never, Some((4, [0, 0, 0]))),
];

/// The operations of the queues of disks, which no call queue takes (DEV-10): all of them may be submitted
/// again after a reset.
pub(crate) const BLOCK_OPS: &[Known] = &[
    known(op::READ, DEVICES | BLOCK, Safe::Yes, Lane::Never, Some((6, [0, 0, 0]))),
    known(op::WRITE, DEVICES | BLOCK, Safe::Yes, Lane::Never, Some((6, [0, 0, 0]))),
    known(op::FLUSH, DEVICES | BLOCK, Safe::Yes, Lane::Never, Some((0, [0, 0, 0]))),
    known(op::DISCARD, DEVICES | BLOCK, Safe::Yes, Lane::Never, Some((2, [0, 0, 0]))),
    known(op::ZERO, DEVICES | BLOCK, Safe::Yes, Lane::Never, Some((3, [0, 0, 0]))),
];

impl Known {
    /// Whether it exists in a session with these features.
    pub(crate) const fn is_in(&self, features: u64) -> bool {
        features & self.needs == self.needs
    }
}

/// The operation of this number, if this suite knows one.
pub(crate) fn op(number: u64) -> Option<&'static Known> {
    OPS.iter().find(|known| u64::from(known.op) == number)
}

/// Every feature bit that a minor version knows. Of a version that is newer than this suite no more can be
/// said than of the newest that it knows.
pub(crate) fn features(minor: u64) -> u64 {
    FEATURES.iter().filter(|(_, since)| *since <= minor).fold(0, |all, (bit, _)| all | bit)
}

/// The bits of the features that this suite knows, one by one.
pub(crate) fn bits() -> impl Iterator<Item = u64> {
    FEATURES.iter().map(|(bit, _)| *bit)
}

/// The highest minor version that the host speaks.
pub(crate) fn offered(env: &dyn Env) -> u64 {
    (load(&env.window(), 0x08) >> 16) & 0xffff
}

/// The minor version that this suite negotiates with the host.
pub(crate) fn minor(env: &dyn Env) -> u64 {
    offered(env).min(NEWEST)
}

/// Whether the host speaks a version that this suite does not know all of.
pub(crate) fn is_newer(env: &dyn Env) -> bool {
    offered(env) > NEWEST
}

/// The features that the host offers in the version that this suite negotiates.
pub(crate) fn negotiable(env: &dyn Env) -> u64 {
    load(&env.window(), 0x10) & features(minor(env))
}
