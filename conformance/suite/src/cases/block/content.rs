// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk holds (BLK-2 to BLK-6).

use super::{DURABLE, Disk, power};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::device::rig::{BLOCK_KIND, DISK, NO_PORT, Rig};
use crate::cases::session::desk::Random;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, load};

/// The cases.
pub const CASES: &[Case] = &[
    case("block.info", &["BLK-2", "BLK-3", "GEN-5"], DISK, info),
    case("block.write-and-read", &["BLK-4", "BLK-5"], DISK, write_read),
    case("block.whole-disk", &["BLK-4", "BLK-5"], DISK, whole),
    case("block.first-and-last", &["BLK-3", "BLK-4", "BLK-5"], DISK, ends),
    case("block.neighbours", &["BLK-5", "BLK-4"], DISK, neighbours),
    case("block.read-ends-where-it-says", &["BLK-4"], DISK, read_inside),
    case("block.overwritten", &["BLK-5"], DISK, overwritten),
    case("block.many-in-flight", &["BLK-4", "BLK-5", "DEV-10"], DISK, many),
    case("block.queues-share-the-disk", &["BLK-5", "DEV-9"], DISK, queues),
    case("block.buffers-at-align", &["BLK-3"], DISK, aligned),
    case("block.largest-transfer", &["BLK-3", "BLK-4"], DISK, largest),
    case("block.flush", &["BLK-6"], DISK, flush),
    case("block.durable", &["BLK-5", "BLK-6"], DISK, durable),
    case("block.outlives-sessions", &["BLK-5", "SES-6"], DISK, outlives),
    case("block.no-ghosts", &["BLK-11", "DEV-12", "SES-7"], DISK, ghosts),
    case("block.random", &["BLK-4", "BLK-5", "BLK-6"], DISK, random),
];

fn info(ctx: &Ctx) -> Outcome {
    let mut rig = Rig::new(ctx)?;
    let info = rig.find(BLOCK_KIND)?;
    let at = |offset| u64::from(info.own32(offset));
    let block = at(0x08);
    power(block, 512, 65_536, "`block`")?;
    check(info.own[0].is_multiple_of(block) && info.own[0] != 0, "`bytes`: a multiple of `block`")?;
    power(at(0x0c), block, 1 << 31, "`physical`: at least `block`")?;
    power(at(0x14), 1, 4096, "`align`")?;
    check(at(0x18) >= 65_536, "`max_transfer`: at least 65,536")?;
    check(at(0x1c) >= 4096, "`max_segment`: at least 4096")?;
    check((2..=256).contains(&at(0x20)), "`max_segments`: from 2 to 256")?;
    check(at(0x28).is_multiple_of(block) && (at(0x28) != 0 || at(0x24) == 0), "`discard_align`")?;
    check(at(0x30) >> 3 == 0, "flags of a disk")?;
    check(at(0x34) == 0 && info.own[7] == 0, "reserved fields of BlockInfo")?;
    power(info.max_depth.into(), 1, 4096, "the largest depth")
}

fn write_read(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    for (key, at) in [(1, 0), (2, 7), (3, 100), (4, 101)] {
        let (offset, len) = (at * disk.block, disk.block);
        disk.fill(0, len, key);
        disk.write(offset, 0, len)?;
        disk.fill(4096, len, 99);
        disk.read(offset, 4096, len)?;
        disk.holds(4096, len, key, "what was written")?;
        disk.holds(0, len, key, "the buffer of a WRITE")?;
    }
    Ok(())
}

fn whole(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 16)?;
    let step = disk.most();
    // A disk of the suite's has a megabyte; of a larger one its front.
    let all = disk.bytes.min(1 << 20) / step * step;
    for offset in (0..all).step_by(step as usize) {
        disk.fill(0, step, 7 + offset);
        disk.write(offset, 0, step)?;
    }
    for offset in (0..all).step_by(step as usize) {
        disk.fill(0, step, 3);
        disk.read(offset, 0, step)?;
        disk.holds(0, step, 7 + offset, "each block of a disk")?;
    }
    Ok(())
}

fn ends(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let (block, last) = (disk.block, disk.bytes - disk.block);
    disk.fill(0, block, 11);
    disk.write(0, 0, block)?;
    disk.fill(0, block, 12);
    disk.write(last, 0, block)?;
    for (offset, key) in [(0, 11), (last, 12)] {
        disk.read(offset, 0, block)?;
        disk.holds(0, block, key, "the first or the last block")?;
    }
    Ok(())
}

fn neighbours(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    if 5 * block > 1 << 14 {
        return Ok(());
    }
    for (key, from, count) in [(21, 1, 1), (22, 2, 2), (23, 1, 3)] {
        disk.fill(0, 5 * block, 20);
        disk.write(8 * block, 0, 5 * block)?;
        disk.fill(0, count * block, key);
        disk.write((8 + from) * block, 0, count * block)?;
        disk.read(8 * block, 0, 5 * block)?;
        for at in (0..5 * block).step_by(8) {
            let inside = at >= from * block && at < (from + count) * block;
            let wanted = if inside { super::word(key, at - from * block) } else { super::word(20, at) };
            equal(load(&disk.page, at as usize), wanted, "a block beside one that was written")?;
        }
    }
    Ok(())
}

fn read_inside(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    if 4 * block > 1 << 14 {
        return Ok(());
    }
    disk.fill(0, 4 * block, 31);
    disk.write(0, 0, 4 * block)?;
    disk.fill(0, 4 * block, 32);
    disk.read(block, block, block)?;
    for at in (0..4 * block).step_by(8) {
        let key = if at / block == 1 { 31 } else { 32 };
        equal(load(&disk.page, at as usize), super::word(key, at), "memory beside the segment of a READ")?;
    }
    Ok(())
}

fn overwritten(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let block = disk.block;
    for key in 40..60 {
        disk.fill(0, block, key);
        disk.write(3 * block, 0, block)?;
        disk.fill(0, block, 0);
        disk.read(3 * block, 0, block)?;
        disk.holds(0, block, key, "the last of several writes")?;
    }
    Ok(())
}

fn many(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 17)?;
    let (block, depth) = (disk.block, u64::from(disk.queue.depth));
    if depth * block > 1 << 17 || depth * block > disk.bytes {
        return Ok(());
    }
    for lap in 0..4u64 {
        for op in [op::WRITE, op::READ] {
            for id in 0..depth {
                let from = id * block;
                disk.fill(from, block, if op == op::WRITE { 100 * lap + id } else { 5 });
                // The ids in another order than the offsets.
                let id = (id as u32 ^ 5) & (disk.queue.depth - 1);
                disk.queue.submit(op, id as u16, [from, disk.at + from, block, 0, 0, 1]);
            }
            disk.queue.kick();
            disk.queue.reap(depth as u32, |done| done.status == 0 && done.value == block)?;
        }
        for id in 0..depth {
            disk.holds(id * block, block, 100 * lap + id, "what one of many writes wrote")?;
        }
    }
    Ok(())
}

fn queues(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let block = disk.block;
    for index in 1..4 {
        let Some(mut other) = disk.another(index)? else { return Ok(()) };
        let key = 70 + u64::from(index);
        disk.fill(0, block, key);
        disk.write(9 * block, 0, block)?;
        disk.fill(0, block, 1);
        let args = [9 * block, disk.at, block, 0, 0, 1];
        other.expect(op::READ, &args, status::OK, "READ on another queue")?;
        disk.holds(0, block, key, "what another queue wrote")?;
    }
    Ok(())
}

fn aligned(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (block, align) = (disk.block, disk.shape(0x14).max(8));
    for from in [align, 3 * align, 4096 - align, 4096 + align] {
        disk.fill(from, block, from);
        disk.write(block, from, block)?;
        disk.fill(from, block, 2);
        disk.read(block, from, block)?;
        disk.holds(from, block, from, "a buffer at a multiple of `align`")?;
    }
    Ok(())
}

fn largest(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 17)?;
    let most = disk.most().min(disk.bytes / disk.block * disk.block);
    disk.fill(0, most, 77);
    disk.write(0, 0, most)?;
    disk.fill(0, most, 1);
    disk.read(0, 0, most)?;
    disk.holds(0, most, 77, "the largest transfer in one segment")
}

fn flush(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let block = disk.block;
    for key in 0..8 {
        disk.fill(0, block, key);
        disk.write(key * block, 0, block)?;
        equal(disk.queue.expect(op::FLUSH, &[], status::OK, "FLUSH")?, 0, "its value")?;
    }
    // As many at once as there is room for.
    for id in 0..disk.queue.depth {
        disk.queue.submit(op::FLUSH, id as u16, [0; 6]);
    }
    disk.queue.kick();
    disk.queue.reap(disk.queue.depth, |done| done.status == 0 && done.value == 0)
}

fn durable(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let block = disk.block;
    disk.fill(0, block, 81);
    let args = [5 * block, disk.at, block, 0, 0, 1 | DURABLE];
    equal(disk.queue.expect(op::WRITE, &args, status::OK, "WRITE with DURABLE")?, block, "its value")?;
    disk.fill(0, block, 1);
    disk.read(5 * block, 0, block)?;
    disk.holds(0, block, 81, "what a WRITE with DURABLE wrote")
}

fn outlives(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 8192)?;
    let block = disk.block;
    disk.fill(0, block, 91);
    disk.write(6 * block, 0, block)?;
    disk.queue.expect(op::FLUSH, &[], status::OK, "FLUSH")?;
    check(raw::reset(ctx.env), "the session cannot be reset")?;
    let mut disk = Disk::new(ctx, 8192)?;
    disk.read(6 * block, 0, block)?;
    disk.holds(0, block, 91, "what the last session wrote")?;
    // And when the device was closed in between.
    disk.rig.close(&disk.info)?;
    disk.rig.open(&disk.info, 0, NO_PORT)?;
    disk.rig.again(&disk.info, 0, NO_PORT, &mut disk.queue)?;
    disk.fill(0, block, 1);
    disk.read(6 * block, 0, block)?;
    disk.holds(0, block, 91, "what was written before the device was closed")
}

/// What the last session had under way does not land on the disk once the next one is shown.
fn ghosts(ctx: &Ctx) -> Outcome {
    for round in 0..4 {
        let mut disk = Disk::new(ctx, 1 << 14)?;
        let block = disk.block;
        disk.fill(0, block, 500 + round);
        for id in 0..disk.queue.depth {
            disk.queue.submit(op::WRITE, id as u16, [2 * block, disk.at, block, 0, 0, 1]);
        }
        disk.queue.kick();
        check(raw::reset(ctx.env), "RESET with writes in flight")?;
        let mut disk = Disk::new(ctx, 1 << 14)?;
        disk.fill(0, block, 600 + round);
        disk.write(2 * block, 0, block)?;
        for _ in 0..10 {
            disk.fill(0, block, 1);
            disk.read(2 * block, 0, block)?;
            disk.holds(0, block, 600 + round, "a write of the last session over one of this")?;
        }
        check(raw::reset(ctx.env), "the session cannot be reset")?;
    }
    Ok(())
}

/// Random requests one after the other, held against what the disk has to hold.
fn random(ctx: &Ctx) -> Outcome {
    const BLOCKS: u64 = 16;
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    if BLOCKS * block > 1 << 14 {
        return Ok(());
    }
    let mut random = Random::new(ctx.seed ^ 0xb10c);
    let mut model = [0u64; BLOCKS as usize];
    for at in 0..BLOCKS {
        disk.fill(0, block, 0);
        disk.write(at * block, 0, block)?;
    }
    for key in 1..200u64 {
        let at = random.below(BLOCKS);
        let count = 1 + random.below(BLOCKS - at);
        match random.below(3) {
            0 => {
                for index in 0..count {
                    disk.fill(index * block, block, key << 8 | index);
                    model[(at + index) as usize] = key << 8 | index;
                }
                disk.write(at * block, 0, count * block)?;
            }
            1 => drop(disk.queue.expect(op::FLUSH, &[], status::OK, "FLUSH")?),
            _ => {
                disk.read(at * block, 0, count * block)?;
                for index in 0..count {
                    let wanted = model[(at + index) as usize];
                    disk.holds(index * block, block, wanted, "a block after random requests")?;
                }
            }
        }
    }
    Ok(())
}
