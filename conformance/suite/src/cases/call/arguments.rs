// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags, unused arguments, arguments outside their range: by hand.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Bound, load};
use crate::since::{self, OPS};

/// The cases.
pub const CASES: &[Case] = &[
    case("call.flags", &["CALL-9", "GEN-5", "CALL-3"], Needs::NONE, flags),
    case("call.unused-arguments", &["CALL-11", "GEN-5"], Needs::NONE, unused),
    case("call.unused-has-no-effect", &["GEN-5", "CALL-11"], Needs::EVENTS, no_effect),
    case("call.argument-ranges", &["CALL-11", "CALL-3"], Needs::NONE, ranges),
    case("call.order-of-checks", &["GEN-9", "CALL-11", "CALL-12"], Needs::NONE, order),
    case("call.unknown-operations", &["CALL-12", "CALL-13"], Needs::NONE, unknown),
];

/// Operations of this session with the number of arguments that they take, and arguments with which the host
/// gets as far as looking at the others.
fn ops(features: u64) -> impl Iterator<Item = (u16, usize, [u64; 3])> {
    let here = OPS.iter().filter(move |known| known.is_in(features));
    here.filter_map(|known| known.arguments.map(|(count, good)| (known.op, count, good)))
}

/// A call that has to be refused with BAD_RESERVED and value zero.
fn is_reserved(bound: &mut Bound, op: u16, words: [u64; 7], what: &'static str) -> Outcome {
    let done = bound.call_words(op, words)?;
    equal(u64::from(done.status), u64::from(status::BAD_RESERVED), what)?;
    equal(done.value, 0, "the value of what was refused")
}

fn flags(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let features = load(&ctx.env.window(), 0x90);
    // INLINE, bit 0, is one that NOP does not define.
    for bit in 0..32 {
        is_reserved(&mut bound, op::NOP, [1 << bit, 7, 0, 0, 0, 0, 0], "a flag that NOP does not define")?;
    }
    is_reserved(&mut bound, op::NOP, [0xffff_ffff, 7, 0, 0, 0, 0, 0], "all flags")?;
    for (op, _, [a, b, c]) in ops(features) {
        is_reserved(&mut bound, op, [1, a, b, c, 0, 0, 0], "INLINE where it is not defined")?;
        is_reserved(&mut bound, op, [1 << 31, a, b, c, 0, 0, 0], "a flag that is not defined")?;
    }
    if features & (1 << 5) != 0 {
        for bit in 1..32 {
            for inline in [0, 1] {
                let words = [inline | (1 << bit), 0, 0, 0, 0, 0, 0];
                is_reserved(
                    &mut bound,
                    op::CONSOLE_WRITE,
                    words,
                    "a flag that CONSOLE_WRITE does not define",
                )?;
            }
        }
    }
    if features & (1 << 6) != 0 {
        for bit in 1..32 {
            is_reserved(
                &mut bound,
                op::CRASH,
                [1 << bit, 0, 0, 0, 0, 0, 0],
                "a flag that CRASH does not define",
            )?;
        }
    }
    equal(bound.call(op::NOP, [8, 0, 0, 0, 0, 0])?.value, 8, "NOP without flags")
}

fn unused(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let features = load(&ctx.env.window(), 0x90);
    for (op, count, [a, b, c]) in ops(features) {
        for spare in count..6 {
            for value in [1, 1 << 63] {
                let mut words = [0, a, b, c, 0, 0, 0];
                words[1 + spare] = value;
                is_reserved(&mut bound, op, words, "an argument that the operation does not use")?;
            }
        }
        // Without INLINE there is no count.
        for count in [1, 48, 1 << 31] {
            let words = [count << 32, a, b, c, 0, 0, 0];
            is_reserved(&mut bound, op, words, "a count without INLINE")?;
        }
    }
    if features & (1 << 6) != 0 {
        for spare in 1..6 {
            let mut words = [0; 7];
            words[1 + spare] = 1;
            is_reserved(&mut bound, op::EXIT, words, "EXIT with a second argument")?;
            is_reserved(&mut bound, op::RESTART, words, "RESTART with an argument")?;
        }
    }
    Ok(())
}

fn no_effect(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    is_reserved(&mut bound, op::EVENT_BIND, [0, 5, 0, 0, 1, 0, 0], "EVENT_BIND with a fourth argument")?;
    let signal = bound.call(op::EVENT_SIGNAL, [5, 0, 0, 0, 0, 0])?;
    equal(u64::from(signal.status), u64::from(status::NOT_FOUND), "a refused EVENT_BIND bound the port")?;
    let bind = bound.call(op::EVENT_BIND, [5, 0, 0, 0, 0, 0])?;
    equal(u64::from(bind.status), u64::from(status::OK), "EVENT_BIND")?;
    is_reserved(&mut bound, op::EVENT_UNBIND, [0, 5, 0, 0, 0, 0, 1], "EVENT_UNBIND with a sixth argument")?;
    is_reserved(&mut bound, op::EVENT_SIGNAL, [2, 5, 0, 0, 0, 0, 0], "EVENT_SIGNAL with a flag")?;
    is_reserved(&mut bound, op::EVENT_SIGNAL, [0, 5, 1, 0, 0, 0, 0], "EVENT_SIGNAL with a second argument")?;
    equal(bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?.value, 1, "NOP")?;
    check(bound.entry(0, 0).is_none(), "a refused EVENT_SIGNAL raised the port")?;
    let bind = bound.call(op::EVENT_BIND, [5, 0, 0, 0, 0, 0])?;
    equal(u64::from(bind.status), u64::from(status::EXISTS), "a refused EVENT_UNBIND released the port")
}

fn ranges(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let window = ctx.env.window();
    let features = desk.features();
    let mut bound = desk.attach(features, 16)?;
    let max_vcpus = load(&window, 0x40) & 0xffff_ffff;
    let max_ports = load(&window, 0x48) >> 32;
    let mut refused = |op: u16, args: [u64; 3]| {
        let [a, b, c] = args;
        let done = bound.call(op, [a, b, c, 0, 0, 0])?;
        equal(u64::from(done.status), u64::from(status::BAD_ARGUMENT), "an argument outside its range")?;
        equal(done.value, 0, "the value of what was refused")
    };
    for wide in [0x1_0000, 0x1_0100, 1 << 32, (1 << 32) | 0x0100, (1 << 63) | 0x0100, u64::MAX] {
        refused(op::PROBE, [wide, 0, 0])?;
        refused(op::REGION_QUERY, [wide & !0x0100, 0, 0])?;
    }
    for id in [16, 17, 64, 0xffff, 0x1_0000, 1 << 32, (1 << 63) | 1, u64::MAX] {
        refused(op::CANCEL, [id, 0, 0])?;
    }
    if features & (1 << 1) != 0 {
        for port in [max_ports, max_ports + 1, u64::from(u32::MAX), 1 << 32, (1 << 32) | 3, u64::MAX] {
            refused(op::EVENT_BIND, [port, 0, 0])?;
        }
        for vcpu in [max_vcpus, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            refused(op::EVENT_BIND, [3, vcpu, 0])?;
        }
        for class in [2, 3, u64::from(u32::MAX), 1 << 32, (1 << 32) | 1, u64::MAX] {
            refused(op::EVENT_BIND, [3, 0, class])?;
        }
    }
    if features & (1 << 4) != 0 {
        for vcpu in [max_vcpus, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            refused(op::VCPU_START, [vcpu, 0, 0])?;
            refused(op::VCPU_STOP, [vcpu, 0, 0])?;
            refused(op::VCPU_STOP, [0, vcpu, 0])?;
        }
    }
    if features & (1 << 6) != 0 {
        for code in [1 << 32, 1 << 63, u64::MAX] {
            refused(op::EXIT, [code, 0, 0])?;
        }
    }
    equal(bound.call(op::NOP, [u64::MAX, 0, 0, 0, 0, 0])?.value, u64::MAX, "NOP takes any argument")
}

/// Calls that break several rules at once.
fn order(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let window = ctx.env.window();
    let features = load(&window, 0x90);
    let max_payload = load(&window, 0x50) & 0xffff_ffff;
    let unknown = bound.call_words(0x0103, [u64::MAX; 7])?;
    equal(u64::from(unknown.status), u64::from(status::NOT_SUPPORTED), "everything is wrong")?;
    let reserved =
        |bound: &mut Bound, op, words| is_reserved(bound, op, words, "a reserved bit beside others");
    reserved(&mut bound, op::PROBE, [0, 1 << 32, 1, 0, 0, 0, 0])?;
    reserved(&mut bound, op::CANCEL, [2, 1 << 32, 0, 0, 0, 0, 0])?;
    let mut any_of = |op: u16, words: [u64; 7], allowed: [u16; 3]| {
        let done = bound.call_words(op, words)?;
        equal(done.value, 0, "the value of what was refused")?;
        if allowed.contains(&done.status) {
            return Ok(());
        }
        Err(Fail::Failed("none of the rules that it breaks", u64::from(done.status), u64::from(op)))
    };
    if features & (1 << 1) != 0 {
        let allowed = [status::BAD_ARGUMENT, status::NOT_FOUND, status::NOT_FOUND];
        any_of(op::EVENT_MOVE, [0, 9, 0, 2, 0, 0, 0], allowed)?;
        any_of(op::EVENT_MOVE, [0, 9, u64::MAX, 0, 0, 0, 0], allowed)?;
    }
    if features & (1 << 5) != 0 {
        let allowed = [status::TOO_LONG, status::BAD_REGION, status::BAD_RANGE];
        for op in [op::CONSOLE_WRITE, op::CONSOLE_READ] {
            any_of(op, [0, u64::MAX, max_payload + 1, 0, 0, 0, 0], allowed)?;
        }
        any_of(
            op::CONSOLE_READ,
            [0, u64::MAX, 0, 0, 0, 0, 0],
            [status::BAD_ARGUMENT, allowed[1], allowed[2]],
        )?;
        reserved(&mut bound, op::CONSOLE_WRITE, [3 | (49 << 32), 0, 0, 0, 0, 0, 0])?;
    }
    equal(bound.call(op::NOP, [9, 0, 0, 0, 0, 0])?.value, 9, "NOP")
}

fn unknown(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    // Zero, neighbours of what exists, families that there are and are not, the largest.
    let strange = [
        0x0000, 0x0001, 0x00ff, 0x0103, 0x01ff, 0x0205, 0x02ff, 0x0301, 0x0401, 0x0403, 0x0503, 0x0602,
        0x0703, 0x08ff, 0x09ff, 0x1000, 0x7fff, 0x8100, 0xff00, 0xffff,
    ];
    for op in strange.into_iter().filter(|op| since::op(u64::from(*op)).is_none()) {
        let done = bound.call(op, [0; 6])?;
        equal(u64::from(done.status), u64::from(status::NOT_SUPPORTED), "an operation that does not exist")?;
        equal(done.value, 0, "its value")?;
        let probed = bound.call(op::PROBE, [u64::from(op), 0, 0, 0, 0, 0])?;
        equal(u64::from(probed.status), u64::from(status::OK), "PROBE")?;
        equal(probed.value, 0, "PROBE of an operation that does not exist")?;
    }
    equal(u64::from(bound.state(0).0), 1, "an unknown operation is no breach")
}
