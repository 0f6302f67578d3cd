// SPDX-License-Identifier: MIT OR Apache-2.0
//! Masks: the hint by hand, the shim's private mask (EVT-14, EVT-15).

use super::bind::TWO_VCPUS;
use crate::case::{Case, Ctx, Needs, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, no_entry, settle, signal, wait_until, want_entry};
use crate::raw::{self, Bound, full_fence, store};
use crate::shim::{SuitePlatform, failed};

/// The cases.
pub const CASES: &[Case] = &[
    case("event.hint-may-drop", &["EVT-15", "EVT-9"], Needs::EVENTS, may_drop),
    case("event.hint-while-untaken", &["EVT-15", "EVT-10"], Needs::EVENTS, while_untaken),
    case("event.hint-of-other-ports", &["EVT-15"], Needs::EVENTS, other_ports),
    case("event.hint-of-other-vcpu", &["EVT-15"], TWO_VCPUS, other_vcpu),
    case("event.mask-remembers", &["EVT-14"], Needs::EVENTS, remembers),
    case("event.unmask-looks", &["EVT-14", "EVT-15"], Needs::EVENTS, unmask_looks),
    case("event.mask-is-per-port", &["EVT-14", "EVT-15"], Needs::EVENTS, per_port),
];

/// Stores all hints: bit `port` as `one`, the others as `rest`.
fn hints(bound: &Bound, port: u32, one: bool, rest: bool) {
    for word in 0..16 {
        let mut value = if rest { u64::MAX } else { 0 };
        if port / 64 == word {
            let bit = 1 << (port % 64);
            value = if one { value | bit } else { value & !bit };
        }
        store(&bound.guest.0, 0x100 + word as usize * 8, value);
    }
    full_fence();
}

fn may_drop(ctx: &Ctx) -> Outcome {
    for port in [0, 37, 63] {
        check(raw::reset(ctx.env), "RESET")?;
        let mut bound = raw::attach(ctx.env)?;
        bind_port(&mut bound, port, 0, 0)?;
        let mut position = 0;
        for _ in 0..3 {
            hints(&bound, port, true, false);
            for _ in 0..3 {
                signal(&mut bound, port)?;
            }
            settle(&mut bound)?;
            // It may arrive all the same, once.
            if bound.entry(0, position).is_some() {
                want_entry(&bound, 0, position, port)?;
                position += 1;
                bound.take_until(0, position);
            }
            no_entry(&mut bound, 0, position, "a second untaken entry of one port")?;
            // What was dropped is not owed, and must not keep the port silent.
            hints(&bound, port, false, false);
            signal(&mut bound, port)?;
            want_entry(&bound, 0, position, port)?;
            position += 1;
            bound.take_until(0, position);
        }
    }
    Ok(())
}

fn while_untaken(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bind_port(&mut bound, 12, 0, 1)?;
    signal(&mut bound, 12)?;
    want_entry(&bound, 1, 0, 12)?;
    hints(&bound, 12, true, false);
    signal(&mut bound, 12)?;
    hints(&bound, 12, false, false);
    signal(&mut bound, 12)?;
    no_entry(&mut bound, 1, 1, "a second untaken entry of one port")?;
    want_entry(&bound, 1, 0, 12)?;
    bound.take_until(1, 1);
    signal(&mut bound, 12)?;
    want_entry(&bound, 1, 1, 12)
}

fn other_ports(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let max_ports = raw::record(ctx.env).max_ports.get();
    let mut position = 0;
    for port in [0, 1, 31, 32, 63, 64, 511, 1023] {
        if port < max_ports {
            bind_port(&mut bound, port, 0, 0)?;
            // Every hint but its own.
            hints(&bound, port, false, true);
            signal(&mut bound, port)?;
            want_entry(&bound, 0, position, port)?;
            position += 1;
        }
    }
    // From 1024 on there is none, and the words beyond the hints are something else.
    hints(&bound, 0, true, true);
    for port in [1024, 1025, 1087, 2048] {
        if port < max_ports {
            bind_port(&mut bound, port, 0, 0)?;
            signal(&mut bound, port)?;
            want_entry(&bound, 0, position, port)?;
            position += 1;
        }
    }
    Ok(())
}

fn other_vcpu(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 8, [4, 4])?;
    let other = raw::bind(ctx.env, scratch, shift, 1, 8, [4, 4])?;
    bind_port(&mut bound, 2, 0, 0)?;
    bind_port(&mut bound, 3, 1, 0)?;
    // The hint counts that stands in the area of the vCPU that the port is bound to.
    hints(&bound, 2, false, true);
    hints(&other, 3, false, true);
    signal(&mut bound, 2)?;
    signal(&mut bound, 3)?;
    want_entry(&bound, 0, 0, 2)?;
    want_entry(&other, 0, 0, 3)
}

fn remembers(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let shim = |error| failed("the shim", error);
    // In the first word of hints, and where there are so many ports in the second.
    for port in [1, raw::record(ctx.env).max_ports.get().saturating_sub(1).min(70)] {
        vcpu.bind_port(port, 0, 0).map_err(shim)?;
        // In the ring before it is masked.
        vcpu.signal(port).map_err(shim)?;
        let arrived = wait_until(ctx.env, || vcpu.arm() == Ok(false));
        check(arrived, "a signal has not arrived")?;
        vcpu.mask(port).map_err(shim)?;
        let mut handled = 0;
        vcpu.take_events(|_| handled += 1).map_err(shim)?;
        equal(handled, 0, "a masked port was handled")?;
        check(vcpu.unmask(port).map_err(shim)?, "what was taken while masked is forgotten")?;
        // Once.
        vcpu.mask(port).map_err(shim)?;
        check(!vcpu.unmask(port).map_err(shim)?, "what was remembered is handled twice")?;
    }
    Ok(())
}

fn unmask_looks(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let shim = |error| failed("the shim", error);
    vcpu.bind_port(9, 0, 0).map_err(shim)?;
    // What the port announces: a counter that its sender raises before each signal.
    let mut state = 0u32;
    let mut seen = 0u32;
    for round in 0..12u32 {
        vcpu.mask(9).map_err(shim)?;
        // Before, within and after the time with the hint: the look after the unmasking must see the state.
        if round % 3 != 2 {
            state += 1;
            vcpu.signal(9).map_err(shim)?;
        }
        if round % 3 == 1 {
            vcpu.take_events(|_| ()).map_err(shim)?;
        }
        vcpu.unmask(9).map_err(shim)?;
        // The caller's duty, whatever `unmask` says.
        seen = seen.max(state);
        // From here on events arrive again.
        while vcpu.take_events(|_| ()).map_err(shim)? > 0 {}
        state += 1;
        vcpu.signal(9).map_err(shim)?;
        let mut last = seen;
        wait_until(ctx.env, || {
            while vcpu.take_events(|_| last = state).is_ok_and(|count| count > 0) {}
            last == state
        });
        seen = last;
        equal(u64::from(seen), u64::from(state), "an event after unmasking was lost")?;
    }
    Ok(())
}

fn per_port(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let shim = |error| failed("the shim", error);
    for port in [10, 11, 12] {
        vcpu.bind_port(port, 0, 0).map_err(shim)?;
        vcpu.mask(port).map_err(shim)?;
    }
    // One hint is cleared among others that stay.
    vcpu.unmask(11).map_err(shim)?;
    for port in [10, 11, 12] {
        vcpu.signal(port).map_err(shim)?;
    }
    let mut handled = [0u32; 3];
    wait_until(ctx.env, || {
        let _ = vcpu.take_events(|port| handled[(port as usize).wrapping_sub(10) % 3] += 1);
        handled[1] > 0
    });
    settle_shim(ctx, || {
        let _ = vcpu.take_events(|port| handled[(port as usize).wrapping_sub(10) % 3] += 1);
    });
    check(handled[1] > 0, "an unmasked port among masked ones was not handled")?;
    equal(u64::from(handled[0] + handled[2]), 0, "a masked port was handled")
}

/// Time for what should not happen.
fn settle_shim(ctx: &Ctx, mut look: impl FnMut()) {
    for _ in 0..50 {
        look();
        ctx.env.relax();
    }
}
