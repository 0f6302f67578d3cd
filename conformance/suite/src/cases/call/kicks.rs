// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kicks that the host does not want are left out, and none that it does want.

use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::session::fake::Fake;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, full_fence, load};
use tenon_abi::{Op, Status, Submission};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.kick-wanted", &["CALL-25", "CALL-26"], Needs::NONE, wanted),
    case("call.shim-kick-wanted", &["CALL-25", "CALL-26"], Needs::NONE, shim_wanted),
];

/// Offset of `KICK_WANTED` in the host-written area.
const KICK_WANTED: usize = 0x20;
/// Its high half where the low one counts.
const AT: u64 = 1 << 32;

/// A guest that kicks only when it has to gets all its answers, in batches of one to four.
fn wanted(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 4, [1, 1])?;
    for round in 0..16u16 {
        let batch = round % 4 + 1;
        for id in 0..batch {
            bound.submit(op::NOP, id, [0, u64::from(round * 4 + id), 0, 0, 0, 0, 0]);
        }
        full_fence();
        let word = load(&bound.host, KICK_WANTED);
        check(word < 2 * AT, "the high half is neither 0 nor 1")?;
        let beyond = bound.next.wrapping_sub(1).wrapping_sub(word as u32);
        if word < AT || beyond < u32::from(batch) {
            bound.kick();
        }
        for id in 0..batch {
            let done = bound.wait()?;
            equal(u64::from(done.status), u64::from(status::OK), "the status of a NOP")?;
            equal(done.value, u64::from(round * 4 + id), "its value")?;
        }
    }
    Ok(())
}

/// The shim leaves out no kick that is owed: this host looks at nothing until it is kicked.
fn shim_wanted(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    fake.script.set(|fake, _| fake.complete(0, fake.id(fake.completed.get()), 5));
    // Every kick; the position that comes; high halves that mean nothing.
    let words = [0, AT | 1, AT | 2, (2 << 32) | 0x4000_0000, u64::MAX, AT | 5, 0, AT | 7];
    for word in words {
        fake.scribble(KICK_WANTED / 8, word);
        check(vcpu.call(Op::NOP, [0]) == Ok(5), "a call whose kick is owed is not kicked")?;
    }
    // Batches of three, by their last one and by their first.
    fake.script.set(|fake, _| {
        for _ in 0..3 {
            fake.complete(0, fake.id(fake.completed.get()), 6);
        }
    });
    fake.scribble(KICK_WANTED / 8, AT | (words.len() as u64 + 2));
    let mut results = [Err(Status::OK); 3];
    let answer = vcpu.call_all(&mut results, |_| Submission::new(Op::NOP, [0; 6]));
    check(answer.is_ok() && results == [Ok(6); 3], "a batch whose kick is owed is not kicked")?;
    fake.scribble(KICK_WANTED / 8, AT | (words.len() as u64 + 3));
    let mut batch = vcpu.batch::<3>();
    for _ in 0..3 {
        check(batch.push(Submission::new(Op::NOP, [0; 6])).is_ok(), "a batch has no room")?;
    }
    check(batch.commit() == Ok([Ok(6); 3]), "a batch whose kick is owed is not kicked")?;
    fake.script.set(|fake, _| fake.complete(0, fake.id(fake.completed.get()), 7));
    fake.scribble(KICK_WANTED / 8, AT | (words.len() as u64 + 6));
    let request = vcpu.request(Submission::new(Op::NOP, [0; 6]));
    check(
        request.is_ok_and(|mut request| request.wait() == Ok(7)),
        "a request whose kick is owed is not kicked",
    )
}
