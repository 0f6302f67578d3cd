// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raising and taking, by hand (EVT-7 to EVT-10, EVT-19, EVT-21).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, equal};
use crate::cases::tools::{batch, bind_port, case, no_entry, op, signal, want_entry};
use crate::raw::{self, Bound, load};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.entry-layout", &["EVT-7", "CALL-4", "VCPU-4"], Needs::EVENTS, layout),
    case("event.storm", &["EVT-10"], Needs::EVENTS, storm),
    case("event.again-after-taken", &["EVT-8", "EVT-9"], Needs::EVENTS, again),
    case("event.copied-but-not-published", &["EVT-8", "EVT-9", "EVT-10"], Needs::EVENTS, copied),
    case("event.ring-of-1-laps", &["EVT-2", "EVT-7", "EVT-9"], Needs::EVENTS, |ctx| laps(ctx, 1)),
    case("event.ring-of-2-laps", &["EVT-2", "EVT-7", "EVT-9"], Needs::EVENTS, |ctx| laps(ctx, 2)),
    case("event.largest-rings", &["EVT-2", "EVT-7"], Needs::EVENTS, largest),
    case("event.classes-apart", &["EVT-2", "EVT-8"], Needs::EVENTS, classes),
    case("event.order-of-entries", &["EVT-21", "EVT-7"], Needs::EVENTS, order),
    case("event.idle-ports", &["EVT-19", "EVT-7"], Needs::EVENTS, idle_ports),
];

fn layout(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [4, 4])?;
    let max_ports = raw::record(ctx.env).max_ports.get();
    for (class, port) in [(0u32, max_ports - 1), (1, 33)] {
        bind_port(&mut bound, port, 0, class)?;
        signal(&mut bound, port)?;
        want_entry(&bound, class as usize, 0, port)?;
        // 0x80, eight completions of 16 bytes, then the rings, each on a cache line.
        let at = 0x100 + class as usize * 0x40;
        let word = load(&bound.host, at);
        let turn = bound.seed.wrapping_add(1);
        equal(word, u64::from(port) | (u64::from(turn) << 32), "the entry's word")?;
        no_entry(&mut bound, class as usize, 1, "an entry that nobody raised")?;
        equal(load(&bound.host, at + 8), 0, "a place that was never written")?;
    }
    Ok(())
}

fn storm(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    bind_port(&mut bound, 4, 0, 0)?;
    batch(&mut bound, op::EVENT_SIGNAL, (0..300).map(|_| [3, 0, 0]))?;
    want_entry(&bound, 0, 0, 3)?;
    no_entry(&mut bound, 0, 1, "a second untaken entry of one port")?;
    // The neighbour has not suffered.
    signal(&mut bound, 4)?;
    want_entry(&bound, 0, 1, 4)?;
    bound.take_until(0, 2);
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 2, 3)?;
    no_entry(&mut bound, 0, 3, "a second untaken entry of one port")
}

fn again(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    for position in 0..10 {
        signal(&mut bound, 3)?;
        want_entry(&bound, 0, position, 3)?;
        bound.take_until(0, position + 1);
    }
    Ok(())
}

fn copied(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 3, 0, 0)?;
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 0, 3)?;
    // The entry was copied, `taken` not stored: what comes now is seen by the look that follows the fence.
    signal(&mut bound, 3)?;
    no_entry(&mut bound, 0, 1, "a second untaken entry of one port")?;
    bound.take_until(0, 1);
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 1, 3)
}

/// Seven laps of a small ring that is kept full.
fn laps(ctx: &Ctx, size: u32) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 4, [size, size])?;
    for class in 0..2 {
        for index in 0..size {
            bind_port(&mut bound, class * 8 + index, 0, class)?;
        }
    }
    for lap in 0..7 {
        for class in 0..2 {
            for index in 0..size {
                signal(&mut bound, class * 8 + index)?;
                want_entry(&bound, class as usize, lap * size + index, class * 8 + index)?;
            }
            // Read, then given back as a whole.
            bound.take_until(class as usize, (lap + 1) * size);
        }
    }
    no_entry(&mut bound, 0, 7 * size, "an entry of an old lap that looks new")
}

fn largest(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let record = raw::record(ctx.env);
    // Rings that the guest donates cost the environment pages.
    let in_window = record.active_features.get() & 1 != 0;
    let max_events = record.max_events.get().min(if in_window { u32::MAX } else { 4096 });
    // The window may lack the room for two at the limit, or for one of them (VCPU-4): the largest for which
    // it has.
    let sizes = (0..=max_events.ilog2()).flat_map(|less| [[max_events >> less; 2], [1, max_events >> less]]);
    let mut bound = None;
    for events in sizes {
        match raw::bind(ctx.env, scratch, shift, 0, 8, events) {
            Err(Fail::Failed(_, 7, 0)) => {}
            result => {
                bound = Some(result?);
                break;
            }
        }
    }
    let Some(mut bound) = bound else { return Err(Fail::Failed("no event ring is small enough", 0, 0)) };
    for class in [1, 0] {
        bind_port(&mut bound, 20 + class, 0, class)?;
        for position in 0..3 {
            signal(&mut bound, 20 + class)?;
            want_entry(&bound, class as usize, position, 20 + class)?;
            bound.take_until(class as usize, position + 1);
        }
    }
    Ok(())
}

fn classes(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach_with(ctx.env, 8, [4, 4])?;
    bind_port(&mut bound, 1, 0, 0)?;
    bind_port(&mut bound, 2, 0, 1)?;
    // The positions of the two rings have nothing to do with each other.
    for position in 0..5 {
        signal(&mut bound, 1)?;
        want_entry(&bound, 0, position, 1)?;
        bound.take_until(0, position + 1);
    }
    no_entry(&mut bound, 1, 0, "an entry in the ring of the other class")?;
    signal(&mut bound, 2)?;
    want_entry(&bound, 1, 0, 2)?;
    signal(&mut bound, 2)?;
    no_entry(&mut bound, 1, 1, "taken from one ring, believed of the other")
}

fn order(ctx: &Ctx) -> Outcome {
    const PORTS: [u64; 8] = [12, 3, 60, 1, 44, 9, 2, 31];
    let mut bound = raw::attach(ctx.env)?;
    let mut ascending = PORTS;
    ascending.sort_unstable();
    for port in ascending {
        bind_port(&mut bound, port as u32, 0, 0)?;
    }
    for lap in 0..2 {
        // One kick; the effects are in the order of positions, and each port is raised twice.
        let twice = PORTS.iter().chain(&PORTS).map(|port| [*port, 0, 0]);
        batch(&mut bound, op::EVENT_SIGNAL, twice)?;
        for (index, port) in (0u32..).zip(PORTS) {
            want_entry(&bound, 0, lap * 8 + index, port as u32)?;
        }
        no_entry(&mut bound, 0, lap * 8 + 8, "a second untaken entry of one port")?;
        bound.take_until(0, lap * 8 + 8);
    }
    Ok(())
}

fn idle_ports(ctx: &Ctx) -> Outcome {
    const ROUNDS: u32 = 16;
    let record = raw::record(ctx.env);
    let idle = record.max_ports.get().min(record.max_events.get()).min(512);
    let mut bound = raw::attach_with(ctx.env, 64, [idle, 1])?;
    let last = idle - 1;
    bind_port(&mut bound, last, 0, 0)?;
    let mut position = 0;
    let alone = rounds(&mut bound, last, ROUNDS, &mut position)?;
    batch(&mut bound, op::EVENT_BIND, (0..u64::from(last)).map(|port| [port, 0, 0]))?;
    let crowded = rounds(&mut bound, last, ROUNDS, &mut position)?;
    no_entry(&mut bound, 0, position, "an entry of an idle port")?;
    // The best of several rounds, and a margin for a machine that is busy with other things.
    if crowded > alone.saturating_mul(8).saturating_add(500) {
        return Err(Fail::Failed("raising takes longer with idle ports (microseconds)", crowded, alone));
    }
    Ok(())
}

/// Raises and takes `rounds` times; the time of the fastest.
fn rounds(bound: &mut Bound, port: u32, rounds: u32, position: &mut u32) -> Result<u64, Fail> {
    let mut best = u64::MAX;
    for _ in 0..rounds {
        let before = bound.env.micros();
        signal(bound, port)?;
        want_entry(bound, 0, *position, port)?;
        best = best.min(bound.env.micros().saturating_sub(before));
        *position += 1;
        bound.take_until(0, *position);
    }
    Ok(best)
}
