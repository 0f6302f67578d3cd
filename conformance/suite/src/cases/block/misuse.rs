// SPDX-License-Identifier: MIT OR Apache-2.0
//! READ, WRITE and FLUSH as they are not meant (BLK-3 to BLK-6, DEV-6).

use super::{DURABLE, Disk};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::device::rig::{BLOCK_KIND, DISK, NO_PORT, Rig};
use crate::cases::tools::{case, end_of_memory, expect, op, settle, status};
use crate::raw::{self, load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("block.offset-unaligned", &["BLK-3"], DISK, offset_unaligned),
    case("block.offset-beyond", &["BLK-3"], DISK, offset_beyond),
    case("block.length", &["BLK-3"], DISK, length),
    case("block.length-of-the-second", &["BLK-3"], DISK, second_length),
    case("block.address-unaligned", &["BLK-3"], DISK, address_unaligned),
    case("block.outside-the-arena", &["BLK-3", "DEV-6"], DISK, outside),
    case("block.second-outside-the-arena", &["BLK-3", "DEV-6"], DISK, second_outside),
    case("block.other-region", &["BLK-3"], DISK, region),
    case("block.wrapping-address", &["BLK-3"], DISK, wraps),
    case("block.in-a-hole", &["BLK-3", "REG-1"], DISK, hole),
    case("block.flags", &["BLK-5", "BLK-4", "GEN-5"], DISK, flags),
    case("block.flush-arguments", &["BLK-6", "CALL-11"], DISK, flush),
    case("block.refused-write-has-no-effect", &["BLK-3", "GEN-5"], DISK, refused_write),
    case("block.refused-read-touches-nothing", &["BLK-3", "GEN-5"], DISK, refused_read),
    case("block.reads-into-its-own-queue", &["GEN-7", "DEV-11"], DISK, own_queue),
    case("block.buffers-overlap", &["BLK-3", "GEN-7"], DISK, overlap),
];

const BOTH: [u16; 2] = [op::READ, op::WRITE];

/// Each request has to be refused so, as READ and as WRITE.
fn refused(disk: &mut Disk, table: &[([u64; 6], u16, &'static str)]) -> Outcome {
    for (args, wanted, what) in table {
        for op in BOTH {
            disk.refuses(op, *args, *wanted, what)?;
        }
    }
    disk.queue.nop(1)
}

fn offset_unaligned(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (at, block) = (disk.at, disk.block);
    for by in [1, 8, block / 2, block - 1, block + 1] {
        refused(&mut disk, &[([by, at, block, 0, 0, 1], status::BAD_ARGUMENT, "an offset in a block")])?;
    }
    Ok(())
}

fn offset_beyond(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (at, block, end) = (disk.at, disk.block, disk.bytes);
    let top = u64::MAX / block * block;
    refused(
        &mut disk,
        &[
            ([end, at, block, 0, 0, 1], status::BAD_RANGE, "the block behind the end"),
            ([end - block, at, 2 * block, 0, 0, 1], status::BAD_RANGE, "a block beyond the end"),
            ([end - block, at, block, at, block, 2], status::BAD_RANGE, "the second segment beyond the end"),
            ([end + (1 << 40), at, block, 0, 0, 1], status::BAD_RANGE, "far beyond it"),
            ([top, at, block, 0, 0, 1], status::BAD_RANGE, "a range that wraps"),
            ([top, at, 2 * block, 0, 0, 1], status::BAD_RANGE, "a range that wraps to the front"),
            ([1 << 63, at, block, 0, 0, 1], status::BAD_RANGE, "2^63"),
        ],
    )
}

fn length(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (at, block) = (disk.at, disk.block);
    let above = disk.shape(0x1c) / block * block + block;
    for len in [0, 1, block - 1, block + 1, block + 8, above, 1 << 32, u64::MAX / block * block, u64::MAX] {
        refused(&mut disk, &[([0, at, len, 0, 0, 1], status::BAD_ARGUMENT, "a length outside its range")])?;
    }
    Ok(())
}

fn second_length(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (at, block) = (disk.at, disk.block);
    let above = disk.shape(0x1c) / block * block + block;
    for len in [0, 1, block - 1, above, u64::MAX / block * block] {
        refused(
            &mut disk,
            &[
                ([0, at, block, at, len, 2], status::BAD_ARGUMENT, "the second length"),
                ([0, at, len, at, block, 2], status::BAD_ARGUMENT, "the first length"),
            ],
        )?;
    }
    Ok(())
}

fn address_unaligned(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (at, block, align) = (disk.at, disk.block, disk.shape(0x14));
    for by in [1, align / 2, align - 1].into_iter().filter(|by| *by != 0 && *by < align) {
        refused(
            &mut disk,
            &[
                ([0, at + by, block, 0, 0, 1], status::BAD_ALIGNMENT, "an address that is not aligned"),
                ([0, at, block, at + by, block, 2], status::BAD_ALIGNMENT, "the second address"),
            ],
        )?;
    }
    Ok(())
}

/// Addresses that are not inside the arena, for one block.
fn strangers(disk: &Disk) -> [(u64, &'static str); 6] {
    let (start, len) = (disk.rig.arena.at, disk.rig.arena.len());
    let (block, align) = (disk.block, disk.shape(0x14).max(1));
    [
        (start - block, "the block before the arena"),
        (start - align, "from before the arena"),
        (start + len, "behind the arena"),
        (start + len - block + align.min(block / 2), "beyond the arena"),
        (disk.rig.bound.guest.1, "a vCPU's area"),
        (0, "the start of memory"),
    ]
}

fn outside(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let block = disk.block;
    for (at, what) in strangers(&disk) {
        if at.is_multiple_of(disk.shape(0x14).max(1)) {
            refused(&mut disk, &[([0, at, block, 0, 0, 1], status::BAD_RANGE, what)])?;
        }
    }
    Ok(())
}

fn second_outside(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (own, block) = (disk.at, disk.block);
    for (at, what) in strangers(&disk) {
        if at.is_multiple_of(disk.shape(0x14).max(1)) {
            refused(
                &mut disk,
                &[
                    ([0, own, block, at, block, 2], status::BAD_RANGE, what),
                    ([0, at, block, own, block, 2], status::BAD_RANGE, what),
                ],
            )?;
        }
    }
    Ok(())
}

fn region(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (at, block) = (disk.at, disk.block);
    for region in [1u64, 2, 0x8000, 0xffff] {
        let other = at | region << 48;
        refused(
            &mut disk,
            &[
                ([0, other, block, 0, 0, 1], status::BAD_REGION, "another region"),
                ([0, at, block, other, block, 2], status::BAD_REGION, "the second in another region"),
            ],
        )?;
    }
    Ok(())
}

fn wraps(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (block, page) = (disk.block, 4096u64.max(disk.block));
    let end = raw::record(ctx.env).region0_len.get().next_multiple_of(page);
    refused(
        &mut disk,
        &[
            ([0, (1 << 48) - block, block, 0, 0, 1], status::BAD_RANGE, "the end of 48 bits"),
            ([0, (1 << 48) - block, 2 * block, 0, 0, 1], status::BAD_RANGE, "a range that wraps in 48 bits"),
            ([0, end, block, 0, 0, 1], status::BAD_RANGE, "behind the region"),
        ],
    )
}

fn hole(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let unit = rig.arena.unit as u64;
    let memory = end_of_memory(&mut rig.bound)?;
    let region = raw::record(ctx.env).region0_len.get();
    let args = [info.name(), 0, 0, region / unit * unit, NO_PORT];
    expect(&mut rig.bound, op::DEVICE_OPEN, &args, status::OK, "an arena of all memory")?;
    let mut queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
    let block = u64::from(info.own32(8));
    let hole = ctx.env.hole().map(|(start, _)| start).or((memory < region).then_some(memory));
    let Some(start) = hole else { return Ok(()) };
    let start = start.next_multiple_of(block.max(4096));
    // Memory may begin behind the hole.
    let into = start.checked_sub(block).unwrap_or(start);
    let (_, own) = rig.arena.take(4096)?;
    for op in BOTH {
        for args in
            [[0, start, block, 0, 0, 1], [0, into, 2 * block, 0, 0, 1], [0, own, block, start, block, 2]]
        {
            queue.expect(op, &args, status::BAD_RANGE, "a segment in a hole")?;
        }
    }
    queue.expect(op::READ, &[0, own, block, 0, 0, 1], status::OK, "a segment in memory").map(|_| ())
}

fn flags(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let (at, block) = (disk.at, disk.block);
    for bit in 33..64 {
        refused(&mut disk, &[([0, at, block, 0, 0, 1 | 1 << bit], status::BAD_RESERVED, "an unknown flag")])?;
    }
    let args = [0, at, block, 0, 0, 1 | DURABLE];
    disk.queue.expect(op::READ, &args, status::BAD_RESERVED, "DURABLE with READ")?;
    let args = [0, at, block, 0, 0, 1 | DURABLE | 1 << 40];
    disk.queue.expect(op::WRITE, &args, status::BAD_RESERVED, "DURABLE and another one").map(|_| ())
}

fn flush(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    for place in 0..6 {
        for value in [1, 1 << 32, u64::MAX] {
            let mut args = [0; 6];
            args[place] = value;
            disk.queue.expect(op::FLUSH, &args, status::BAD_RESERVED, "FLUSH with an argument")?;
        }
    }
    disk.queue.expect(op::FLUSH, &[], status::OK, "FLUSH").map(|_| ())
}

/// Requests that break a rule each, over blocks 0 to 3.
fn broken(disk: &Disk) -> [[u64; 6]; 8] {
    let (at, block) = (disk.at, disk.block);
    let outside = disk.rig.arena.at + disk.rig.arena.len();
    [
        [1, at, block, 0, 0, 1],
        [0, at, block + 1, 0, 0, 1],
        [0, at, block, 1, 0, 1],
        [0, at, block, outside, block, 2],
        [0, at, block, at, 0, 2],
        [0, at, block, 0, 0, 1 | 1 << 50],
        [0, at, block, 0, 0, 0],
        [disk.bytes - block, at, block, at, block, 2],
    ]
}

fn refused_write(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (block, last) = (disk.block, disk.bytes - disk.block);
    for offset in [0, last] {
        disk.fill(0, block, 51);
        disk.write(offset, 0, block)?;
    }
    disk.fill(0, block, 52);
    for args in broken(&disk) {
        disk.queue.submit(op::WRITE, 0, args);
        disk.queue.kick();
        let done = disk.queue.wait()?;
        check(done.status != status::OK && done.value == 0, "a WRITE that breaks a rule")?;
    }
    for offset in [0, last] {
        disk.read(offset, 0, block)?;
        disk.holds(0, block, 51, "a block that a refused WRITE names")?;
    }
    Ok(())
}

fn refused_read(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    disk.fill(0, block, 53);
    disk.write(0, 0, block)?;
    disk.fill(0, block, 54);
    for args in broken(&disk) {
        disk.queue.submit(op::READ, 0, args);
        disk.queue.kick();
        let done = disk.queue.wait()?;
        check(done.status != status::OK && done.value == 0, "a READ that breaks a rule")?;
    }
    settle(&mut disk.rig.bound)?;
    disk.holds(0, block, 54, "memory that a refused READ names")
}

/// The guest's own loss: what the host keeps of a queue is its own, and closing cures.
fn own_queue(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let block = disk.block;
    (0..block).step_by(8).for_each(|at| store(&disk.page, at as usize, 0xa5a5_a5a5_a5a5_a5a5));
    disk.write(0, 0, block)?;
    for part in [disk.queue.host.1, disk.queue.guest.1] {
        for id in 0..4 {
            disk.queue.submit(op::READ, id, [0, part, block, 0, 0, 1]);
        }
        disk.queue.kick();
        settle(&mut disk.rig.bound)?;
        disk.rig.close_queue(&disk.info, 0)?;
        disk.rig.again(&disk.info, 0, NO_PORT, &mut disk.queue)?;
        disk.queue.nop(3)?;
    }
    disk.rig.close(&disk.info)
}

fn overlap(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (at, block) = (disk.at, disk.block);
    disk.fill(0, 2 * block, 55);
    // One buffer for both segments, and for several requests at once.
    let args = [0, at, block, at, block, 2];
    equal(disk.queue.expect(op::WRITE, &args, status::OK, "one buffer twice")?, 2 * block, "its value")?;
    disk.read(block, 0, block)?;
    disk.holds(0, block, 55, "the second segment, of the same buffer")?;
    for id in 0..disk.queue.depth {
        disk.queue.submit(op::READ, id as u16, [0, at, block, at, block, 2]);
    }
    disk.queue.kick();
    disk.queue.reap(disk.queue.depth, |done| done.status == 0 && done.value == 2 * block)?;
    equal(load(&disk.page, 0), super::word(55, 0), "what all of them read")
}
