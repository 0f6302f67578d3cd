// SPDX-License-Identifier: MIT OR Apache-2.0
//! Status codes, queue states and why a queue was found corrupt.

use crate::wire::numbers;
use crate::word::Tail;

numbers! {
    pub struct Status(u16), "Result of a call or a control request (CALL-13)." {
        0 OK, "CALL-13", "done";
        1 NOT_SUPPORTED, "CALL-12", "no such operation here";
        2 BAD_ARGUMENT, "CALL-11", "an argument is outside its range";
        3 BAD_RESERVED, "GEN-5", "an unknown bit is set or a reserved field is not zero";
        4 BAD_REGION, "REG-2", "no such region";
        5 BAD_RANGE, "REG-3", "the range does not lie inside the region, wraps, or overlaps what it must not";
        6 TOO_LONG, "CALL-10", "the payload is longer than the limit";
        7 NO_CAPACITY, "EVT-4", "a quota, a ring or the window has no room";
        8 EXISTS, "VCPU-1", "it is bound already";
        9 NOT_FOUND, "CALL-28", "it is in its range, but not bound";
        10 BAD_STATE, "NEG-4", "not in this state";
        11 BAD_SESSION, "SES-5", "that session is over";
        12 BAD_VERSION, "NEG-1", "that version is not spoken here";
        13 BAD_FEATURES, "NEG-2", "a feature was asked that is not offered";
        14 CANCELLED, "CALL-22", "cancelled before it took effect";
        15 INDETERMINATE, "CALL-18", "it may or may not have taken effect";
        16 DENIED, "MEM-11", "a range that is not shared with this right";
        17 BAD_ALIGNMENT, "GEN-4", "not aligned to the granule";
        18 IO_ERROR, "BLK-7", "the medium could not do it";
        19 NO_SPACE, "BLK-5", "the medium is full";
        20 READ_ONLY, "BLK-5", "the medium cannot be written";
        21 REMOVED, "DEV-13", "that device is gone";
    }
}

numbers! {
    pub struct QueueState(u16), "Low 16 bits of a state word (CALL-15)." {
        0 UNBOUND, "CALL-15", "no such queue in this session";
        1 RUNNING, "CALL-15", "the queue works";
        2 CORRUPT, "CALL-15", "the guest broke the protocol; cured only by reset";
    }
}

numbers! {
    pub struct Reason(u16), "Why a queue is corrupt: bits 16 to 31 of a state word (CALL-15)." {
        0 NONE, "CALL-15", "it is not";
        1 BAD_ID, "CALL-6", "an id at or above the queue's depth";
        2 DUPLICATE_ID, "CALL-6", "an id that is in flight already";
        3 BAD_TAKEN, "EVT-8", "`taken` went backwards or beyond what was written";
        4 BAD_ARMED, "EVT-11", "the upper 32 bits of an armed word are not zero";
        5 UNKNOWN_ID, "CALL-7", "a completion for an id that is not in flight";
        6 BAD_PORT, "EVT-7", "an event entry names a port at or above `max_ports`";
        7 BAD_POSITION, "STR-5", "a data ring's position went backwards, too far, or lost its seed";
        8 BAD_RECORD, "STR-9", "a record's header has another turn or an impossible length";
        9 BAD_SHAPE, "STR-3", "the other side has another size or kind of ring in mind";
        10 NOT_ZERO, "GEN-5", "a reserved word of a control line is not zero";
    }
}

/// A state word, unpacked (CALL-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateWord {
    /// The state.
    pub state: QueueState,
    /// Why it is corrupt.
    pub reason: Reason,
    /// The position at which that was seen.
    pub position: u32,
}

impl StateWord {
    /// The wire word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        Tail { code: self.state.0, id: self.reason.0, turn: self.position }.to_word()
    }

    /// From the wire word.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let tail = Tail::from_word(word);
        Self { state: QueueState(tail.code), reason: Reason(tail.id), position: tail.turn }
    }
}
