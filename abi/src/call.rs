// SPDX-License-Identifier: MIT OR Apache-2.0
//! Submissions and completions.

use crate::operation::Op;
use crate::status::Status;
use crate::wire::{flags, wire};
pub use crate::word::{Tail, pack, turn, unpack};
use zerocopy::little_endian::{U32, U64};

wire! {
    pub struct Submission: 64, "One request. The tail is stored last, with Release." {
        0x00 flags: U32, "CALL-9", "submission flags";
        0x04 count: U32, "CALL-10", "bytes of inline payload in `args`; zero without INLINE";
        0x08 args: [U64; 6], "CALL-11", "arguments, or the inline payload";
        0x38 tail: U64, "CALL-2", "operation (16 bits), id (16 bits), turn (32 bits)";
    }
    pub struct Completion: 16, "One result. The tail is stored last, with Release." {
        0x00 value: U64, "CALL-3", "the operation's value; zero unless the status is OK";
        0x08 tail: U64, "CALL-3", "status (16 bits), id (16 bits), turn (32 bits)";
    }
}

/// Words of 64 bits in a submission.
pub const SUBMISSION_WORDS: usize = 8;
/// Words of 64 bits in a completion.
pub const COMPLETION_WORDS: usize = 2;
/// The largest inline payload in bytes (CALL-10).
pub const INLINE_MAX: usize = 48;
/// The depth that a guest without wishes uses (VCPU-2).
pub const DEFAULT_DEPTH: u32 = 64;
/// The largest depth that exists (CALL-1).
pub const MAX_DEPTH: u32 = 4096;
/// Added to the position in a `KICK_WANTED` that counts: its high half is one (CALL-25).
pub const KICK_AT: u64 = 1 << 32;

flags! {
    pub struct SubmissionFlags(u32), "Flags of a submission (CALL-9)." {
        0 INLINE, "CALL-10", "`args` hold `count` bytes of payload";
    }
}

impl Submission {
    /// A submission without flags, payload, id and turn.
    #[must_use]
    pub fn new(op: Op, args: [u64; 6]) -> Self {
        let tail = Tail { code: op.0, id: 0, turn: 0 }.to_word();
        Self { flags: U32::ZERO, count: U32::ZERO, args: args.map(U64::new), tail: U64::new(tail) }
    }

    /// A submission that carries its payload; `None` when it is longer than [`INLINE_MAX`].
    #[must_use]
    pub fn with_inline(op: Op, payload: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_MAX];
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        let mut submission = Self::new(op, [0; 6]);
        submission.flags = U32::new(SubmissionFlags::INLINE.bits());
        submission.count = U32::new(u32::try_from(payload.len()).ok()?);
        submission.args = zerocopy::transmute!(bytes);
        Some(submission)
    }

    /// From the eight words of a slot.
    #[must_use]
    pub fn from_words(words: [u64; SUBMISSION_WORDS]) -> Self {
        zerocopy::transmute!(words.map(U64::new))
    }

    /// The eight words of a slot.
    #[must_use]
    pub fn to_words(self) -> [u64; SUBMISSION_WORDS] {
        let words: [U64; SUBMISSION_WORDS] = zerocopy::transmute!(self);
        words.map(U64::get)
    }

    /// One of the eight words of a slot; zero beyond them.
    #[must_use]
    #[inline(always)]
    pub fn word(&self, index: usize) -> u64 {
        let words: &[U64; SUBMISSION_WORDS] = zerocopy::transmute_ref!(self);
        words.get(index).map_or(0, |word| word.get())
    }

    /// The operation.
    #[must_use]
    pub fn op(&self) -> Op {
        Op(Tail::from_word(self.tail.get()).code)
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> u16 {
        Tail::from_word(self.tail.get()).id
    }

    /// The inline payload, all 48 bytes: the first `count` mean something.
    #[must_use]
    pub fn inline(&self) -> [u8; INLINE_MAX] {
        zerocopy::transmute!(self.args)
    }
}

impl Completion {
    /// A completion.
    #[must_use]
    pub fn new(status: Status, id: u16, turn: u32, value: u64) -> Self {
        Self { value: U64::new(value), tail: U64::new(Tail { code: status.0, id, turn }.to_word()) }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        Status(Tail::from_word(self.tail.get()).code)
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> u16 {
        Tail::from_word(self.tail.get()).id
    }
}
