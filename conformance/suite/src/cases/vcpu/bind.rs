// SPDX-License-Identifier: MIT OR Apache-2.0
//! BIND and the two areas, by hand (VCPU-1 to VCPU-4, VCPU-7).

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{bind_port, case, emergency, expect, op, settle, signal, status, want_entry};
use crate::kit;
use crate::raw::{self, Bound, Control, load};

/// The cases.
pub const CASES: &[Case] = &[
    case("vcpu.bind-out-of-range", &["VCPU-1"], Needs::NONE, out_of_range),
    case("vcpu.bind-twice", &["VCPU-1"], Needs::NONE, twice),
    case("vcpu.bind-another", &["VCPU-1", "VCPU-7"], TWO, another),
    case("vcpu.bind-bad-sizes", &["VCPU-2", "EVT-2"], Needs::EVENTS, bad_sizes),
    case("vcpu.bind-smallest-and-largest", &["VCPU-2", "VCPU-4"], Needs::NONE, extremes),
    case("vcpu.guest-area-misplaced", &["VCPU-3", "GEN-4"], Needs::NONE, misplaced),
    case("vcpu.area-offsets", &["VCPU-3", "VCPU-4"], Needs::EVENTS, offsets),
    case("vcpu.host-area-cleared", &["VCPU-4", "CALL-15", "EVT-20", "SES-2"], Needs::EVENTS, cleared),
    case("vcpu.window-room", &["VCPU-4"], WINDOW, window_room),
    case("vcpu.queue-numbers", &["VCPU-7", "CALL-23"], TWO, queue_numbers),
];

const TWO: Needs = Needs { vcpus: 2, ..Needs::NONE };
const WINDOW: Needs = Needs { features: tenon_abi::Features::WINDOW, ..Needs::NONE };

/// An open session to send BINDs in, with pages for areas of the usual sizes.
struct Binder {
    env: &'static dyn crate::env::Env,
    scratch: (tenon_rings::Mapping, u64),
    shift: u32,
    guest: u64,
    host: u64,
}

impl Binder {
    fn open(ctx: &Ctx) -> Result<Self, Fail> {
        let (scratch, shift) = raw::open(ctx.env)?;
        let (_, guest) = raw::pages(ctx.env, 1 << 14, 1 << shift)?;
        let in_window = raw::record(ctx.env).active_features.get() & 1 != 0;
        let host = if in_window { 0 } else { raw::pages(ctx.env, 1 << 17, 1 << shift)?.1 };
        Ok(Self { env: ctx.env, scratch, shift, guest, host })
    }

    fn request(&self, vcpu: u32, depth: u32, events: [u32; 2]) -> Control {
        let mut request = Control::bind(self.env, vcpu, depth, events, self.guest);
        request.0[8] = self.host;
        request
    }

    fn expect(&self, request: Control, status: u16, what: &'static str) -> Outcome {
        match request.send(self.env, &self.scratch.0, self.scratch.1, self.shift) {
            Some((found, _)) => equal(u64::from(found), u64::from(status), what),
            None => Err(Fail::Failed("BIND not answered", 0, 0)),
        }
    }

    /// After refusals, the vCPU can be bound and works.
    fn works(&self) -> Outcome {
        let mut bound = raw::bind(self.env, self.scratch, self.shift, 0, 8, [4, 4])?;
        settle(&mut bound)
    }
}

fn out_of_range(ctx: &Ctx) -> Outcome {
    let binder = Binder::open(ctx)?;
    let max_vcpus = raw::record(ctx.env).max_vcpus.get();
    for vcpu in [max_vcpus, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let request = binder.request(vcpu, 8, [4, 4]);
        binder.expect(request, status::BAD_ARGUMENT, "a vCPU at or above max_vcpus")?;
    }
    binder.works()
}

fn twice(ctx: &Ctx) -> Outcome {
    let binder = Binder::open(ctx)?;
    let mut bound = raw::bind(ctx.env, binder.scratch, binder.shift, 0, 8, [4, 4])?;
    settle(&mut bound)?;
    for depth in [8, 16] {
        binder.expect(binder.request(0, depth, [4, 4]), status::EXISTS, "a vCPU bound twice")?;
    }
    // It goes on where it was: neither its areas nor its positions have changed.
    settle(&mut bound)
}

fn another(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    // The other one first: nothing says that vCPU 0 comes first.
    let mut other = raw::bind(ctx.env, scratch, shift, 1, 16, [4, 4])?;
    settle(&mut other)?;
    let mut bound = raw::bind(ctx.env, scratch, shift, 0, 8, [4, 4])?;
    settle(&mut bound)?;
    // Areas are memory: whoever knows them can use the queue.
    for value in 0..20 {
        for bound in [&mut bound, &mut other] {
            let found = expect(bound, op::NOP, &[value], status::OK, "NOP")?;
            equal(found, value, "NOP's value")?;
        }
    }
    Ok(())
}

fn bad_sizes(ctx: &Ctx) -> Outcome {
    let binder = Binder::open(ctx)?;
    let record = raw::record(ctx.env);
    let (depth, events) = (record.max_depth.get(), record.max_events.get());
    for bad in [0, 3, 63, 65, depth + 1, depth * 2, 8192, 1 << 31, u32::MAX] {
        binder.expect(binder.request(0, bad, [4, 4]), status::BAD_ARGUMENT, "a depth")?;
    }
    for bad in [0, 3, 255, events + 1, events * 2, 1 << 17, 1 << 31, u32::MAX] {
        binder.expect(binder.request(0, 8, [bad, 4]), status::BAD_ARGUMENT, "a size of ring 0")?;
        binder.expect(binder.request(0, 8, [4, bad]), status::BAD_ARGUMENT, "a size of ring 1")?;
    }
    binder.works()
}

fn extremes(ctx: &Ctx) -> Outcome {
    let record = raw::record(ctx.env);
    for (depth, events) in [(1, [1, 1]), (2, [1, 2]), (record.max_depth.get(), [1, 1])] {
        check(raw::reset(ctx.env), "RESET")?;
        let mut bound = match raw::attach_with(ctx.env, depth, events) {
            // The window need not have room for the largest queue.
            Err(Fail::Failed(_, 7, 0)) if depth > 64 => continue,
            result => result?,
        };
        // One lap and a bit of the small ones.
        for value in 0..5 {
            let found = expect(&mut bound, op::NOP, &[value], status::OK, "NOP")?;
            equal(found, value, "NOP's value")?;
        }
    }
    Ok(())
}

fn misplaced(ctx: &Ctx) -> Outcome {
    let mut binder = Binder::open(ctx)?;
    let good = binder.guest;
    let granule = 1 << binder.shift;
    for (guest, what) in
        [(good + 8, "8 bytes off"), (good + granule / 2, "half a granule off"), (good + 1, "odd")]
    {
        binder.guest = guest;
        binder.expect(binder.request(0, 8, [4, 4]), status::BAD_ALIGNMENT, what)?;
    }
    // Not in region 0, not inside it, or only with its first bytes: refused, whatever the reason is called.
    let end = raw::record(ctx.env).region0_len.get();
    let last = (end - 1) & !(granule - 1);
    let depth = raw::record(ctx.env).max_depth.get();
    for (guest, depth, what) in [
        (good | (1 << 48), 8, "an area in region 1"),
        (good | (0xffff << 48), 8, "an area in region 65535"),
        (end.next_multiple_of(granule), 8, "an area behind region 0"),
        ((1 << 48) - granule, 8, "an area at the end of all offsets"),
        (last, depth, "an area across the end of region 0"),
    ] {
        // The last granule may be large enough for the whole area.
        if guest == last && 0x200 + u64::from(depth) * 64 <= end - last {
            continue;
        }
        binder.guest = guest;
        let request = binder.request(0, depth, [1, 1]);
        match request.send(ctx.env, &binder.scratch.0, binder.scratch.1, binder.shift) {
            Some((0, _)) => return Err(Fail::Failed(what, guest, 0)),
            Some(_) => {}
            None => return Err(Fail::Failed("BIND not answered", guest, 0)),
        }
    }
    binder.works()
}

/// Whatever the sizes, parts lie where the tables say: every ring is raised in, both queues are used.
fn offsets(ctx: &Ctx) -> Outcome {
    let max_ports = raw::record(ctx.env).max_ports.get();
    for (depth, events) in [(1, [1, 1]), (2, [2, 8]), (4, [8, 1]), (8, [16, 4]), (64, [4, 32])] {
        check(raw::reset(ctx.env), "RESET")?;
        let mut bound = raw::attach_with(ctx.env, depth, events)?;
        let ports = [max_ports - 1, 0];
        for (class, port) in (0u32..).zip(ports) {
            bind_port(&mut bound, port, 0, class)?;
            for position in 0..events[class as usize] + 1 {
                signal(&mut bound, port)?;
                want_entry(&bound, class as usize, position, port)?;
                // TAKEN0 or TAKEN1: what is not read there stops the ring.
                bound.take_until(class as usize, position + 1);
            }
        }
        let done = emergency(&bound, 0, op::NOP, [0, 77, 0, 0, 0, 0, 0])?;
        equal(done.value, 77, "NOP's value in the emergency lane")?;
        settle(&mut bound)?;
    }
    Ok(())
}

fn cleared(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    // Twice, so that the second session finds what the first has left.
    for _ in 0..2 {
        check(raw::reset(ctx.env), "RESET")?;
        let mut bound = raw::attach_with(ctx.env, 4, [2, 2])?;
        for (at, what) in [
            (0x00, "the state word of the call queue"),
            (0x08, "the state word of the emergency lane"),
            (0x10, "the state word of ring 0"),
            (0x18, "the state word of ring 1"),
        ] {
            equal(load(&bound.host, at), 1, what)?;
        }
        // The lane, the completions, the rings.
        for at in (0x40..0x140).step_by(8) {
            equal(load(&bound.host, at), 0, "a word of the host-written area after BIND")?;
        }
        bind_port(&mut bound, 0, 0, 0)?;
        bind_port(&mut bound, 1, 0, 1)?;
        signal(&mut bound, 0)?;
        signal(&mut bound, 1)?;
        want_entry(&bound, 1, 0, 1)?;
    }
    Ok(())
}

fn window_room(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let record = raw::record(ctx.env);
    let events = record.max_events.get();
    let len = (0x80 + 16u64).next_multiple_of(64) + 2 * (u64::from(events) * 8).next_multiple_of(64);
    let mut last: Option<u64> = None;
    let mut refused = None;
    for vcpu in 0..record.max_vcpus.get().min(64) {
        let (_, guest) = raw::pages(ctx.env, 1 << 12, 1 << shift)?;
        let request = Control::bind(ctx.env, vcpu, 1, [events, events], guest);
        match request.send(ctx.env, &scratch.0, scratch.1, shift) {
            Some((0, at)) => {
                check(at % (1 << shift) == 0, "a host-written area is not aligned to the granule")?;
                check(at >= 256, "a host-written area overlaps the record")?;
                let inside = at.checked_add(len).is_some_and(|end| end <= record.window_len.get());
                check(inside, "a host-written area lies outside the window")?;
                let apart = last.is_none_or(|last| last.abs_diff(at) >= len);
                check(apart, "two host-written areas overlap")?;
                last = Some(at);
            }
            Some((status::NO_CAPACITY, value)) => {
                equal(value, 0, "a value with NO_CAPACITY")?;
                refused = Some(vcpu);
                break;
            }
            Some((other, _)) => return Err(Fail::Failed("BIND of the largest rings", u64::from(other), 7)),
            None => return Err(Fail::Failed("BIND not answered", 0, 0)),
        }
    }
    let Some(vcpu) = refused else { return Ok(()) };
    // Refused for want of room, the vCPU is not bound: a smaller area is.
    let mut bound: Bound = match raw::bind(ctx.env, scratch, shift, vcpu, 1, [1, 1]) {
        Err(Fail::Failed(_, 7, 0)) => return Ok(()),
        result => result?,
    };
    settle(&mut bound)
}

fn queue_numbers(ctx: &Ctx) -> Outcome {
    let (scratch, shift) = raw::open(ctx.env)?;
    let mut one = raw::bind(ctx.env, scratch, shift, 0, 4, [4, 4])?;
    let mut two = raw::bind(ctx.env, scratch, shift, 1, 4, [4, 4])?;
    // Nothing is in the other queues when one is kicked: whoever serves another one finds nothing.
    for round in 0..6 {
        let lane = emergency(&two, round, op::NOP, [0, 3, 0, 0, 0, 0, 0])?;
        equal(lane.value, 3, "NOP's value from queue 3")?;
        equal(expect(&mut two, op::NOP, &[2], status::OK, "NOP")?, 2, "NOP's value from queue 2")?;
        let lane = emergency(&one, round, op::NOP, [0, 1, 0, 0, 0, 0, 0])?;
        equal(lane.value, 1, "NOP's value from queue 1")?;
        equal(expect(&mut one, op::NOP, &[9], status::OK, "NOP")?, 9, "NOP's value from queue 0")?;
    }
    Ok(())
}
