// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console, by hand and through the shim (CON-1 to CON-5).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{FAR, INLINE, Upcalls, arm, case, expect, op, rest, settle, status};
use crate::raw::{self, Bound, full_fence, load, store};
use tenon_rings::Mapping;

mod shim;

use shim::{shim_reads, shim_writes};

/// The cases.
pub const CASES: &[Case] = &[
    case("console.write-inline", &["CON-1", "CON-2", "CALL-10"], Needs::CONSOLE, write_inline),
    case("console.write-range", &["CON-2", "CON-1"], Needs::CONSOLE, write_range),
    case("console.write-bad-arguments", &["CON-2", "CALL-11"], Needs::CONSOLE, write_bad_arguments),
    case("console.too-long", &["CON-3"], Needs::CONSOLE, too_long),
    case("console.read-bad-arguments", &["CON-4", "REG-2", "REG-3"], Needs::CONSOLE, read_bad_arguments),
    case("console.read-cancelled", &["CON-4", "CON-5", "CALL-22"], Needs::CONSOLE, read_cancelled),
    case("console.read-twice", &["CON-4"], Needs::CONSOLE, read_twice),
    case("console.read-does-not-block", &["CON-4", "CALL-17", "CALL-7"], Needs::CONSOLE, does_not_block),
    case("console.read-late-upcall", &["CALL-16", "CON-4"], LATE, late_upcall),
    case("console.read-ends-with-reset", &["CON-4", "SES-6", "SES-7"], Needs::CONSOLE, ends_with_reset),
    case("console.echo", &["CON-1", "CON-4", "CON-5"], Needs::CONSOLE, echo),
    case("console.echo-late-upcall", &["CALL-16", "CALL-17", "CON-4"], LATE, echo_late_upcall),
    case("console.input-outlives-reset", &["CON-1", "SES-6"], Needs::CONSOLE, input_outlives_reset),
    case("console.echo-inside-the-range", &["CON-5", "CON-4"], Needs::CONSOLE, echo_inside),
    case("console.shim-writes", &["CON-2"], Needs::CONSOLE, shim_writes),
    case("console.shim-reads", &["CON-4", "CALL-17"], Needs::CONSOLE, shim_reads),
];

const LATE: Needs =
    Needs { features: Needs::CONSOLE.features.union(tenon_abi::Features::UPCALL), ..Needs::NONE };

/// Who runs the machine types nothing into it.
const OWN_INPUT: Fail = Fail::Error("the console of the machine under test has input of its own");

/// Writes by value, all of it: a host may be out of room for a moment.
fn inline(bound: &mut Bound, text: &[u8]) -> Outcome {
    let mut rest = text;
    for _ in 0..64 {
        let taken = inline_once(bound, rest)?;
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        bound.env.relax();
    }
    Err(Fail::Warn("the console's output has no room"))
}

fn inline_once(bound: &mut Bound, text: &[u8]) -> Result<usize, Fail> {
    let mut words = [0; 7];
    words[0] = INLINE | ((text.len() as u64) << 32);
    for (index, byte) in text.iter().enumerate() {
        words[1 + index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    let done = bound.call_words(op::CONSOLE_WRITE, words)?;
    equal(u64::from(done.status), 0, "CONSOLE_WRITE by value")?;
    check(done.value <= text.len() as u64, "more bytes accepted than were given")?;
    Ok(done.value as usize)
}

fn write_inline(ctx: &Ctx) -> Outcome {
    // The first call of the session: the console works as soon as a vCPU is bound.
    let mut bound = raw::attach(ctx.env)?;
    let text = *b"tenon conformance console write by value, 48 b.\n";
    for len in [0, 1, 7, 8, 9, 47, 48] {
        inline(&mut bound, &text[48 - len..])?;
    }
    inline_once(&mut bound, b"").map(|_| ())
}

fn write_range(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    let line = *b"tenon conformance console write of a range\n";
    for copy in 0..8 {
        check(page.write(copy * line.len(), &line), "the page")?;
    }
    for (start, len) in [(0, 0), (42, 1), (0, 43), (43, 49), (0, 8 * 43)] {
        let mut done = 0;
        for _ in 0..64 {
            let args = [at + start + done, len - done];
            let taken = expect(&mut bound, op::CONSOLE_WRITE, &args, status::OK, "CONSOLE_WRITE")?;
            check(taken <= len - done, "more bytes accepted than were given")?;
            done += taken;
            if done == len {
                break;
            }
            bound.env.relax();
        }
        if done != len {
            return Err(Fail::Warn("the console's output has no room"));
        }
    }
    Ok(())
}

fn write_bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    for extra in 2..6 {
        let mut args = [at, 1, 0, 0, 0, 0];
        args[extra] = 1;
        expect(&mut bound, op::CONSOLE_WRITE, &args, status::BAD_RESERVED, "an unused argument")?;
    }
    for words in [[2, at, 1, 0, 0, 0, 0], [1 << 31, at, 1, 0, 0, 0, 0], [1 << 32, at, 1, 0, 0, 0, 0]] {
        let done = bound.call_words(op::CONSOLE_WRITE, words)?;
        equal(
            u64::from(done.status),
            u64::from(status::BAD_RESERVED),
            "an unknown flag, a count without INLINE",
        )?;
    }
    Ok(())
}

fn too_long(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max = u64::from(raw::record(ctx.env).max_payload.get());
    let (_, at) = raw::pages(ctx.env, max as usize + 64, 4096)?;
    for op in [op::CONSOLE_WRITE, op::CONSOLE_READ] {
        // The longer ones leave the region too.
        for len in [max + 1, max * 2, (1 << 32) | 1, 1 << 63] {
            expect(&mut bound, op, &[at, len], status::TOO_LONG, "a length above max_payload")?;
        }
    }
    // Exactly the limit is legal: a read of it waits.
    let pending = read(&mut bound, 1, at, max);
    cancel(&mut bound, pending)
}

/// Submits a read with this id and kicks.
fn read(bound: &mut Bound, id: u16, at: u64, len: u64) -> u16 {
    bound.submit(op::CONSOLE_READ, id, [0, at, len, 0, 0, 0, 0]);
    bound.kick();
    id
}

/// Cancels the read with that id, which no input has answered: both completions come, in whatever order.
fn cancel(bound: &mut Bound, id: u16) -> Outcome {
    bound.submit(op::CANCEL, 60, [0, u64::from(id), 0, 0, 0, 0, 0]);
    bound.kick();
    let mut statuses = [None; 2];
    for _ in 0..2 {
        let done = bound.wait()?;
        let (place, value) = if done.id == 60 { (0, 1) } else { (1, 0) };
        check(done.id == 60 || done.id == id, "a completion of another request")?;
        equal(done.value, value, if place == 0 { "CANCEL's value" } else { "a value with CANCELLED" })?;
        statuses[place] = Some(done.status);
    }
    check(statuses == [Some(status::OK), Some(status::CANCELLED)], "OK for CANCEL, CANCELLED for the read")
}

fn read_bad_arguments(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    let end = raw::record(ctx.env).region0_len.get();
    let status = status::BAD_ARGUMENT;
    expect(&mut bound, op::CONSOLE_READ, &[at, 0], status, "a read of nothing")?;
    for (args, status, what) in [
        ([end - 1, 2, 0], status::BAD_RANGE, "one byte beyond the end of region 0"),
        ([end, 1, 0], status::BAD_RANGE, "the byte behind region 0"),
        ([(1 << 48) - 1, 1, 0], status::BAD_RANGE, "the last offset of all"),
        ([at, 8, 1], status::BAD_RESERVED, "an unused argument"),
    ] {
        expect(&mut bound, op::CONSOLE_READ, &args, status, what)?;
    }
    let done = bound.call(op::REGION_QUERY, [0xfffe, 0, 0, 0, 0, 0])?;
    if done.status == status::BAD_REGION {
        let args = [(0xfffe << 48) | at, 8];
        expect(&mut bound, op::CONSOLE_READ, &args, status::BAD_REGION, "a region that does not exist")?;
    }
    let done = bound.call_words(op::CONSOLE_READ, [INLINE | (8 << 32), 0, 0, 0, 0, 0, 0])?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), "INLINE, which a read does not define")?;
    // None of them is in flight.
    let id = read(&mut bound, 1, at, 8);
    cancel(&mut bound, id)
}

fn read_cancelled(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    fill(&page);
    for round in 0..3 {
        let id = read(&mut bound, 1 + round, at + 64, 256);
        settle_beside(&mut bound)?;
        untouched(&page, 0, 0)?;
        cancel(&mut bound, id)?;
        // It is over: CANCEL finds nothing.
        let value = expect(&mut bound, op::CANCEL, &[u64::from(id)], status::OK, "CANCEL")?;
        equal(value, 0, "CANCEL of what is not in flight")?;
    }
    untouched(&page, 0, 0)
}

/// A pattern that no input of a case has.
const PATTERN: u64 = 0xeeee_eeee_eeee_eeee;

fn fill(page: &Mapping) {
    for at in (0..page.byte_len()).step_by(8) {
        store(page, at, PATTERN);
    }
    full_fence();
}

/// Every byte of `page` but those from `from` to `to` is as [`fill`] left it.
fn untouched(page: &Mapping, from: usize, to: usize) -> Outcome {
    for start in (0..page.byte_len()).step_by(8) {
        let word = load(page, start);
        if word == PATTERN {
            continue;
        }
        for (at, byte) in (start..).zip(word.to_le_bytes()) {
            if (at < from || at >= to) && byte != 0xee {
                return Err(Fail::Failed(
                    "a byte was written that no request covers",
                    at as u64,
                    byte.into(),
                ));
            }
        }
    }
    Ok(())
}

/// A call beside a read in flight, whose id is not 50; it must be the only completion.
fn settle_beside(bound: &mut Bound) -> Outcome {
    bound.submit(op::NOP, 50, [0, 1234, 0, 0, 0, 0, 0]);
    bound.kick();
    let done = bound.wait()?;
    match done {
        raw::Done { id: 50, .. } => {}
        raw::Done { status: status::OK, .. } => return Err(OWN_INPUT),
        refused => return Err(Fail::Failed("a read was refused", u64::from(refused.status), 0)),
    }
    equal(done.value, 1234, "NOP's value beside a read")?;
    rest(bound.env);
    Ok(())
}

fn read_twice(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    let id = read(&mut bound, 3, at, 8);
    settle_beside(&mut bound)?;
    for _ in 0..2 {
        expect(&mut bound, op::CONSOLE_READ, &[at + 8, 8], status::EXISTS, "a second read")?;
    }
    cancel(&mut bound, id)?;
    // One in flight, not one for ever.
    let id = read(&mut bound, 4, at, 8);
    settle_beside(&mut bound)?;
    cancel(&mut bound, id)
}

fn does_not_block(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 64, [8, 8])?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    let id = read(&mut bound, 9, at, 8);
    // More than a lap of calls around it, with ids that are not its own.
    for value in 0..80 {
        let found = expect(&mut bound, op::NOP, &[value], status::OK, "NOP")?;
        equal(found, value, "NOP's value")?;
    }
    cancel(&mut bound, id)
}

fn late_upcall(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    // Nothing else shall ask for the upcall.
    for class in 0..2 {
        arm(&bound, class, FAR);
    }
    arm_completions(&bound, FAR);
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    for round in 0..3 {
        let id = read(&mut bound, 1 + round, at, 1);
        settle_beside(&mut bound)?;
        upcalls.forget();
        // The next completion is the read's or what makes it complete.
        arm_completions(&bound, bound.reaped);
        cancel(&mut bound, id)?;
        upcalls.want("no upcall for a completion at the armed position")?;
        // One position further: the first completion of a pair is not enough, the second is.
        settle(&mut bound)?;
        upcalls.forget();
        arm_completions(&bound, bound.reaped.wrapping_add(1));
        let id = read(&mut bound, 10 + round, at, 1);
        cancel(&mut bound, id)?;
        upcalls.want("no upcall for a completion beyond the armed position")?;
        arm_completions(&bound, bound.reaped.wrapping_add(FAR));
        settle(&mut bound)?;
    }
    Ok(())
}

fn arm_completions(bound: &Bound, position: u32) {
    store(&bound.guest.0, 0, u64::from(position));
    full_fence();
}

fn ends_with_reset(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    fill(&page);
    read(&mut bound, 1, at, 64);
    settle_beside(&mut bound)?;
    check(raw::reset(ctx.env), "RESET with a read in flight")?;
    untouched(&page, 0, 0)?;
    // The new session's domain has no read in flight, and the old one's gets no completion.
    let mut bound = raw::attach(ctx.env)?;
    let id = read(&mut bound, 2, at + 64, 8);
    settle_beside(&mut bound)?;
    cancel(&mut bound, id)?;
    untouched(&page, 0, 0)
}

/// Says why input cannot be made here.
fn needs_echo(ctx: &Ctx) -> Outcome {
    match ctx.env.param("console") {
        Some("echo") => Ok(()),
        _ => Err(Fail::Error("the machine under test does not echo: boot it with console=echo")),
    }
}

/// ENQ: the console of the runner gives back what follows in the same write.
const ENQ: u8 = 5;

/// Writes ENQ and the text beside reads in flight: the completion of the write, and perhaps that of a read.
fn provoke(bound: &mut Bound, text: &[u8]) -> Result<Option<raw::Done>, Fail> {
    let mut words = [0; 7];
    words[0] = INLINE | ((text.len() as u64 + 1) << 32);
    for (index, byte) in core::iter::once(&ENQ).chain(text).enumerate() {
        words[1 + index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    bound.submit(op::CONSOLE_WRITE, 55, words);
    bound.kick();
    let first = bound.wait()?;
    let (written, read) = if first.id == 55 { (first, None) } else { (bound.wait()?, Some(first)) };
    equal(u64::from(written.id), 55, "the id of the write's completion")?;
    equal(u64::from(written.status), 0, "CONSOLE_WRITE by value")?;
    equal(written.value, text.len() as u64 + 1, "bytes accepted of an empty console")?;
    Ok(read)
}

fn echo(ctx: &Ctx) -> Outcome {
    const TEXT: &[u8] = b"mortise and tenon";
    needs_echo(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    // Asked before there is anything.
    let first = read(&mut bound, 1, at, 7);
    settle_beside(&mut bound)?;
    let early = provoke(&mut bound, TEXT)?;
    let mut got = 0;
    let mut waiting = Some((first, early));
    // Short reads, one after the other: the bytes come in order, each once.
    for _ in 0..TEXT.len() {
        let done = match waiting.take() {
            Some((_, Some(done))) => done,
            Some((_, None)) => bound.wait()?,
            None => {
                read(&mut bound, 1, at + got as u64, 7);
                bound.wait()?
            }
        };
        equal(u64::from(done.id), u64::from(first), "the id of the read's completion")?;
        equal(u64::from(done.status), 0, "CONSOLE_READ")?;
        check((1..=7).contains(&done.value), "a read of up to 7 bytes has another value")?;
        got += done.value as usize;
        if got >= TEXT.len() {
            break;
        }
    }
    equal(got as u64, TEXT.len() as u64, "bytes read back")?;
    let mut found = [0; TEXT.len()];
    check(page.read(0, &mut found), "the page")?;
    check(found == TEXT, "other bytes were read back than were written")?;
    // And no more than those.
    let id = read(&mut bound, 2, at, 8);
    settle_beside(&mut bound)?;
    cancel(&mut bound, id)
}

/// The read completes long after its kick, and nobody polls: the upcall is all that tells.
fn echo_late_upcall(ctx: &Ctx) -> Outcome {
    needs_echo(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 64, 64)?;
    for class in 0..2 {
        arm(&bound, class, FAR);
    }
    arm_completions(&bound, FAR);
    let upcalls = Upcalls::of(&mut bound, 0, 0)?;
    for round in 0..3 {
        read(&mut bound, 1, at, 8);
        settle_beside(&mut bound)?;
        upcalls.forget();
        // The write's completion and the read's: the second of the two is at the armed position.
        arm_completions(&bound, bound.reaped.wrapping_add(1));
        let early = provoke(&mut bound, &[b'a' + round])?;
        upcalls.want("no upcall for a late completion at the armed position")?;
        let done = match early {
            Some(done) => done,
            None => bound.wait()?,
        };
        equal(u64::from(done.status), 0, "CONSOLE_READ")?;
        equal(done.value, 1, "bytes read back")?;
        arm_completions(&bound, bound.reaped.wrapping_add(FAR));
        settle(&mut bound)?;
    }
    Ok(())
}

/// Input that nobody has read waits for the next kernel.
fn input_outlives_reset(ctx: &Ctx) -> Outcome {
    needs_echo(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    check(provoke(&mut bound, b"for whom it concerns")?.is_none(), "a read completed that nobody asked for")?;
    check(raw::reset(ctx.env), "RESET")?;
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 64, 64)?;
    let mut got = 0;
    while got < 20 {
        read(&mut bound, 1, at + got, 20 - got);
        let done = bound.wait()?;
        equal(u64::from(done.status), 0, "CONSOLE_READ")?;
        check((1..=20 - got).contains(&done.value), "a read has a value beyond its length")?;
        got += done.value;
    }
    let mut found = [0; 20];
    check(page.read(0, &mut found) && &found == b"for whom it concerns", "other bytes than were typed")
}

fn echo_inside(ctx: &Ctx) -> Outcome {
    needs_echo(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    // An odd place and length, shorter than what comes; and the rest somewhere else.
    for (start, len) in [(101u64, 5u64), (1023, 11)] {
        fill(&page);
        read(&mut bound, 1, at + start, len);
        settle_beside(&mut bound)?;
        untouched(&page, 0, 0)?;
        let early = provoke(&mut bound, b"0123456789abcdef")?;
        let done = match early {
            Some(done) => done,
            None => bound.wait()?,
        };
        equal(u64::from(done.status), 0, "CONSOLE_READ")?;
        check(done.value >= 1 && done.value <= len, "a read has a value beyond its length")?;
        rest(ctx.env);
        untouched(&page, start as usize, start as usize + done.value as usize)?;
        // What is left of the input is read before the next round.
        let mut left = 16 - done.value;
        while left > 0 {
            read(&mut bound, 2, at + 2048, left);
            let done = bound.wait()?;
            equal(u64::from(done.status), 0, "CONSOLE_READ")?;
            check(done.value >= 1 && done.value <= left, "a read has a value beyond its length")?;
            left -= done.value;
        }
    }
    Ok(())
}
