// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meter through the shim.

use super::METER;
use crate::case::{Case, Ctx, Fail, Outcome, check, equal};
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{Granule, Meter, Op, Status};
use tenon_guest::{Buffer, Error};

/// The cases.
pub const CASES: &[Case] = &[
    case("meter.shim-reads", &["MET-1", "MET-2"], METER, reads),
    case("meter.shim-pieces", &["MET-1", "MET-2"], METER, pieces),
    case("meter.shim-counts", &["MET-5"], METER, counts),
    case("meter.shim-refusals", &["MET-3"], METER, refusals),
];

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

fn reads(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let buffer = Buffer::new(platform.pages(4096, Granule::K64)?);
    let mut reading = vcpu.meter().read(0, &buffer).map_err(shim)?;
    check(reading.epoch() != 0, "an epoch of zero")?;
    let calls = reading.find(|(number, _)| *number == Meter::CALLS);
    check(calls.is_some_and(|(_, count)| count >= 1), "METER_READ counts itself")
}

/// With a buffer for two rows.
fn pieces(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let whole = Buffer::new(platform.pages(4096, Granule::K64)?);
    let part = Buffer::new(platform.pages(40, Granule::K64)?);
    let expected = vcpu.meter().read(0, &whole).map_err(shim)?.count();
    let (mut next, mut seen) = (Some(0), 0);
    for _ in 0..=expected {
        let Some(first) = next else { break };
        let mut reading = vcpu.meter().read(first, &part).map_err(shim)?;
        seen += reading.by_ref().count();
        next = reading.next_first();
    }
    equal(seen as u64, expected as u64, "rows in pieces")
}

fn counts(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let buffer = Buffer::new(platform.pages(4096, Granule::K64)?);
    let missing = Fail::Failed("no row of calls", 0, 0);
    let get = || vcpu.meter().get(Meter::CALLS, &buffer).map_err(shim)?.ok_or(missing);
    let before = get()?;
    for value in 0..30 {
        equal(vcpu.call(Op::NOP, [value]).map_err(shim)?, value, "NOP's value")?;
    }
    let more = get()?.since(before).ok_or(Fail::Failed("another epoch, or a count that fell", 0, 0))?;
    equal(more, 31, "calls")?;
    let none = vcpu.meter().get(Meter(0xffff_fff0), &buffer).map_err(shim)?;
    check(none.is_none(), "a row of a number that nobody knows")
}

fn refusals(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let short = Buffer::new(platform.pages(16, Granule::K64)?);
    let refused = Err(Error::Refused(Status::BAD_ARGUMENT));
    check(vcpu.meter().read(0, &short).map(|_| ()) == refused, "a buffer without room for a row")
}
