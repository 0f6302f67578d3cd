// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time stolen from vCPUs, by hand and by the shim (VCPU-11, VCPU-12). Where `stolen=asked` stands on the
//! boot command line, as much is stolen as a case orders (REP-5); elsewhere nobody knows how much, and the
//! cases
//! hold a count against the clock.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::generation::repair;
use crate::cases::time::{RUNNING, read};
use crate::cases::tools::order::{self, order_and_wait};
use crate::cases::tools::{case, expect, op, status, wait_longer};
use crate::raw::{self, Bound, Control, load};
use crate::shim::SuitePlatform;
use crate::since;
use tenon_abi::Features;

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.stolen-counts", &["VCPU-11", "VCPU-12"], COUNTED, counts),
    case("vcpu.stolen-each", &["VCPU-11"], COUNTED, each),
    case("vcpu.stolen-unasked", &["VCPU-11", "NEG-2"], COUNTED, unasked),
    case("vcpu.stolen-restored", &["VCPU-11", "LIFE-5"], RESTORED, restored),
    case("vcpu.stolen-has-passed", &["VCPU-12"], TIMED, has_passed),
    case("vcpu.stolen-shim", &["VCPU-11"], STOLEN, shim),
];

const STOLEN: Needs = Needs { features: Features::STOLEN.union(Features::CONSOLE), ..Needs::NONE };
const COUNTED: Needs = Needs { vcpus: 2, ..STOLEN };
const RESTORED: Needs =
    Needs { features: STOLEN.features.union(Features::GENERATION).union(Features::PAGES), ..STOLEN };
const TIMED: Needs = Needs { features: STOLEN.features.union(Features::TIME), ..COUNTED };

/// The feature, and where the word lies in the host-written area, as the spec prints both.
const BIT: u64 = 1 << 14;
const WORD: usize = 0x28;
/// Nanoseconds that a case has stolen at a time. Not alike, so that one is not taken for another.
const PIECES: [u64; 4] = [1_000, 20_000, 1, 300_001];

/// Whether whoever runs the machine steals what is ordered.
fn is_asked(ctx: &Ctx) -> Result<bool, Fail> {
    order::followed(ctx.env)?;
    Ok(ctx.env.param("stolen") == Some("asked"))
}

fn two(ctx: &Ctx) -> Result<(Bound, Bound), Fail> {
    let first = raw::attach(ctx.env)?;
    let second = raw::bind(ctx.env, first.scratch, raw::granule_shift(ctx.env), 1, 16, [16, 16])?;
    Ok((first, second))
}

fn word(bound: &Bound) -> u64 {
    load(&bound.host, WORD)
}

fn call(bound: &mut Bound) -> Outcome {
    equal(expect(bound, op::NOP, &[5], status::OK, "NOP")?, 5, "NOP's value")
}

fn steal(bound: &mut Bound, vcpu: u32, nanoseconds: u64) -> Outcome {
    order_and_wait(bound, b'n', u64::from(vcpu) << 48 | nanoseconds)
}

/// Calls, and waits until the word is what it has to be. On the way it is nothing but that and `before`.
fn becomes(bound: &mut Bound, before: u64, wanted: u64) -> Outcome {
    let mut seen = before;
    for round in 0..3 {
        call(bound)?;
        let (env, host) = (bound.env, bound.host);
        let mut wrong = None;
        let is_there = wait_longer(env, || {
            let now = load(&host, WORD);
            if now < seen || (now != before && now != wanted) {
                wrong = Some(now);
            }
            seen = now;
            now == wanted || wrong.is_some()
        });
        if let Some(now) = wrong {
            return Err(Fail::Failed(
                "a count that is neither what it was nor what it has to be",
                now,
                wanted,
            ));
        }
        if !is_there {
            return Err(Fail::Failed("the count is not renewed after a call", seen, wanted + round));
        }
    }
    Ok(())
}

/// What is known where nobody orders: a count does not fall.
fn only_grows(bound: &mut Bound) -> Outcome {
    let mut last = word(bound);
    for _ in 0..1000 {
        call(bound)?;
        let now = word(bound);
        check(now >= last, "a count that falls")?;
        last = now;
    }
    Ok(())
}

fn counts(ctx: &Ctx) -> Outcome {
    let asked = is_asked(ctx)?;
    let (mut first, mut second) = two(ctx)?;
    if !asked {
        return only_grows(&mut second);
    }
    for nanoseconds in PIECES.into_iter().cycle().take(12) {
        let before = word(&second);
        steal(&mut first, 1, nanoseconds)?;
        becomes(&mut second, before, before + nanoseconds)?;
    }
    Ok(())
}

fn each(ctx: &Ctx) -> Outcome {
    let asked = is_asked(ctx)?;
    let (mut first, mut second) = two(ctx)?;
    if !asked {
        only_grows(&mut first)?;
        return only_grows(&mut second);
    }
    let before = [word(&first), word(&second)];
    steal(&mut first, 1, 5000)?;
    becomes(&mut first, before[0], before[0])?;
    becomes(&mut second, before[1], before[1] + 5000)?;
    steal(&mut first, 0, 70)?;
    becomes(&mut first, before[0], before[0] + 70)?;
    becomes(&mut second, before[1] + 5000, before[1] + 5000)
}

fn unasked(ctx: &Ctx) -> Outcome {
    let asked = is_asked(ctx)?;
    let scratch = raw::pages(ctx.env, raw::REQUEST_LEN, 1 << 16)?;
    let shift = raw::granule_shift(ctx.env);
    let features = since::negotiable(ctx.env) & !BIT;
    match Control::negotiate(ctx.env, features, shift).send(ctx.env, &scratch.0, scratch.1, shift) {
        Some((0, _)) => {}
        other => return Err(Fail::Failed("NEGOTIATE without STOLEN", other.map_or(0, |(s, _)| s.into()), 0)),
    }
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 16, [16, 16])?;
    equal(word(&bound), 0, "stolen time at BIND that nobody asked for")?;
    for _ in 0..20 {
        if asked {
            steal(&mut bound, 0, 1000)?;
        }
        call(&mut bound)?;
        equal(word(&bound), 0, "stolen time that nobody asked for")?;
    }
    Ok(())
}

fn restored(ctx: &Ctx) -> Outcome {
    let asked = is_asked(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    for nanoseconds in PIECES {
        let before = word(&bound);
        order_and_wait(&mut bound, b'r', 0)?;
        if asked {
            becomes(&mut bound, before, before)?;
            steal(&mut bound, 0, nanoseconds)?;
            becomes(&mut bound, before, before + nanoseconds)?;
        } else {
            check(word(&bound) >= before, "a count that falls over a restore")?;
            only_grows(&mut bound)?;
        }
    }
    repair(&mut bound)
}

/// What was stolen since the second vCPU was bound has passed since then.
fn has_passed(ctx: &Ctx) -> Outcome {
    let mut first = raw::attach(ctx.env)?;
    let began = read(&mut first, RUNNING)?;
    let mut second = raw::bind(ctx.env, first.scratch, raw::granule_shift(ctx.env), 1, 16, [16, 16])?;
    let at_bind = word(&second);
    for _ in 0..200 {
        call(&mut second)?;
        let grown = word(&second).saturating_sub(at_bind);
        let passed = read(&mut first, RUNNING)?.saturating_sub(began).saturating_add(1_000_000);
        if grown > passed {
            return Err(Fail::Failed("more time is stolen than has passed", grown, passed));
        }
    }
    Ok(())
}

fn shim(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let mut stolen = vcpu.stolen();
    let mut all = 0u64;
    for _ in 0..200 {
        vcpu.call(tenon_abi::Op::NOP, [1]).map_err(|error| crate::shim::failed("NOP", error))?;
        all = all.saturating_add(stolen.since_last());
    }
    if ctx.env.param("stolen") == Some("asked") {
        // Nobody asked.
        return equal(all, 0, "time that was stolen from a vCPU, by the shim");
    }
    check(all < 3_600_000_000_000, "an hour was stolen meanwhile")
}
