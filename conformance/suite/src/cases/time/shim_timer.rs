// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim's timers, judged by the shim's clock (TIME-11 to TIME-16).

use super::shim::clock;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{case, rest, wait_longer};
use crate::shim::{SuitePlatform, failed};
use tenon_abi::time::NEVER;
use tenon_abi::{Clock as Which, Features, Status};
use tenon_guest::time::{Clock, Processor};
use tenon_guest::{Error, Vcpu};

/// The cases.
pub const CASES: &[Case] = &[
    case("time.shim-no-timer-is-early", &["TIME-11", "TIME-13"], TIMERS, not_early),
    case("time.shim-each-timer-once", &["TIME-13", "TIME-11"], TIMERS, once),
    case("time.shim-cancel", &["TIME-15", "TIME-13"], TIMERS, cancel),
    case("time.shim-deadline-in-the-past", &["TIME-13"], TIMERS, past),
    case("time.shim-deadline-that-never-comes", &["TIME-13", "TIME-15"], TIMERS, never),
    case("time.shim-timer-replaced", &["TIME-12"], TIMERS, replaced),
    case("time.shim-timer-of-no-port", &["TIME-12", "TIME-15", "TIME-2"], TIMERS, no_port),
    case("time.shim-unbind-and-move", &["TIME-16"], TIMERS, moved),
];

const TIMERS: Needs = Needs { features: Features::TIME.union(Features::EVENTS), ..Needs::NONE };
const MS: u64 = 1_000_000;
/// Far beyond what any case takes.
const FAR: u64 = 3_600_000 * MS;

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

type OneVcpu<'p> = Vcpu<'p, SuitePlatform>;

/// Takes events until `port` is among them: how often it was. Which others came before it is an error.
fn taken(ctx: &Ctx, vcpu: &OneVcpu<'_>, port: u32) -> Result<u64, Fail> {
    let (mut seen, mut strange) = (0, None);
    wait_longer(ctx.env, || {
        let _ = vcpu.take_events(|found| {
            if found == port {
                seen += 1;
            } else {
                strange = Some(found);
            }
        });
        seen > 0
    });
    match strange {
        Some(found) => Err(Fail::Failed("an event of another port", u64::from(found), u64::from(port))),
        None => Ok(seen),
    }
}

/// Takes events until `port` is among them, once.
fn want(ctx: &Ctx, vcpu: &OneVcpu<'_>, port: u32) -> Outcome {
    equal(taken(ctx, vcpu, port)?, 1, "events of a timer")
}

/// Nothing comes, even after a while.
fn nothing(ctx: &Ctx, vcpu: &OneVcpu<'_>, until: u64, what: &'static str) -> Outcome {
    let by_call = Clock::by_call(vcpu);
    let mut found = None;
    wait_longer(ctx.env, || {
        let _ = vcpu.take_events(|port| found = Some(port));
        found.is_some() || by_call.running().is_ok_and(|now| now.ns >= until)
    });
    rest(ctx.env);
    let _ = vcpu.take_events(|port| found = Some(port));
    found.map_or(Ok(()), |port| Err(Fail::Failed(what, u64::from(port), 0)))
}

fn running(vcpu: &OneVcpu<'_>) -> Result<u64, Fail> {
    Clock::by_call(vcpu).running().map(|now| now.ns).map_err(shim)
}

fn not_early(ctx: &Ctx) -> Outcome {
    const PORTS: usize = 8;
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let clock: Clock<'_, Processor> = clock(&platform, &session, &vcpu)?;
    for port in 0..PORTS as u32 {
        vcpu.bind_port(port, 0, port & 1).map_err(shim)?;
    }
    // Deadlines that are spread without an order: 7 and 24 have no common factor.
    let mut state = 5_u64;
    for round in 0..4 {
        let which = if round & 1 == 0 { Which::RUNNING } else { Which::BOOT };
        let mut deadlines = [0; PORTS];
        let start = clock.read(which).map_err(shim)?.ns;
        for (port, deadline) in (0..).zip(&mut deadlines) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *deadline = start + (state >> 40) * 12 * MS / (1 << 24);
            vcpu.timers().set(port, which, *deadline, 0).map_err(shim)?;
        }
        let (mut fired, mut early) = ([0_u32; PORTS], None);
        wait_longer(ctx.env, || {
            let _ = vcpu.take_events(|port| {
                let Some(count) = fired.get_mut(port as usize) else { return };
                *count += 1;
                let deadline = deadlines[port as usize];
                match clock.read(which) {
                    Ok(now) if now.reaches(deadline) => {}
                    Ok(now) => early = Some((now.ns, deadline)),
                    Err(_) => early = Some((0, deadline)),
                }
            });
            fired.iter().all(|count| *count > 0)
        });
        if let Some((now, deadline)) = early {
            return Err(Fail::Failed("a timer was early: (now, deadline)", now, deadline));
        }
        check(fired == [1; PORTS], "a timer that did not expire once")?;
    }
    Ok(())
}

fn once(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for port in [1, 2] {
        vcpu.bind_port(port, 0, 0).map_err(shim)?;
    }
    for _ in 0..5 {
        vcpu.timers().set(1, Which::RUNNING, running(&vcpu)? + MS, 0).map_err(shim)?;
        want(ctx, &vcpu, 1)?;
        nothing(ctx, &vcpu, running(&vcpu)? + 3 * MS, "a timer expired twice")?;
        // It is gone: there is nothing to take away.
        equal(u64::from(vcpu.timers().cancel(1).map_err(shim)?), 0, "TIMER_CANCEL of one that expired")?;
    }
    Ok(())
}

fn cancel(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    vcpu.bind_port(3, 0, 0).map_err(shim)?;
    let timers = vcpu.timers();
    equal(u64::from(timers.cancel(3).map_err(shim)?), 0, "TIMER_CANCEL without a timer")?;
    for _ in 0..20 {
        timers.set(3, Which::BOOT, running(&vcpu)? + FAR, 0).map_err(shim)?;
        equal(u64::from(timers.cancel(3).map_err(shim)?), 1, "TIMER_CANCEL of one that waits")?;
        equal(u64::from(timers.cancel(3).map_err(shim)?), 0, "TIMER_CANCEL twice")?;
    }
    // A race that either side may win: cancelled, or raised, and never both.
    for round in 0..20 {
        timers.set(3, Which::RUNNING, running(&vcpu)? + round * MS / 8, 0).map_err(shim)?;
        for _ in 0..round % 4 {
            ctx.env.relax();
        }
        if timers.cancel(3).map_err(shim)? {
            nothing(ctx, &vcpu, running(&vcpu)? + 3 * MS, "a timer expired that was cancelled")?;
        } else {
            want(ctx, &vcpu, 3)?;
        }
    }
    Ok(())
}

fn past(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    vcpu.bind_port(4, 0, 1).map_err(shim)?;
    for which in [Which::RUNNING, Which::BOOT] {
        for deadline in [0, 1, running(&vcpu)?] {
            vcpu.timers().set(4, which, deadline, u64::MAX).map_err(shim)?;
            // It expired before TIMER_SET was completed.
            equal(u64::from(vcpu.timers().cancel(4).map_err(shim)?), 0, "a timer of the past that waits")?;
            want(ctx, &vcpu, 4)?;
        }
    }
    nothing(ctx, &vcpu, running(&vcpu)? + 2 * MS, "a deadline of the past was raised twice")
}

fn never(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for (port, deadline) in [(0, NEVER), (1, NEVER - 1), (2, 1 << 63), (3, i64::MAX as u64)] {
        vcpu.bind_port(port, 0, 0).map_err(shim)?;
        vcpu.timers().set(port, Which::BOOT, deadline, NEVER).map_err(shim)?;
    }
    nothing(ctx, &vcpu, running(&vcpu)? + 5 * MS, "a deadline at the end of time was reached")?;
    for port in 0..4 {
        equal(u64::from(vcpu.timers().cancel(port).map_err(shim)?), 1, "TIMER_CANCEL of one that waits")?;
    }
    Ok(())
}

fn replaced(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    vcpu.bind_port(5, 0, 0).map_err(shim)?;
    let timers = vcpu.timers();
    let now = running(&vcpu)?;
    // A thousand timers of one port are one timer.
    for round in 0..1000 {
        timers.set(5, Which::RUNNING, now + FAR + round * MS, 0).map_err(shim)?;
    }
    timers.set(5, Which::RUNNING, running(&vcpu)? + 2 * MS, 0).map_err(shim)?;
    want(ctx, &vcpu, 5)?;
    // One that is put off, if that comes before it expires.
    timers.set(5, Which::RUNNING, running(&vcpu)? + 500 * MS, 0).map_err(shim)?;
    timers.set(5, Which::RUNNING, running(&vcpu)? + FAR, 0).map_err(shim)?;
    nothing(ctx, &vcpu, running(&vcpu)? + 3 * MS, "a timer expired that was replaced")?;
    equal(u64::from(timers.cancel(5).map_err(shim)?), 1, "TIMER_CANCEL of the last one")
}

fn no_port(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let timers = vcpu.timers();
    let not_found = Err(Error::Refused(Status::NOT_FOUND));
    check(timers.set(6, Which::BOOT, 0, 0) == not_found, "a timer of a port that is not bound")?;
    check(timers.cancel(6) == not_found.map(|()| false), "TIMER_CANCEL of a port that is not bound")?;
    vcpu.bind_port(6, 0, 0).map_err(shim)?;
    for clock in [3, 4, 0xff, u16::MAX] {
        let refused = timers.set(6, Which(clock), 0, 0) == Err(Error::Refused(Status::BAD_ARGUMENT));
        check(refused, "a timer of a clock that there is not")?;
    }
    let beyond = session.found().record().max_ports.get();
    for port in [beyond, u32::MAX] {
        let set = timers.set(port, Which::BOOT, 0, 0);
        check(matches!(set, Err(Error::Refused(_))), "a timer of a port that there is not")?;
    }
    nothing(ctx, &vcpu, running(&vcpu)? + MS, "what was refused raised something")
}

fn moved(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let timers = vcpu.timers();
    vcpu.bind_port(7, 0, 0).map_err(shim)?;
    timers.set(7, Which::RUNNING, running(&vcpu)? + FAR, 0).map_err(shim)?;
    vcpu.move_port(7, 0, 1).map_err(shim)?;
    equal(u64::from(timers.cancel(7).map_err(shim)?), 1, "a timer that moved with its port")?;
    timers.set(7, Which::RUNNING, running(&vcpu)? + FAR, 0).map_err(shim)?;
    vcpu.unbind_port(7).map_err(shim)?;
    vcpu.bind_port(7, 0, 0).map_err(shim)?;
    equal(u64::from(timers.cancel(7).map_err(shim)?), 0, "a timer that was left from an earlier binding")?;
    timers.set(7, Which::RUNNING, running(&vcpu)? + 2 * MS, 0).map_err(shim)?;
    vcpu.move_port(7, 0, 1).map_err(shim)?;
    // A timer that expired before the move has its port raised in both rings (EVT-17).
    let seen = taken(ctx, &vcpu, 7)?;
    check((1..=2).contains(&seen), "a timer that moved with its port is raised, at most once in each ring")
}
