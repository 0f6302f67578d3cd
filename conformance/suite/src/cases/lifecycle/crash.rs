// SPDX-License-Identifier: MIT OR Apache-2.0
//! Crash records, by hand and through the shim (LIFE-4, CALL-23).
#![allow(unsafe_code, reason = "a platform is an unsafe trait: this one crashes inside of its own doorbell")]

use super::ends::corrupt_queue;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{INLINE, case, emergency, expect, op, settle, status};
use crate::env::Env;
use crate::raw::{self, store};
use crate::shim::{SuitePlatform, failed};
use core::cell::Cell;
use tenon_abi::Op;
use tenon_guest::{Buffer, Conduit, Error, Found, Pages, Platform, Session, Vcpu, Wish};

/// The cases.
pub const CASES: &[Case] = &[
    case("lifecycle.crash-inline", &["LIFE-1", "LIFE-4", "CALL-10"], Needs::LIFECYCLE, inline),
    case("lifecycle.crash-range", &["LIFE-4", "REG-2", "REG-3"], Needs::LIFECYCLE, range),
    case("lifecycle.crash-too-long", &["LIFE-4"], Needs::LIFECYCLE, too_long),
    case("lifecycle.crash-half-written-submission", &["LIFE-4", "CALL-23", "CALL-2"], Needs::LIFECYCLE, half),
    case("lifecycle.crash-queue-full", &["LIFE-4", "CALL-23"], Needs::LIFECYCLE, queue_full),
    case("lifecycle.crash-queue-corrupt", &["LIFE-4", "CALL-23", "CALL-15"], Needs::LIFECYCLE, queue_corrupt),
    case("lifecycle.crash-inside-submit", &["LIFE-4", "CALL-23"], Needs::LIFECYCLE, inside_submit),
    case("lifecycle.crash-shim", &["LIFE-4"], Needs::LIFECYCLE, through_shim),
];

const TEXT: &[u8; 48] = b"a crash record of exactly forty-eight bytes, ok.";

/// The words of a CRASH with the first `len` bytes of [`TEXT`].
fn words(len: usize) -> [u64; 7] {
    let mut words = [0; 7];
    words[0] = INLINE | ((len as u64) << 32);
    for (index, byte) in TEXT.iter().take(len).enumerate() {
        words[1 + index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    words
}

fn inline(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for (position, len) in (0..).zip([48, 0, 1, 47]) {
        let done = bound.call_words(op::CRASH, words(len))?;
        equal(u64::from(done.status), 0, "CRASH by value")?;
        let done = emergency(&bound, position, op::CRASH, words(len))?;
        equal(u64::from(done.status), 0, "CRASH by value in the emergency lane")?;
        equal(u64::from(done.id), 0, "the id of its completion")?;
        // The host goes on serving.
        settle(&mut bound)?;
    }
    let mut long = words(48);
    long[0] = INLINE | (49 << 32);
    let done = bound.call_words(op::CRASH, long)?;
    equal(u64::from(done.status), u64::from(status::TOO_LONG), "49 bytes by value")?;
    let mut dirty = words(5);
    dirty[6] = 1;
    let done = bound.call_words(op::CRASH, dirty)?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "bytes beyond the count")
}

fn range(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    for copy in 0..22 {
        check(page.write(copy * 48, TEXT), "the page")?;
    }
    for (args, what) in [
        ([at, 1024, 0xdead], "1024 bytes"),
        ([at, 0, 0], "no text"),
        ([at + 1, 1, 1 << 32], "one byte, with a code of more than 32 bits"),
        ([at + 3, 777, u64::MAX], "777 bytes at an odd place"),
    ] {
        expect(&mut bound, op::CRASH, &args, status::OK, what)?;
        settle(&mut bound)?;
    }
    let done = emergency(&bound, 0, op::CRASH, [0, at, 100, 3, 0, 0, 0])?;
    equal(u64::from(done.status), 0, "CRASH with a range in the emergency lane")?;
    let end = raw::record(ctx.env).region0_len.get();
    for (args, status, what) in [
        ([end - 8, 9, 0, 0], status::BAD_RANGE, "one byte beyond the end of region 0"),
        ([(1 << 48) - 1, 1, 0, 0], status::BAD_RANGE, "the last offset of all"),
        ([at, 8, 0, 1], status::BAD_RESERVED, "an unused argument"),
    ] {
        expect(&mut bound, op::CRASH, &args, status, what)?;
    }
    let absent = bound.call(op::REGION_QUERY, [0xfffe, 0, 0, 0, 0, 0])?.status == status::BAD_REGION;
    if absent {
        let args = [(0xfffe << 48) | at, 8];
        expect(&mut bound, op::CRASH, &args, status::BAD_REGION, "a region that does not exist")?;
    }
    settle(&mut bound)
}

fn too_long(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 4096, 4096)?;
    for len in [1025, 2048, 4096] {
        expect(&mut bound, op::CRASH, &[at, len], status::TOO_LONG, "more than 1024 bytes")?;
    }
    let done = emergency(&bound, 0, op::CRASH, [0, at, 1025, 0, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::TOO_LONG), "1025 bytes in the emergency lane")?;
    expect(&mut bound, op::CRASH, &[at, 1024], status::OK, "1024 bytes").map(|_| ())
}

fn half(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    settle(&mut bound)?;
    for (position, written) in (0..).zip(0..7) {
        // The submit is interrupted when `written` words of the slot are stored, and not the tail.
        let slot = 0x200 + (bound.next & (bound.depth - 1)) as usize * 64;
        for word in 0..written {
            store(&bound.guest.0, slot + word * 8, if word == 1 { 99 } else { 0 });
        }
        let done = emergency(&bound, position, op::CRASH, words(20))?;
        equal(u64::from(done.status), 0, "CRASH in the midst of a submit")?;
        // Then it goes on.
        let value = expect(&mut bound, op::NOP, &[99], status::OK, "NOP")?;
        equal(value, 99, "NOP's value")?;
    }
    Ok(())
}

fn queue_full(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 2, [4, 4])?;
    // Both slots hold submissions that nobody has kicked; a coarse host may serve them early.
    bound.submit(op::NOP, 0, [0, 1, 0, 0, 0, 0, 0]);
    bound.submit(op::NOP, 1, [0, 2, 0, 0, 0, 0, 0]);
    let done = emergency(&bound, 0, op::CRASH, words(48))?;
    equal(u64::from(done.status), 0, "CRASH while the call queue is full")?;
    bound.kick();
    let mut values = 0;
    for _ in 0..2 {
        values += bound.wait()?.value;
    }
    equal(values, 3, "the values of the calls around the crash")?;
    settle(&mut bound)
}

fn queue_corrupt(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 2, [4, 4])?;
    corrupt_queue(&mut bound)?;
    for position in 0..3 {
        let done = emergency(&bound, position, op::CRASH, words(30))?;
        equal(u64::from(done.status), 0, "CRASH while the call queue is corrupt")?;
    }
    equal(u64::from(bound.state(0).0), 2, "the state word of the call queue")?;
    equal(u64::from(bound.state(8).0), 1, "the state word of the emergency lane")
}

/// The suite's platform, with something that happens in the midst of a call: behind the submission, before
/// the doorbell.
struct Interrupted<'h> {
    inner: SuitePlatform,
    env: &'static dyn Env,
    hook: Cell<Option<&'h dyn Fn()>>,
}

impl Conduit for Interrupted<'_> {
    fn kick(&self, queue: u32) {
        // Once: the hook rings a doorbell too.
        if let Some(hook) = self.hook.take() {
            hook();
        }
        self.env.kick(queue);
    }

    fn bind(&self, frame: u32) {
        self.env.bind(frame);
    }
}

// SAFETY: all duties are passed on to the suite's own platform; the hook runs on the same CPU, as a
// non-maskable interrupt would.
unsafe impl Platform for Interrupted<'_> {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        self.inner.enter()
    }

    fn leave(&self, token: usize) {
        self.inner.leave(token);
    }

    fn relax(&self) {
        self.inner.relax();
    }

    fn patience(&self) -> u32 {
        self.inner.patience()
    }
}

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

fn inside_submit(ctx: &Ctx) -> Outcome {
    let inner = SuitePlatform::new(ctx.env);
    let platform = Interrupted { inner, env: ctx.env, hook: Cell::new(None) };
    let found = Found::at(ctx.env.window()).map_err(shim)?;
    let session = Session::open(&platform, found, &mut inner.scratch()?, Wish::default()).map_err(shim)?;
    let mut pages: Pages = inner.areas(session.granule())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [256, 256]).map_err(shim)?;
    let seen = Cell::new(None);
    let crash = || {
        // The queue is in hand, so an ordinary call is refused; the crash record is not.
        seen.set(Some((vcpu.call(Op::NOP, [1]), vcpu.lifecycle().crash(b"inside a submit"))));
    };
    for value in 0..3 {
        platform.hook.set(Some(&crash));
        equal(vcpu.call(Op::NOP, [value]).map_err(shim)?, value, "NOP's value around a crash")?;
        match seen.take() {
            Some((Err(Error::Busy), Ok(()))) => {}
            Some((Err(Error::Busy), Err(error))) => return Err(failed("CRASH inside a submit", error)),
            Some(_) => return Err(Fail::Failed("a call inside of another was not refused with Busy", 0, 0)),
            None => return Err(Fail::Error("the hook was not run")),
        }
    }
    Ok(())
}

fn through_shim(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    for len in [0, 1, 48] {
        vcpu.lifecycle().crash(&TEXT[..len]).map_err(shim)?;
    }
    check(vcpu.lifecycle().crash(&[b'x'; 49]) == Err(Error::TooLong), "49 bytes by value")?;
    let text = Buffer::new(platform.pages(4096, session.granule())?);
    check(text.write(0, TEXT), "the buffer")?;
    vcpu.lifecycle().crash_with(&text, 1024, 5).map_err(shim)?;
    let refused = vcpu.lifecycle().crash_with(&text, 1025, 5);
    check(refused == Err(Error::Refused(tenon_abi::Status::TOO_LONG)), "1025 bytes")?;
    check(vcpu.lifecycle().crash_with(&text, 5000, 5) == Err(Error::TooLong), "more than the buffer holds")?;
    equal(vcpu.call(Op::NOP, [8]).map_err(shim)?, 8, "NOP's value after crashes")
}
