// SPDX-License-Identifier: MIT OR Apache-2.0
//! Open queues of a domain that was saved and restored (LIFE-5, CALL-26). Whoever runs the machine does that
//! where a case asks for it (REP-5).

use super::rig::{DISK, NO_PORT, OPEN_FLAG, Rig};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::generation::{Page, repair};
use crate::cases::tools::{case, op, order, status, wait_longer};
use crate::raw::{load, store};
use tenon_abi::Features;

const ASKED: Needs =
    Needs { features: DISK.features.union(GENERATION).union(Features::CONSOLE), ..Needs::NONE };
const GENERATION: Features = Features::GENERATION.union(Features::PAGES);

/// The cases.
pub const CASES: &[Case] = &[
    case("device.restored", &["LIFE-5", "DEV-9", "CALL-26"], ASKED, idle),
    case("device.restored-in-flight", &["LIFE-5", "DEV-9", "CALL-7"], ASKED, in_flight),
];

/// The domain is saved and put back twice: each time there is another id.
fn restore(rig: &mut Rig, page: &Page) -> Outcome {
    let before = page.sequence();
    order::order(&mut rig.bound, b'r', 0)?;
    // Ends have to come home first, so that it may be done later than the write.
    let done = wait_longer(rig.bound.env, || page.sequence() >= before + 2);
    check(done, "whoever runs the machine restores no domain")
}

fn idle(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let page = Page::of(&mut rig.bound)?;
    let (memory, buffer) = rig.arena.take(4096)?;
    let args = [4096, buffer, 512, 0, 0, 1];
    for round in 1..4 {
        store(&memory, 0, round);
        queue.expect(op::WRITE, &args, status::OK, "WRITE before a restore")?;
        restore(&mut rig, &page)?;
        store(&memory, 0, 0);
        queue.expect(op::READ, &args, status::OK, "READ after a restore")?;
        equal(load(&memory, 0), round, "what was written before the restore")?;
        equal(queue.state().0.into(), 1, "the state word of an open queue")?;
        equal(rig.info(info.number)?.flags.into(), OPEN_FLAG.into(), "the flags of an open device")?;
    }
    queue.expect(op::ZERO, &[4096, 512, 0], status::OK, "ZERO")?;
    rig.close_queue(&info, 0)?;
    rig.again(&info, 0, NO_PORT, &mut queue)?;
    queue.nop(1)?;
    repair(&mut rig.bound)
}

/// What is in flight completes once, on either side of the restore.
fn in_flight(ctx: &Ctx) -> Outcome {
    order::followed(ctx.env)?;
    let (mut rig, info, mut queue) = Rig::disk_queue(ctx)?;
    let page = Page::of(&mut rig.bound)?;
    let mut other = match info.max_queues {
        1 => return Err(Fail::Warn("the disk has one queue")),
        _ => rig.requests(&info, 1, info.depth(), NO_PORT)?,
    };
    let (_, buffer) = rig.arena.take(4096)?;
    for _ in 0..4 {
        for queue in [&mut queue, &mut other] {
            for id in 0..queue.depth {
                queue.submit(op::READ, id as u16, [0, buffer, 4096, 0, 0, 1]);
            }
            queue.kick();
        }
        restore(&mut rig, &page)?;
        for queue in [&mut queue, &mut other] {
            queue.reap(queue.depth, |done| match done.status {
                status::OK => done.value == 4096,
                status => status == status::INDETERMINATE && done.value == 0,
            })?;
            queue.nop(7)?;
        }
    }
    repair(&mut rig.bound)?;
    rig.close(&info)
}
