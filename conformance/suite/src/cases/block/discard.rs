// SPDX-License-Identifier: MIT OR Apache-2.0
//! DISCARD and ZERO (BLK-8, BLK-9).

use super::{Disk, word};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::device::rig::DISK;
use crate::cases::tools::{case, op, status};
use crate::raw::load;

/// The cases.
pub const CASES: &[Case] = &[
    case("block.zero", &["BLK-9"], DISK, zero),
    case("block.zero-neighbours", &["BLK-9"], DISK, zero_neighbours),
    case("block.zero-may-unmap", &["BLK-9"], DISK, unmap),
    case("block.discard", &["BLK-8"], DISK, discard),
    case("block.zero-misuse", &["BLK-9"], DISK, |ctx| misuse(ctx, op::ZERO)),
    case("block.discard-misuse", &["BLK-8"], DISK, |ctx| misuse(ctx, op::DISCARD)),
    case("block.zero-flags", &["BLK-9", "GEN-5"], DISK, flags),
];

/// Most bytes of the operation: zero where there is none, which PROBE and a call have to say too.
fn most(disk: &mut Disk, op: u16) -> Result<u64, crate::case::Fail> {
    let most = disk.shape(if op == op::ZERO { 0x2c } else { 0x24 });
    if most == 0 {
        disk.queue.expect(op, &[0, disk.block], status::NOT_SUPPORTED, "where there is none")?;
    }
    Ok(most)
}

/// Blocks 4 to 11 hold a pattern; the operation has blocks 6 to 8.
fn done(disk: &mut Disk, op: u16, flags: u64) -> Outcome {
    let block = disk.block;
    disk.fill(0, 8 * block, 61);
    disk.write(4 * block, 0, 8 * block)?;
    let unit = if op == op::ZERO { block } else { disk.shape(0x28).max(block) };
    let (from, len) = ((6 * block).next_multiple_of(unit), (2 * block).next_multiple_of(unit));
    equal(disk.queue.expect(op, &[from, len, flags], status::OK, "DISCARD or ZERO")?, 0, "its value")?;
    disk.fill(0, 8 * block, 1);
    disk.read(4 * block, 0, 8 * block)?;
    for at in (0..8 * block).step_by(8) {
        let (found, was) = (load(&disk.page, at as usize), word(61, at));
        let place = at + 4 * block;
        let inside = place >= from && place < from + len;
        let fits = found == if inside { 0 } else { was } || inside && op == op::DISCARD && found == was;
        check(fits, "what a disk holds after DISCARD or ZERO")?;
    }
    Ok(())
}

fn zero(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    if most(&mut disk, op::ZERO)? >= 2 * disk.block && 8 * disk.block <= 1 << 14 {
        done(&mut disk, op::ZERO, 0)?;
        // Written again, it is what was written.
        return done(&mut disk, op::ZERO, 0);
    }
    Ok(())
}

fn zero_neighbours(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let block = disk.block;
    if most(&mut disk, op::ZERO)? < block || 3 * block > 1 << 14 {
        return Ok(());
    }
    for at in [0, 1, 2] {
        disk.fill(0, 3 * block, 62);
        disk.write(0, 0, 3 * block)?;
        disk.queue.expect(op::ZERO, &[at * block, block], status::OK, "ZERO of a block")?;
        disk.read(0, 0, 3 * block)?;
        for place in (0..3 * block).step_by(8) {
            let wanted = if place / block == at { 0 } else { word(62, place) };
            equal(load(&disk.page, place as usize), wanted, "a block that was zeroed, or one beside it")?;
        }
    }
    Ok(())
}

fn unmap(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    if most(&mut disk, op::ZERO)? >= 2 * disk.block && 8 * disk.block <= 1 << 14 {
        done(&mut disk, op::ZERO, 1)?;
    }
    Ok(())
}

fn discard(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 1 << 14)?;
    let unit = disk.shape(0x28);
    if most(&mut disk, op::DISCARD)? >= 2 * unit.max(disk.block) && 8 * disk.block <= 1 << 14 {
        done(&mut disk, op::DISCARD, 0)?;
    }
    Ok(())
}

fn misuse(ctx: &Ctx, op: u16) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    let most = most(&mut disk, op)?;
    if most == 0 {
        return Ok(());
    }
    let (block, end) = (disk.block, disk.bytes);
    let above = most / block * block + block;
    for (offset, len, wanted, what) in [
        (0, 0, status::BAD_ARGUMENT, "no bytes"),
        (1, block, status::BAD_ARGUMENT, "an odd offset"),
        (block / 2, block, status::BAD_ARGUMENT, "half a block's offset"),
        (0, block - 1, status::BAD_ARGUMENT, "a byte less than a block"),
        (0, block + 1, status::BAD_ARGUMENT, "a byte more than a block"),
        (end, block, status::BAD_RANGE, "behind the end"),
        (end - block, 2 * block, status::BAD_RANGE, "beyond the end"),
        ((u64::MAX / block) * block, block, status::BAD_RANGE, "an offset that wraps"),
    ] {
        disk.queue.expect(op, &[offset, len], wanted, what)?;
    }
    if above <= end {
        disk.queue.expect(op, &[0, above], status::BAD_ARGUMENT, "more than the most")?;
    }
    let unused = if op == op::ZERO { 3 } else { 2 };
    for spare in unused..6 {
        let mut args = [0, block, 0, 0, 0, 0];
        args[spare] = 1;
        disk.queue.expect(op, &args, status::BAD_RESERVED, "an argument that is not used")?;
    }
    Ok(())
}

fn flags(ctx: &Ctx) -> Outcome {
    let mut disk = Disk::new(ctx, 4096)?;
    if most(&mut disk, op::ZERO)? == 0 {
        return Ok(());
    }
    let block = disk.block;
    disk.fill(0, block, 63);
    disk.write(0, 0, block)?;
    for bit in 1..64 {
        let args = [0, block, 1 << bit | bit & 1];
        disk.queue.expect(op::ZERO, &args, status::BAD_RESERVED, "a flag that ZERO does not have")?;
    }
    disk.read(0, 0, block)?;
    disk.holds(0, block, 63, "a refused ZERO has no effect")
}
