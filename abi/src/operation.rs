// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operations: one row for each, from which everything else that is known of them follows (CALL-12). Gating, the checks of arguments,
//! PROBE, the emergency lane, the tables of `docs/abi.md`, the C header and the golden test are made from these rows.

use crate::call::{INLINE_MAX, Submission, SubmissionFlags};
use crate::discovery::Features;
use crate::event::CLASSES;
use crate::status::Status;
use crate::wire::{flags, numbers, operations};

operations! {
    pub struct Op(u16), "An operation: family in the high byte, number in the low one (CALL-12)." {
        0x0100 NOP(value: WORD) [] [REPLAY_SAFE, EMERGENCY],
            "CALL-20", "does nothing: value = `args[0]`";
        0x0101 PROBE(operation: U16) [] [REPLAY_SAFE],
            "CALL-21", "does an operation exist: value = 0, or 1, or 3 if it is replay-safe too";
        0x0102 CANCEL(id: U16) [] [],
            "CALL-22", "cancel a request in flight: value = 1 if it was cancelled, else 0";
        0x0200 EVENT_BIND(port: PORT, vcpu: VCPU, class: CLASS) [EVENTS] [],
            "EVT-3", "bind a port to a vCPU's event ring";
        0x0201 EVENT_UNBIND(port: PORT) [EVENTS] [],
            "EVT-5", "release a port";
        0x0202 EVENT_MOVE(port: PORT, vcpu: VCPU, class: CLASS) [EVENTS] [],
            "EVT-17", "bind a port to another ring";
        0x0203 EVENT_SIGNAL(port: PORT) [EVENTS] [],
            "EVT-6", "raise a port of one's own";
        0x0204 EVENT_BIND_DIRECT(port: PORT, vcpu: VCPU, interrupt: INTERRUPT) [EVENTS, DIRECT] [],
            "EVT-22", "give a port an interrupt of its own";
        0x0300 REGION_QUERY(region: U16) [] [REPLAY_SAFE],
            "REG-4", "length of a region in bytes";
        0x0500 VCPU_START(vcpu: VCPU, entry: START, argument: START) [SMP] [],
            "VCPU-5", "start a vCPU";
        0x0501 VCPU_STOP(vcpu: VCPU, target: VCPU) [SMP] [LATE],
            "VCPU-6", "stop a vCPU and move its ports";
        0x0502 VCPU_UPCALL(vcpu: VCPU, interrupt: INTERRUPT_OR_ZERO) [UPCALL] [REPLAY_SAFE],
            "VCPU-8", "set the interrupt of a vCPU's upcall";
        0x0600 CONSOLE_WRITE(address: ADDRESS, len: LENGTH) [CONSOLE] [PAYLOAD, EMERGENCY_INLINE],
            "CON-2", "write bytes to the console";
        0x0601 CONSOLE_READ(address: ADDRESS, len: LENGTH) [CONSOLE] [LATE],
            "CON-4", "read bytes; completes when there are some";
        0x0800 EXIT(code: U32) [LIFECYCLE] [EMERGENCY],
            "LIFE-2", "end the domain with a code";
        0x0801 RESTART() [LIFECYCLE] [EMERGENCY],
            "LIFE-3", "restart the domain";
        0x0802 CRASH(address: ADDRESS, len: LENGTH, code: WORD) [LIFECYCLE] [PAYLOAD, EMERGENCY],
            "LIFE-4", "leave a crash record";
    }
}

numbers! {
    pub struct Check(u8), "What an argument has to be, whatever the operation then makes of it (CALL-11)." {
        0 NONE, "CALL-11", "not used: zero, else BAD_RESERVED";
        1 WORD, "CALL-11", "any 64 bits";
        2 U16, "CALL-11", "below 2^16";
        3 U32, "CALL-11", "below 2^32";
        4 PORT, "EVT-3", "below `max_ports`";
        5 VCPU, "VCPU-1", "below `max_vcpus`";
        6 CLASS, "EVT-2", "an event ring's class: 0 or 1";
        7 INTERRUPT, "VCPU-8", "from `irq_first` to `irq_last`";
        8 INTERRUPT_OR_ZERO, "VCPU-8", "the same, or 0";
        9 START, "VCPU-5", "what the platform's start state can carry";
        10 ADDRESS, "GEN-3", "a wire address";
        11 LENGTH, "REG-3", "bytes of the range that begins at the address before it";
    }
}

flags! {
    pub struct Traits(u8), "What else is known of an operation." {
        0 REPLAY_SAFE, "CALL-18", "may be submitted again after a reset: bit 1 of PROBE's value";
        1 PAYLOAD, "CALL-10", "takes a payload: INLINE, or a range by its first two arguments";
        2 EMERGENCY, "CALL-23", "the emergency lane takes it";
        3 EMERGENCY_INLINE, "CALL-23", "the emergency lane takes it with INLINE";
        4 LATE, "CALL-17", "may complete after the kick that submitted it";
    }
}

/// All that is known of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its number.
    pub op: Op,
    /// Its name in the spec.
    pub name: &'static str,
    /// Features that must all have been negotiated for it to exist (NEG-7).
    pub needs: Features,
    /// Names of the arguments that it uses, in order.
    pub arguments: &'static [&'static str],
    /// What each of the six arguments has to be.
    pub checks: [Check; 6],
    /// What else is known of it.
    pub traits: Traits,
    /// The clause that says what it does.
    pub clause: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
}

/// What a host offered, as far as arguments are held against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Port numbers are below this (DISC-9).
    pub max_ports: u32,
    /// vCPU numbers are below this (DISC-9).
    pub max_vcpus: u32,
    /// The first interrupt that a guest may choose, and the last (VCPU-8).
    pub interrupts: [u32; 2],
    /// The largest entry and argument of VCPU_START (VCPU-5).
    pub max_start: u64,
}

/// The arguments of a submission that passed every check of its operation's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The six words; all zero where they are the payload.
    pub words: [u64; 6],
    /// Bytes of inline payload, at most [`INLINE_MAX`]; `None` without INLINE.
    pub inline: Option<usize>,
}

impl Op {
    /// Whether the operation may be done twice without anybody noticing (CALL-18).
    #[must_use]
    pub fn is_replay_safe(self) -> bool {
        self.row().is_some_and(|row| row.traits.contains(Traits::REPLAY_SAFE))
    }

    /// The number of its family: the high byte.
    #[must_use]
    pub const fn family(self) -> u8 {
        let [_, family] = self.0.to_le_bytes();
        family
    }
}

impl Operation {
    /// The minor version that brought it: that of the last of its features (NEG-7).
    #[must_use]
    pub fn since(&self) -> u16 {
        let features = Features::SINCE.iter().filter(|(feature, _)| self.needs.contains(*feature));
        features.map(|(_, since)| *since).max().unwrap_or(0)
    }

    /// Whether the emergency lane takes it with these flags (CALL-23).
    #[must_use]
    pub const fn is_for_emergencies(&self, flags: u32) -> bool {
        let inline = flags & SubmissionFlags::INLINE.bits() != 0;
        self.traits.contains(Traits::EMERGENCY) || self.traits.contains(Traits::EMERGENCY_INLINE) && inline
    }

    /// Checks the flags and arguments of a submission in the order of GEN-9: BAD_RESERVED before BAD_ARGUMENT, or TOO_LONG for
    /// an inline payload that cannot be (CALL-9 to CALL-11).
    ///
    /// # Errors
    ///
    /// The status with which the host completes it.
    #[inline]
    pub fn arguments(&self, submission: &Submission, limits: &Limits) -> Result<Arguments, Status> {
        let inline = SubmissionFlags::INLINE.bits();
        if submission.flags.get() == inline && self.traits.contains(Traits::PAYLOAD) {
            return inline_payload(submission);
        }
        let mut words = [0; 6];
        // One look at all that has to be zero.
        let mut unused = u64::from(submission.flags.get()) | u64::from(submission.count.get());
        for ((word, argument), check) in words.iter_mut().zip(&submission.args).zip(&self.checks) {
            *word = argument.get();
            if *check == Check::NONE {
                unused |= *word;
            }
        }
        if unused != 0 {
            return Err(Status::BAD_RESERVED);
        }
        let mut checked = words.iter().zip(&self.checks);
        if checked.all(|(word, check)| check.admits(*word, limits)) {
            Ok(Arguments { words, inline: None })
        } else {
            Err(Status::BAD_ARGUMENT)
        }
    }
}

/// The bytes behind the payload's are zero (CALL-10).
fn inline_payload(submission: &Submission) -> Result<Arguments, Status> {
    let count = usize::try_from(submission.count.get()).unwrap_or(usize::MAX);
    let bytes = submission.inline();
    let (_, rest) = bytes.split_at_checked(count).ok_or(Status::TOO_LONG)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Status::BAD_RESERVED);
    }
    Ok(Arguments { words: [0; 6], inline: Some(count.min(INLINE_MAX)) })
}

impl Check {
    /// Whether an argument is what it has to be. One that no rule is known for is refused.
    #[inline]
    #[must_use]
    pub const fn admits(self, word: u64, limits: &Limits) -> bool {
        match self {
            Self::NONE => word == 0,
            Self::WORD | Self::ADDRESS | Self::LENGTH => true,
            Self::U16 => word <= 0xffff,
            Self::U32 => word <= 0xffff_ffff,
            Self::PORT => is_below(word, limits.max_ports),
            Self::VCPU => is_below(word, limits.max_vcpus),
            Self::CLASS => is_below(word, CLASSES),
            Self::INTERRUPT => is_interrupt(word, limits),
            Self::INTERRUPT_OR_ZERO => word == 0 || is_interrupt(word, limits),
            Self::START => word <= limits.max_start,
            _ => false,
        }
    }
}

const fn is_below(word: u64, end: u32) -> bool {
    let (low, high) = crate::call::unpack(word);
    high == 0 && low < end
}

const fn is_interrupt(word: u64, limits: &Limits) -> bool {
    let (low, high) = crate::call::unpack(word);
    let [first, last] = limits.interrupts;
    high == 0 && low >= first && low <= last
}

/// Six checks from those of the arguments that there are.
const fn six(given: &[Check]) -> [Check; 6] {
    let mut checks = [Check::NONE; 6];
    let mut index = 0;
    while index < given.len() {
        checks[index] = given[index];
        index += 1;
    }
    checks
}

#[cfg(test)]
mod tests;
