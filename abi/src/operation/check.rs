// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags and arguments of a submission, held against the row of its operation.

use super::{Check, Operation, Traits};
use crate::call::{INLINE_MAX, Submission, SubmissionFlags};
use crate::device::NO_PORT;
use crate::event::CLASSES;
use crate::status::Status;
use crate::time::CLOCKS;
use crate::word::unpack;

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

impl Operation {
    /// Whether the emergency lane takes it with these flags (CALL-23).
    #[must_use]
    pub const fn is_for_emergencies(&self, flags: u32) -> bool {
        let inline = flags & SubmissionFlags::INLINE.bits() != 0;
        self.traits.contains(Traits::EMERGENCY) || self.traits.contains(Traits::EMERGENCY_INLINE) && inline
    }

    /// Checks the flags and arguments of a submission in the order of GEN-9: BAD_RESERVED before
    /// BAD_ARGUMENT, or TOO_LONG for an inline payload that cannot be (CALL-9 to CALL-11).
    ///
    /// # Errors
    ///
    /// The status with which the host completes it.
    #[inline(always)]
    pub fn arguments(&self, submission: &Submission, limits: &Limits) -> Result<Arguments, Status> {
        let inline = SubmissionFlags::INLINE.bits();
        if submission.flags.get() == inline && self.traits.contains(Traits::PAYLOAD) {
            return inline_payload(submission);
        }
        // The first word holds flags and count, the last one the tail.
        let [head, words @ .., _] = submission.to_words();
        // One look at all that has to be zero.
        let mut unused = head;
        for (word, check) in words.iter().zip(&self.checks) {
            if *check == Check::NONE {
                unused |= *word;
            }
        }
        if unused != 0 {
            return Err(Status::BAD_RESERVED);
        }
        let mut checked = words.iter().zip(&self.checks);
        if checked.all(|(word, check)| *check == Check::NONE || check.admits(*word, limits)) {
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
    #[inline(always)]
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
            Self::CLOCK => is_below(word, CLOCKS),
            Self::PORT_OR_NONE => word == NO_PORT || is_below(word, limits.max_ports),
            _ => false,
        }
    }
}

const fn is_below(word: u64, end: u32) -> bool {
    let (low, high) = unpack(word);
    high == 0 && low < end
}

const fn is_interrupt(word: u64, limits: &Limits) -> bool {
    let (low, high) = unpack(word);
    let [first, last] = limits.interrupts;
    high == 0 && low >= first && low <= last
}
