// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's own books, and the bytes that it decides by.

use tenon_abi::operation::{Check, OPERATIONS, Traits};
use tenon_abi::vcpu::{Sizes, guest};
use tenon_abi::{ControlOp, ControlRequest, Op, Submission, Tail, turn};
use zerocopy::{FromZeros, IntoBytes};

use crate::ground::{Ground, words};

/// Bytes that decide; zeroes when they are used up.
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

/// Values at which ranges, masks and positions end.
const EDGES: [u64; 28] = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    47,
    48,
    49,
    63,
    64,
    65,
    255,
    256,
    4095,
    4096,
    4097,
    0x3_ffff,
    0x4_0000,
    0x4_0001,
    u32::MAX as u64,
    1 << 32,
    (1 << 48) - 1,
    1 << 48,
    1 << 63,
    u64::MAX,
];

impl<'a> Bytes<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        u32::from(self.byte()) % end
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    /// A value at an edge, or any.
    pub(crate) fn edge(&mut self) -> u64 {
        let at = usize::from(self.byte());
        EDGES.get(at % (EDGES.len() + 4)).copied().unwrap_or_else(|| self.word())
    }
}

/// What the guest knows of a vCPU that it has bound.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    /// Offset of the guest-written area.
    pub(crate) area: u64,
    pub(crate) sizes: Sizes,
    /// Position of the next submission, by lane.
    pub(crate) next: [u32; 2],
    /// Ids of the call queue that are in use.
    pub(crate) used: Vec<bool>,
}

impl Book {
    pub(crate) fn new(area: u64, sizes: Sizes) -> Self {
        Self { area, sizes, next: [0; 2], used: vec![false; sizes.depth as usize] }
    }

    /// Where the next submission of a lane goes, in words.
    fn slot(&self, lane: usize) -> usize {
        let offset = match lane {
            0 => guest::SUBMISSIONS + u64::from(self.next[0] & (self.sizes.depth - 1)) * 64,
            _ => guest::EMERGENCY,
        };
        words(self.area + offset)
    }

    /// Writes the next submission of a lane as the spec says, with an id that is free. `breach` is stirred
    /// into id and turn.
    pub(crate) fn submit(
        &mut self,
        lane: usize,
        submission: Submission,
        seed: u32,
        breach: u64,
    ) -> Option<Vec<(usize, u64)>> {
        let id = if lane == 0 { self.used.iter().position(|used| !used)? } else { 0 };
        if lane == 0 {
            self.used[id] = true;
        }
        let at = self.slot(lane);
        let turn = turn(seed, self.next[lane]);
        self.next[lane] = self.next[lane].wrapping_add(1);
        let mut all = submission.to_words();
        let code = Tail::from_word(all[7]).code;
        all[7] = Tail { code, id: id as u16, turn }.to_word() ^ breach;
        Some((at..).zip(all).collect())
    }

    /// A word of the area, by its offset.
    pub(crate) fn word(&self, offset: u64) -> usize {
        words(self.area + offset)
    }
}

/// A control request, ready to be changed and written.
pub(crate) fn request(op: ControlOp, ticket: u32, session: u32) -> ControlRequest {
    let mut request = ControlRequest::new_zeroed();
    request.magic.set(tenon_abi::control::MAGIC);
    request.op.set(op.0);
    request.ticket.set(ticket);
    request.session.set(session);
    request
}

/// The request's words at a word of memory.
pub(crate) fn lay(request: &ControlRequest, at: usize) -> Vec<(usize, u64)> {
    let (words, _) = request.as_bytes().as_chunks::<8>();
    (at..).zip(words.iter().map(|bytes| u64::from_le_bytes(*bytes))).collect()
}

/// The request in a frame, as a host would copy it.
pub(crate) fn read_request(ground: &Ground, offset: u64) -> ControlRequest {
    let mut request = ControlRequest::new_zeroed();
    for (bytes, word) in request.as_mut_bytes().chunks_exact_mut(8).zip(words(offset)..) {
        bytes.copy_from_slice(&ground.peek(word).to_le_bytes());
    }
    request
}

/// How many operations there are for [`numbered`]: every one of the table, and two that do not exist.
pub(crate) const fn ops() -> u32 {
    OPERATIONS.len() as u32 + 2
}

/// One of them, by its number below [`ops`].
pub(crate) fn numbered(number: u32) -> Op {
    match OPERATIONS.get(number as usize) {
        Some(row) => row.op,
        None if number as usize == OPERATIONS.len() => Op(0),
        None => Op(0x05ff),
    }
}

/// A submission with arguments that the operation can use.
pub(crate) fn shape(op: Op, [a, b, c]: [u8; 3]) -> Submission {
    let (a, b, c) = (u64::from(a), u64::from(b), u64::from(c));
    let memory = a << 10 | b << 2;
    let args = match op {
        Op::NOP => [a, 0, 0],
        Op::PROBE => [u64::from(numbered((a % u64::from(ops())) as u32).0), 0, 0],
        Op::CANCEL => [a % 8, 0, 0],
        Op::EVENT_UNBIND | Op::EVENT_SIGNAL => [a % 16, 0, 0],
        Op::EVENT_BIND | Op::EVENT_MOVE => [a % 16, b % 4, c & 1],
        Op::EVENT_BIND_DIRECT => [a % 16, b % 4, 30 + c % 8],
        Op::REGION_QUERY => [a & 1, 0, 0],
        Op::VCPU_START => [a % 4, b, c],
        Op::VCPU_STOP => [a % 4, b % 4, 0],
        Op::VCPU_UPCALL => [a % 4, if b == 0 { 0 } else { 32 + b % 8 }, 0],
        Op::EXIT => [a, 0, 0],
        Op::PAGE => [a & 3, if c & 1 == 0 { 0 } else { b << 12 }, 0],
        Op::CLOCK_READ => [a & 3, 0, 0],
        Op::TIMER_SET => {
            let deadline = if c == 0xff { u64::MAX } else { c << (b >> 2) };
            return Submission::new(op, [a % 16, b & 3, deadline, a << (c & 31), 0, 0]);
        }
        Op::TIMER_CANCEL => [a % 16, 0, 0],
        _ => match op.row() {
            Some(row) if row.traits.contains(Traits::PAYLOAD) && c & 1 == 0 => {
                let payload = vec![0x5a; a as usize % 49];
                return Submission::with_inline(op, &payload).expect("at most 48 bytes");
            }
            Some(row) if row.checks.starts_with(&[Check::ADDRESS, Check::LENGTH]) => [memory, c * 17, 0],
            _ => [0; 3],
        },
    };
    let [x, y, z] = args;
    Submission::new(op, [x, y, z, 0, 0, 0])
}
