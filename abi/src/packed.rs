// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words that hold several fields, as data (PACK-1): the spec's table, the C header and the golden test are
//! made from this.

/// A field of a packed word. Where it begins follows from the fields before it.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    /// Its name in the spec; `zero`: nothing may be set.
    pub name: &'static str,
    /// Its width in bits.
    pub bits: u32,
    /// What it is, in a line.
    pub doc: &'static str,
}

/// A packed word: its first field is at the low end (PACK-1).
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Its name in the spec.
    pub name: &'static str,
    /// The clause that says what it means.
    pub clause: &'static str,
    /// Where it stands, in a line.
    pub doc: &'static str,
    /// Its fields from bit 0 on, without gaps.
    pub fields: &'static [Bits],
}

impl Packed {
    /// Each field with the bit that it begins at.
    pub fn placed(&self) -> impl Iterator<Item = (u32, &'static Bits)> {
        self.fields.iter().scan(0u32, |next, field| {
            let shift = *next;
            *next = shift.saturating_add(field.bits);
            Some((shift, field))
        })
    }
}

/// Declares packed words. One line a word, then its fields from bit 0 on.
macro_rules! packed {
    ($( $name:ident, $clause:literal, $text:literal { $( $field:ident: $bits:literal, $doc:literal; )* } )*) => {
        /// Every packed word.
        pub const WORDS: &[Packed] = &[$( Packed {
            name: stringify!($name),
            clause: $clause,
            doc: $text,
            fields: &[$( Bits { name: stringify!($field), bits: $bits, doc: $doc }, )*],
        }, )*];

        // A word has 64 bits, and all of them have a meaning.
        $( static_assertions::const_assert_eq!(0 $( + $bits )*, 64); )*
    };
}

packed! {
    Address, "GEN-3", "a wire address" {
        offset: 48, "bytes from the region's start";
        region: 16, "region number";
    }
    Session, "SES-1", "`session` of the discovery record" {
        seed: 32, "what the turns of this session start from";
        number: 32, "session number";
    }
    Active, "NEG-5", "`active` of the discovery record" {
        major: 16, "major version";
        minor: 16, "minor version";
        granule: 16, "log2 of the granule";
        state: 16, "`SessionState`";
    }
    ControlResult, "SES-4", "`control_result` of the discovery record" {
        status: 16, "`Status`";
        zero: 16, "zero";
        ticket: 32, "ticket of the request";
    }
    BindWord, "SHM-3", "the bind word of SHARED" {
        frame: 32, "frame number";
        count: 32, "not zero, and another one each time";
    }
    SubmissionTail, "CALL-2", "`tail` of a submission" {
        op: 16, "`Op`";
        id: 16, "id of the request";
        turn: 32, "turn of its position";
    }
    CompletionTail, "CALL-3", "`tail` of a completion" {
        status: 16, "`Status`";
        id: 16, "id of the request";
        turn: 32, "turn of its position";
    }
    StateWord, "CALL-15", "a state word" {
        state: 16, "`QueueState`";
        reason: 16, "`Reason`";
        position: 32, "where the rule was broken";
    }
    KickWanted, "CALL-25", "`KICK_WANTED` of the host-written area" {
        position: 32, "call position from which a kick is wanted";
        kind: 32, "1: that position counts; 0: one kick for each batch";
    }
    GuestPosition, "EVT-8", "the `TAKEN` and `ARMED` words of the guest-written area" {
        position: 32, "a position";
        zero: 32, "zero";
    }
    EventEntry, "EVT-7", "an entry of an event ring" {
        port: 32, "port number";
        turn: 32, "turn of its position";
    }
    RingPosition, "STR-4", "`position` and `armed` of a control line" {
        position: 32, "a position of the data ring";
        seed: 32, "the session's seed";
    }
    RingShape, "STR-3", "`shape` of a control line" {
        units: 32, "units in the ring";
        message: 32, "words of a message; zero: the ring holds records";
    }
    RecordHead, "STR-7", "the header of a record" {
        bytes: 32, "bytes of the record, or `RecordLength`";
        turn: 32, "turn of the header's position";
    }
}
