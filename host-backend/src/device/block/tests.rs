// SPDX-License-Identifier: MIT OR Apache-2.0
//! BLK-3 to BLK-9 of each request, over memory with a hole.
#![allow(unsafe_code, reason = "the memory of a guest is a mapping")]

use super::*;
use crate::Memory;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;
use tenon_abi::Submission;
use tenon_rings::{Mapping, Words};

/// Two pages of memory with a page between them that is none.
#[derive(Clone)]
struct Holed(Arc<[Mapping; 2]>);

const PAGE: u64 = 4096;

impl Memory for Holed {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(3 * PAGE)
    }

    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        let page = &self.0[usize::from(offset >= PAGE)];
        let first = usize::try_from(offset % PAGE / 8).unwrap();
        page.slice(first, usize::try_from(len / 8).unwrap())
    }

    fn read(&self, _: u16, _: u64, _: &mut [u8]) -> bool {
        false
    }

    fn write(&self, _: u16, _: u64, _: &[u8]) -> bool {
        false
    }

    fn window(&self) -> Mapping {
        self.0[0]
    }

    fn piece(&self, index: usize) -> Option<(u64, u64)> {
        [(0, PAGE), (2 * PAGE, PAGE)].get(index).copied()
    }
}

fn memory() -> Holed {
    let page = || {
        let words: &'static [AtomicU64] = Box::leak((0..512).map(|_| AtomicU64::new(0)).collect());
        // SAFETY: the words live for ever, and are atomics.
        unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), 4096) }.unwrap()
    };
    Holed(Arc::new([page(), page()]))
}

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    block: 512,
    align: 16,
    max_transfer: 4096,
    max_segment: 2048,
    max_segments: 8,
    max_discard: 8192,
    max_zero: 0,
    read_only: false,
};

struct Disk {
    memory: Holed,
    arena: Arena,
    limits: Limits,
    segments: Segments,
}

impl Disk {
    fn new() -> Self {
        let memory = memory();
        // The first half page is the guest's own.
        let arena = Arena::of(&memory, 2048, 5 * 2048, Arc::new(())).unwrap();
        Self { memory, arena, limits: LIMITS, segments: Segments::new() }
    }

    fn parse(&mut self, op: Op, args: [u64; 6]) -> Result<Request, Status> {
        let submission = Submission::new(op, args);
        let fetched = Fetched { op, id: 0, submission };
        Request::parse(&fetched, &self.arena, &self.limits, &mut self.segments)
    }

    fn list(&self, at: usize, entries: &[(u64, u64)]) {
        for (index, (address, len)) in entries.iter().enumerate() {
            assert!(self.memory.0[0].write(at + 16 * index, &address.to_le_bytes()));
            assert!(self.memory.0[0].write(at + 16 * index + 8, &len.to_le_bytes()));
        }
    }
}

const A: u64 = 2048;
const B: u64 = 2 * PAGE;

#[test]
fn one_and_two_segments_and_a_list() {
    let mut disk = Disk::new();
    assert_eq!(disk.parse(Op::READ, [512, A, 1024, 0, 0, 1]), Ok(Request::Read { offset: 512, len: 1024 }));
    assert_eq!(disk.segments.chunks().len(), 1);
    let durable = 2 | 1 << 32;
    let write = Request::Write { offset: 0, len: 1536, durable: true };
    assert_eq!(disk.parse(Op::WRITE, [0, A, 1024, B, 512, durable]), Ok(write));
    assert_eq!(disk.segments.chunks().len(), 2);
    disk.list(3072, &[(A, 512), (B, 512), (B + 512, 512)]);
    assert_eq!(disk.parse(Op::READ, [0, 3072, 0, 0, 0, 3]), Ok(Request::Read { offset: 0, len: 1536 }));
    let lens: Vec<usize> = disk.segments.chunks().iter().map(Chunk::len).collect();
    assert_eq!(lens, [512; 3]);
    assert!(disk.segments.chunks()[1].write(0, b"here"));
    let mut seen = [0; 4];
    assert!(disk.memory.0[1].read(0, &mut seen));
    assert_eq!(&seen, b"here");
}

#[test]
fn what_breaks_a_rule_says_which() {
    let mut disk = Disk::new();
    let end = 1 << 20;
    for (status, args) in [
        (Status::BAD_ARGUMENT, [0, A, 512, 0, 0, 0]),
        (Status::BAD_ARGUMENT, [0, A, 0, 0, 0, 1]),
        (Status::BAD_ARGUMENT, [0, A, 511, 0, 0, 1]),
        (Status::BAD_ARGUMENT, [0, A, 2560, 0, 0, 1]),
        (Status::BAD_ARGUMENT, [0, A, 512, B, 0, 2]),
        (Status::BAD_ARGUMENT, [1, A, 512, 0, 0, 1]),
        (Status::BAD_ARGUMENT, [0, 3072, 0, 0, 0, 9]),
        (Status::BAD_RESERVED, [0, A, 512, 1, 0, 1]),
        (Status::BAD_RESERVED, [0, A, 512, 0, 1, 1]),
        (Status::BAD_RESERVED, [0, 3072, 512, 0, 0, 3]),
        (Status::BAD_RESERVED, [0, 3072, 0, 0, 512, 3]),
        (Status::BAD_RESERVED, [0, A, 512, 0, 0, 1 | 2 << 32]),
        (Status::BAD_ALIGNMENT, [0, A + 8, 512, 0, 0, 1]),
        (Status::BAD_ALIGNMENT, [0, 3076, 0, 0, 0, 3]),
        (Status::BAD_RANGE, [0, A - 512, 512, 0, 0, 1]),
        (Status::BAD_RANGE, [0, PAGE - 512, 1024, 0, 0, 1]),
        (Status::BAD_RANGE, [0, PAGE, 512, 0, 0, 1]),
        (Status::BAD_RANGE, [0, B + PAGE - 512, 1024, 0, 0, 1]),
        (Status::BAD_RANGE, [0, (1 << 48) - 512, 512, 0, 0, 1]),
        (Status::BAD_RANGE, [0, PAGE - 16, 0, 0, 0, 3]),
        (Status::BAD_REGION, [0, 1 << 48 | A, 512, 0, 0, 1]),
        (Status::BAD_RANGE, [end, A, 512, 0, 0, 1]),
        (Status::BAD_RANGE, [end - 512, A, 1024, 0, 0, 1]),
        (Status::BAD_RANGE, [u64::MAX - 511, A, 512, 0, 0, 1]),
    ] {
        assert_eq!(disk.parse(Op::WRITE, args), Err(status), "{args:x?}");
    }
    assert_eq!(disk.parse(Op::READ, [0, A, 512, 0, 0, 1 | 1 << 32]), Err(Status::BAD_RESERVED));
    // Each is short enough, and all together are not.
    disk.list(3072, &[(A, 2048), (B, 2048), (B, 512)]);
    assert_eq!(disk.parse(Op::READ, [0, 3072, 0, 0, 0, 3]), Err(Status::BAD_ARGUMENT));
    disk.list(3072, &[(A, 512), (B, 512), (0, 512)]);
    assert_eq!(disk.parse(Op::READ, [0, 3072, 0, 0, 0, 3]), Err(Status::BAD_RANGE));
}

#[test]
fn what_a_disk_cannot_do_is_not_there() {
    let mut disk = Disk::new();
    assert_eq!(disk.parse(Op::NOP, [7, 0, 0, 0, 0, 0]), Ok(Request::Nop(7)));
    assert_eq!(disk.parse(Op::FLUSH, [0; 6]), Ok(Request::Flush));
    assert_eq!(disk.parse(Op::FLUSH, [1, 0, 0, 0, 0, 0]), Err(Status::BAD_RESERVED));
    let discard = Request::Discard { offset: 512, len: 8192 };
    assert_eq!(disk.parse(Op::DISCARD, [512, 8192, 0, 0, 0, 0]), Ok(discard));
    assert_eq!(disk.parse(Op::DISCARD, [512, 8704, 0, 0, 0, 0]), Err(Status::BAD_ARGUMENT));
    assert_eq!(disk.parse(Op::DISCARD, [0, 0, 0, 0, 0, 0]), Err(Status::BAD_ARGUMENT));
    assert_eq!(disk.parse(Op::DISCARD, [(1 << 20) - 512, 1024, 0, 0, 0, 0]), Err(Status::BAD_RANGE));
    assert_eq!(disk.parse(Op::ZERO, [0, 512, 0, 0, 0, 0]), Err(Status::NOT_SUPPORTED));
    assert_eq!(disk.parse(Op::CONSOLE_WRITE, [A, 1, 0, 0, 0, 0]), Err(Status::NOT_SUPPORTED));
    assert_eq!(disk.parse(Op(0xffff), [0; 6]), Err(Status::NOT_SUPPORTED));
    let probe = |disk: &mut Disk, op: Op| disk.parse(Op::PROBE, [u64::from(op.0), 0, 0, 0, 0, 0]);
    assert_eq!(probe(&mut disk, Op::READ), Ok(Request::Probe(3)));
    assert_eq!(probe(&mut disk, Op::CANCEL), Ok(Request::Probe(1)));
    assert_eq!(probe(&mut disk, Op::ZERO), Ok(Request::Probe(0)));
    assert_eq!(probe(&mut disk, Op::EXIT), Ok(Request::Probe(0)));
    disk.limits.max_zero = 512;
    let zero = Request::Zero { offset: 0, len: 512, may_unmap: true };
    assert_eq!(disk.parse(Op::ZERO, [0, 512, 1, 0, 0, 0]), Ok(zero));
    assert_eq!(disk.parse(Op::ZERO, [0, 512, 2, 0, 0, 0]), Err(Status::BAD_RESERVED));
    disk.limits.read_only = true;
    assert_eq!(disk.parse(Op::ZERO, [0, 512, 0, 0, 0, 0]), Err(Status::READ_ONLY));
    assert_eq!(disk.parse(Op::WRITE, [0, A, 512, 0, 0, 1]), Err(Status::READ_ONLY));
}
