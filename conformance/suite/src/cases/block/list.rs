// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of several segments: two by value, more in a list (BLK-3).

use super::{Disk, word};
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::device::rig::DISK;
use crate::cases::tools::{case, op, settle, status};
use crate::raw::{load, store};

/// The cases.
pub const CASES: &[Case] = &[
    case("block.two-segments", &["BLK-3", "BLK-4", "BLK-5"], DISK, two),
    case("block.list", &["BLK-3", "BLK-4", "BLK-5"], DISK, list),
    case("block.list-of-the-most", &["BLK-3"], DISK, the_most),
    case("block.list-count", &["BLK-3"], DISK, count),
    case("block.list-unused", &["BLK-3", "GEN-5"], DISK, unused),
    case("block.list-unaligned", &["BLK-3"], DISK, unaligned),
    case("block.list-outside", &["BLK-3", "DEV-6"], DISK, outside),
    case("block.list-lies", &["BLK-3"], DISK, lies),
    case("block.list-sum", &["BLK-3"], DISK, sum),
    case("block.list-changes-meanwhile", &["BLK-3", "GEN-6", "DEV-6"], DISK, changes),
    case("block.list-in-its-own-buffer", &["BLK-3", "GEN-6"], DISK, in_its_buffer),
];

/// Where the list lies in the buffer.
const LIST: u64 = 0;
/// Where the segments lie.
const DATA: u64 = 4096;

/// Stores an entry of the list.
fn entry(disk: &Disk, index: u64, address: u64, len: u64) {
    store(&disk.page, (LIST + index * 16) as usize, address);
    store(&disk.page, (LIST + index * 16 + 8) as usize, len);
}

/// A list of blocks in descending order of their addresses.
fn backwards(disk: &Disk, count: u64) {
    (0..count)
        .for_each(|index| entry(disk, index, disk.at + DATA + (count - 1 - index) * disk.block, disk.block));
}

fn request(disk: &Disk, segments: u64) -> [u64; 6] {
    [0, disk.at + LIST, 0, 0, 0, segments]
}

fn two(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 16)?;
    let (block, at) = (disk.block, disk.at + DATA);
    for (one, two) in [(1, 1), (1, 2), (2, 1)] {
        let all = (one + two) * block;
        // On the disk the second follows the first; in memory it stands before.
        disk.fill(DATA, two * block, 1);
        disk.fill(DATA + 4 * block, one * block, 2);
        let args = [block, at + 4 * block, one * block, at, two * block, 2];
        equal(disk.queue.expect(op::WRITE, &args, status::OK, "WRITE of two segments")?, all, "its value")?;
        disk.read(block, DATA, all)?;
        for place in (0..all).step_by(8) {
            let wanted = if place < one * block { word(2, place) } else { word(1, place - one * block) };
            equal(load(&disk.page, (DATA + place) as usize), wanted, "two segments, one behind the other")?;
        }
        disk.fill(DATA, 8 * block, 3);
        equal(disk.queue.expect(op::READ, &args, status::OK, "READ of two segments")?, all, "its value")?;
        disk.holds(DATA, two * block, 1, "the second segment")?;
        disk.holds(DATA + 4 * block, one * block, 2, "the first segment")?;
    }
    Ok(())
}

/// Writes and reads a list of so many blocks.
fn whole(disk: &mut Disk, count: u64) -> Outcome {
    let block = disk.block;
    backwards(disk, count);
    disk.fill(DATA, count * block, 5);
    let args = request(disk, count);
    let all = count * block;
    equal(disk.queue.expect(op::WRITE, &args, status::OK, "WRITE of a list")?, all, "its value")?;
    disk.fill(DATA, all, 1);
    equal(disk.queue.expect(op::READ, &args, status::OK, "READ of a list")?, all, "its value")?;
    disk.holds(DATA, all, 5, "what a list wrote")?;
    // Read in one piece, the blocks stand the other way round.
    disk.fill(DATA, all, 1);
    disk.read(0, DATA, all)?;
    for index in 0..count {
        for place in (0..block).step_by(8) {
            let found = load(&disk.page, (DATA + index * block + place) as usize);
            equal(found, word(5, (count - 1 - index) * block + place), "a list's order on the disk")?;
        }
    }
    Ok(())
}

fn list(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 16)?;
    for count in [3, 4, 7, 16] {
        if count <= disk.shape(0x20) && count * disk.block <= disk.most().min(1 << 15) {
            whole(&mut disk, count)?;
        }
    }
    Ok(())
}

fn the_most(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, DATA as usize + (1 << 17))?;
    let most = disk.shape(0x20);
    let fits =
        most >= 3 && most * disk.block <= disk.shape(0x18).min(1 << 17) && most * disk.block <= disk.bytes;
    if fits { whole_in_lists(&mut disk, most) } else { Ok(()) }
}

/// As [`whole`], where a list is longer than a segment may be.
fn whole_in_lists(disk: &mut Disk, count: u64) -> Outcome {
    let (block, all) = (disk.block, count * disk.block);
    backwards(disk, count);
    disk.fill(DATA, all, 6);
    let args = request(disk, count);
    equal(disk.queue.expect(op::WRITE, &args, status::OK, "WRITE of the longest list")?, all, "its value")?;
    disk.fill(DATA, all, 1);
    equal(disk.queue.expect(op::READ, &args, status::OK, "READ of the longest list")?, all, "its value")?;
    disk.holds(DATA, all, 6, "what the longest list wrote")?;
    disk.fill(DATA, block, 1);
    disk.read((count - 1) * block, DATA, block)?;
    disk.holds(DATA, block, 6, "its last entry, which stands first in memory")
}

fn count(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    backwards(&disk, 4);
    let most = disk.shape(0x20);
    for op in [op::READ, op::WRITE] {
        for segments in [0, most + 1, 257, 0xffff, 0x8000_0000, 0xffff_ffff] {
            let args = [0, disk.at, 0, 0, 0, segments];
            disk.queue.expect(op, &args, status::BAD_ARGUMENT, "a number of segments outside its range")?;
        }
    }
    Ok(())
}

fn unused(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    backwards(&disk, 4);
    let (block, at) = (disk.block, disk.at + DATA);
    for op in [op::READ, op::WRITE] {
        for (args, first, last) in [([0, at, block, 0, 0, 1], 3, 5), (request(&disk, 3), 2, 5)] {
            for place in first..last {
                for value in [1, block, 1 << 63] {
                    let mut args = args;
                    args[place] = value;
                    let what = "a word that so many segments do not use";
                    disk.queue.expect(op, &args, status::BAD_RESERVED, what)?;
                }
            }
        }
    }
    Ok(())
}

fn unaligned(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    backwards(&disk, 4);
    for by in [1, 2, 4, 7] {
        let args = [0, disk.at + LIST + by, 0, 0, 0, 3];
        disk.queue.expect(op::READ, &args, status::BAD_ALIGNMENT, "a list that is not aligned to 8")?;
    }
    Ok(())
}

fn outside(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (start, end) = (disk.rig.arena.at, disk.rig.arena.at + disk.rig.arena.len());
    for at in [start - 48, start - 8, end - 40, end - 8, end, (1 << 48) - 48, (1 << 48) - 8] {
        let args = [0, at, 0, 0, 0, 3];
        disk.queue.expect(op::READ, &args, status::BAD_RANGE, "a list that is not inside the arena")?;
    }
    for region in [1, 0xffff] {
        let args = [0, disk.at | region << 48, 0, 0, 0, 3];
        disk.queue.expect(op::READ, &args, status::BAD_REGION, "a list in another region")?;
    }
    Ok(())
}

/// One entry is wrong: the first, one in the midst, or the last.
fn lies(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 15)?;
    let (block, at) = (disk.block, disk.at + DATA);
    let end = disk.rig.arena.at + disk.rig.arena.len();
    let count = 5.min(disk.shape(0x20));
    if count < 3 {
        return Ok(());
    }
    disk.fill(DATA, count * block, 8);
    disk.write(0, DATA, count * block)?;
    let above = disk.shape(0x1c) / block * block + block;
    for (address, len, wanted, what) in [
        (at, 0, status::BAD_ARGUMENT, "an empty segment"),
        (at, block - 1, status::BAD_ARGUMENT, "a byte less than a block"),
        (at, block + 8, status::BAD_ARGUMENT, "more than a block"),
        (at, above, status::BAD_ARGUMENT, "more than `max_segment`"),
        (at, u64::MAX / block * block, status::BAD_ARGUMENT, "a length of 64 bits"),
        (end, block, status::BAD_RANGE, "behind the arena"),
        (end - block / 2, block, status::BAD_RANGE, "beyond the arena"),
        (disk.rig.arena.at - block, block, status::BAD_RANGE, "before the arena"),
        ((1 << 48) - block, block, status::BAD_RANGE, "the end of 48 bits"),
        (at | 1 << 48, block, status::BAD_REGION, "region 1"),
        (u64::MAX / block * block, block, status::BAD_REGION, "the last region"),
    ] {
        for place in [0, count / 2, count - 1] {
            for op in [op::READ, op::WRITE] {
                backwards(&disk, count);
                disk.fill(DATA, count * block, 9);
                entry(&disk, place, address, len);
                let args = request(&disk, count);
                let wanted =
                    if len > 1 << 19 && wanted == status::BAD_ARGUMENT { None } else { Some(wanted) };
                disk.queue.submit(op, 0, args);
                disk.queue.kick();
                let found = disk.queue.wait()?.status;
                // What is too long leaves the arena too: the host chooses (GEN-9).
                let either = [status::BAD_ARGUMENT, status::BAD_RANGE].contains(&found);
                check(wanted.map_or(either, |wanted| found == wanted), what)?;
            }
        }
    }
    disk.read(0, DATA, count * block)?;
    disk.holds(DATA, count * block, 8, "a refused WRITE has no effect on the disk")
}

fn sum(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    let (segment, transfer, most) = (disk.shape(0x1c), disk.shape(0x18), disk.shape(0x20));
    let long = (segment / block * block).min(disk.rig.arena.len() / 2 / block * block);
    let needed = transfer / long + 1;
    if needed > most || needed < 3 {
        return Ok(());
    }
    // Each segment is as it may be, and together they are too long. They may lie on each other.
    let start = disk.rig.arena.at + disk.rig.arena.len() / 2;
    (0..needed).for_each(|index| entry(&disk, index, start, long));
    let args = request(&disk, needed);
    disk.queue.expect(op::WRITE, &args, status::BAD_ARGUMENT, "more than `max_transfer`").map(|_| ())
}

/// The list is another one as soon as it was kicked: the host takes one of them, or parts of both, and never
/// leaves the arena.
fn changes(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let (secret, outside) = ctx.env.pages(4096, 4096).ok_or(Fail::Error("no pages left"))?;
    (0..4096).step_by(8).for_each(|at| store(&secret, at, 0x5ec7e7));
    let count = 4.min(disk.shape(0x20));
    if count < 3 {
        return Ok(());
    }
    for round in 0..40 {
        backwards(&disk, count);
        let args = request(&disk, count);
        disk.queue.submit(op::READ, 0, args);
        disk.queue.kick();
        for index in 0..count {
            entry(&disk, index, outside, if round % 2 == 0 { disk.block } else { u64::MAX });
        }
        let done = disk.queue.wait()?;
        let fits = match done.status {
            status::OK => done.value == count * disk.block,
            status => [status::BAD_RANGE, status::BAD_ARGUMENT].contains(&status) && done.value == 0,
        };
        check(fits, "a list that changes meanwhile")?;
    }
    settle(&mut disk.rig.bound)?;
    for at in (0..4096).step_by(8) {
        equal(load(&secret, at), 0x5ec7e7, "memory outside the arena")?;
    }
    Ok(())
}

/// A READ over its own list: the list was read before any of it is used.
fn in_its_buffer(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 15)?;
    let block = disk.block;
    let count = 4.min(disk.shape(0x20));
    if count < 3 {
        return Ok(());
    }
    disk.fill(DATA, count * block, 13);
    disk.write(0, DATA, count * block)?;
    disk.fill(DATA, count * block, 1);
    // The first segment is where the list lies.
    entry(&disk, 0, disk.at + LIST, block);
    (1..count).for_each(|index| entry(&disk, index, disk.at + DATA + index * block, block));
    let args = request(&disk, count);
    disk.queue.expect(op::READ, &args, status::OK, "READ over its own list")?;
    disk.holds(LIST, block, 13, "the segment where the list was")?;
    for place in (block..count * block).step_by(8) {
        equal(load(&disk.page, (DATA + place) as usize), word(13, place), "the other segments")?;
    }
    Ok(())
}
