// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rows say: a guest makes N of something, and finds N.

use super::{Desk, METER, row};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Random;
use crate::cases::tools::{
    FAR, INLINE, Upcalls, arm, batch, bind_port, case, emergency, expect, op, settle, signal, status,
};
use crate::raw::{self, Control, load};
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("meter.counts-calls", &["MET-5"], METER, calls),
    case("meter.counts-refused-calls", &["MET-5"], METER, refused_calls),
    case("meter.counts-batches", &["MET-5"], METER, batches),
    case("meter.counts-controls", &["MET-5", "NEG-4"], METER, controls),
    case("meter.counts-events", &["MET-5"], with(Needs::EVENTS), events),
    case("meter.counts-upcalls", &["MET-5"], with(Needs::UPCALL), upcalls),
    case("meter.counts-direct-interrupts", &["MET-5"], with(Needs::DIRECT), direct_interrupts),
    case("meter.counts-console-output", &["MET-5"], with(Needs::CONSOLE), output),
    case("meter.counts-no-refused-output", &["MET-5", "CON-3"], with(Needs::CONSOLE), refused_output),
    case("meter.counts-console-input", &["MET-5"], with(Needs::CONSOLE), input),
    case("meter.counts-entropy", &["MET-5"], with(RANDOM), entropy),
    case("meter.outlives-reset", &["MET-4"], METER, outlives_reset),
    case("meter.never-falls", &["MET-4"], with(Needs::EVENTS), never_falls),
];

const RANDOM: Needs = Needs { features: Features::ENTROPY, ..Needs::NONE };

/// These needs, and METER.
const fn with(needs: Needs) -> Needs {
    Needs { features: needs.features.union(Features::METER), ..needs }
}

/// N calls: the read that comes behind them counts itself, and so does the one before.
fn calls(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    for count in [0, 1, 7, 100] {
        let before = desk.read()?;
        for value in 0..count {
            expect(&mut desk.bound, op::NOP, &[value], status::OK, "NOP")?;
        }
        equal(desk.read()?.more(&before, row::CALLS)?, count + 1, "calls")?;
    }
    let before = desk.read()?;
    batch(&mut desk.bound, op::NOP, (0..150).map(|value| [value, 0, 0]))?;
    equal(desk.read()?.more(&before, row::CALLS)?, 151, "calls in batches")?;
    let before = desk.read()?;
    for position in 0..5 {
        let done = emergency(&desk.bound, position, op::NOP, [0, 9, 0, 0, 0, 0, 0])?;
        equal(u64::from(done.status), 0, "NOP in the emergency lane")?;
    }
    equal(desk.read()?.more(&before, row::CALLS)?, 6, "calls in the emergency lane")
}

/// What is refused, or does not exist, was a call too.
fn refused_calls(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let before = desk.read()?;
    for _ in 0..10 {
        expect(&mut desk.bound, 0xff00, &[], status::NOT_SUPPORTED, "no operation")?;
        expect(&mut desk.bound, op::NOP, &[1, 1], status::BAD_RESERVED, "NOP")?;
        expect(&mut desk.bound, op::PROBE, &[1 << 16], status::BAD_ARGUMENT, "PROBE")?;
    }
    equal(desk.read()?.more(&before, row::CALLS)?, 31, "calls")
}

fn batches(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let before = desk.read()?;
    for _ in 0..20 {
        for id in 0..16 {
            desk.bound.submit(op::NOP, id, [0, 5, 0, 0, 0, 0, 0]);
        }
        desk.bound.kick();
        for _ in 0..16 {
            desk.bound.wait()?;
        }
    }
    settle(&mut desk.bound)?;
    // A host that looks late finds several at once, and one that looks early finds one in pieces.
    let after = desk.read()?;
    let (found, calls) = (after.more(&before, row::BATCHES)?, after.more(&before, row::CALLS)?);
    equal(calls, 20 * 16 + 2, "calls")?;
    check((1..=calls + 1).contains(&found), "batches: at least one, at most one for each call")
}

fn controls(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let before = desk.read()?;
    for _ in 0..6 {
        let shift = raw::granule_shift(ctx.env);
        let request = Control::negotiate(ctx.env, 0, shift);
        match desk.bound.control(request) {
            Some((status::BAD_STATE, 0)) => {}
            _ => return Err(Fail::Failed("NEGOTIATE in an open session", 0, 0)),
        }
    }
    equal(desk.read()?.more(&before, row::CONTROLS)?, 6, "control requests")
}

fn events(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    bind_port(&mut desk.bound, 5, 0, 0)?;
    let before = desk.read()?;
    // Raised once and again: what finds the port's entry untaken is an event too.
    for _ in 0..25 {
        signal(&mut desk.bound, 5)?;
    }
    batch(&mut desk.bound, op::EVENT_SIGNAL, (0..25).map(|_| [5, 0, 0]))?;
    for _ in 0..10 {
        expect(&mut desk.bound, op::EVENT_SIGNAL, &[6], status::NOT_FOUND, "an unbound port")?;
    }
    let after = desk.read()?;
    equal(after.more(&before, row::EVENTS)?, 50, "events")?;
    equal(after.more(&before, row::CALLS)?, 61, "calls")
}

fn upcalls(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    bind_port(&mut desk.bound, 5, 0, 0)?;
    arm(&desk.bound, 0, FAR);
    let upcalls = Upcalls::of(&mut desk.bound, 0, 0)?;
    let before = desk.read()?;
    for position in 0..8 {
        upcalls.forget();
        arm(&desk.bound, 0, position);
        signal(&mut desk.bound, 5)?;
        upcalls.want("no upcall for an event at the armed position")?;
        desk.bound.take_until(0, position + 1);
    }
    let found = desk.read()?.more(&before, row::UPCALLS)?;
    check(found >= 8, "upcalls that came are not counted")
}

fn direct_interrupts(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let direct = Upcalls::count(ctx.env, 3);
    let args = [4, 0, direct.vector()];
    expect(&mut desk.bound, op::EVENT_BIND_DIRECT, &args, status::OK, "EVENT_BIND_DIRECT")?;
    let before = desk.read()?;
    for _ in 0..9 {
        signal(&mut desk.bound, 4)?;
    }
    let after = desk.read()?;
    equal(after.more(&before, row::DIRECT_INTERRUPTS)?, 9, "interrupts of direct ports")?;
    equal(after.more(&before, row::EVENTS)?, 9, "events")
}

/// Writes by value; the number of bytes that were accepted.
fn write(desk: &mut Desk, text: &[u8]) -> Result<u64, Fail> {
    let mut words = [0; 7];
    words[0] = INLINE | ((text.len() as u64) << 32);
    for (index, byte) in text.iter().enumerate() {
        words[1 + index / 8] |= u64::from(*byte) << (index % 8 * 8);
    }
    let done = desk.bound.call_words(op::CONSOLE_WRITE, words)?;
    equal(u64::from(done.status), 0, "CONSOLE_WRITE by value")?;
    Ok(done.value)
}

fn output(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let (page, at) = raw::pages(ctx.env, 4096, 64)?;
    let line = *b"tenon conformance counts the bytes of this line\n";
    for copy in 0..16 {
        check(page.write(copy * line.len(), &line), "the page")?;
    }
    let before = desk.read()?;
    let mut accepted = 0;
    for len in [0, 1, 8, 47, 48] {
        accepted += write(&mut desk, &line[48 - len..])?;
    }
    for copies in [1, 16] {
        accepted += expect(&mut desk.bound, op::CONSOLE_WRITE, &[at, copies * 48], status::OK, "a range")?;
    }
    let after = desk.read()?;
    equal(after.more(&before, row::CONSOLE_OUT)?, accepted, "bytes of output")?;
    equal(after.more(&before, row::CONSOLE_IN)?, 0, "bytes of input")
}

fn refused_output(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let most = u64::from(raw::record(ctx.env).max_payload.get());
    let (at, end) = (desk.page.1, raw::record(ctx.env).region0_len.get());
    let before = desk.read()?;
    expect(&mut desk.bound, op::CONSOLE_WRITE, &[at, most + 1], status::TOO_LONG, "too long")?;
    expect(&mut desk.bound, op::CONSOLE_WRITE, &[end, 8], status::BAD_RANGE, "behind the end")?;
    expect(&mut desk.bound, op::CONSOLE_WRITE, &[at, 8, 1], status::BAD_RESERVED, "an unused argument")?;
    expect(&mut desk.bound, op::CONSOLE_READ, &[at, 0], status::BAD_ARGUMENT, "a read of nothing")?;
    let after = desk.read()?;
    equal(after.more(&before, row::CONSOLE_OUT)?, 0, "bytes of output")?;
    equal(after.more(&before, row::CONSOLE_IN)?, 0, "bytes of input")
}

/// Bytes that were given, not those that there was room for.
fn input(ctx: &Ctx) -> Outcome {
    if ctx.env.param("console") != Some("echo") {
        return Err(Fail::Error("the machine under test does not echo: boot it with console=echo"));
    }
    let mut desk = Desk::open(ctx)?;
    let (_, at) = raw::pages(ctx.env, 4096, 64)?;
    let before = desk.read()?;
    let sent = write(&mut desk, b"\x05thirteen byte")?;
    equal(sent, 14, "bytes accepted of an empty console")?;
    let mut got = 0;
    while got < 13 {
        got += expect(&mut desk.bound, op::CONSOLE_READ, &[at, 4096], status::OK, "CONSOLE_READ")?;
    }
    equal(got, 13, "bytes read back")?;
    let after = desk.read()?;
    equal(after.more(&before, row::CONSOLE_IN)?, 13, "bytes of input")?;
    equal(after.more(&before, row::CONSOLE_OUT)?, 14, "bytes of output")
}

fn entropy(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let (_, at) = raw::pages(ctx.env, 4096, 64)?;
    let before = desk.read()?;
    let mut given = 0;
    for len in [1, 7, 64, 4096] {
        given += expect(&mut desk.bound, op::ENTROPY, &[at, len], status::OK, "ENTROPY")?;
    }
    expect(&mut desk.bound, op::ENTROPY, &[at, 0], status::BAD_ARGUMENT, "no bytes")?;
    equal(desk.read()?.more(&before, row::ENTROPY)?, given, "random bytes")
}

fn outlives_reset(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    for value in 0..10 {
        expect(&mut desk.bound, op::NOP, &[value], status::OK, "NOP")?;
    }
    let before = desk.read()?;
    check(raw::reset(ctx.env), "RESET")?;
    let session = load(&ctx.env.window(), 0x80);
    let mut desk = Desk::open(ctx)?;
    // What the kit calls in a closed domain, before a case does.
    let kit = u64::from(desk.bound.next);
    let after = desk.read()?;
    after.follows(&before)?;
    equal(after.more(&before, row::CALLS)?, 1 + kit, "calls over a reset")?;
    // RESET, NEGOTIATE, BIND.
    equal(after.more(&before, row::CONTROLS)?, 3, "control requests over a reset")?;
    equal(load(&ctx.env.window(), 0x80), session, "the session")
}

/// Whatever happens, no count falls and none goes.
fn never_falls(ctx: &Ctx) -> Outcome {
    let mut desk = Desk::open(ctx)?;
    let mut random = Random::new(ctx.seed ^ 0x3e7);
    bind_port(&mut desk.bound, 5, 0, 0)?;
    let mut before = desk.read()?;
    for _ in 0..100 {
        match random.below(5) {
            0 => signal(&mut desk.bound, 5)?,
            1 => batch(&mut desk.bound, op::NOP, (0..random.below(70)).map(|value| [value, 0, 0]))?,
            2 => settle(&mut desk.bound)?,
            3 => {
                desk.bound.call(random.word() as u16 | 0xf000, [0; 6])?;
            }
            _ => {
                desk.bound.call(op::EVENT_SIGNAL, [random.below(8), 0, 0, 0, 0, 0])?;
            }
        }
        let after = desk.read()?;
        after.follows(&before)?;
        before = after;
    }
    Ok(())
}
