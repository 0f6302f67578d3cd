// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generations and suspension through the shim.

use super::GENERATION;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check};
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{Features, Granule, PageKind, Status};
use tenon_guest::Error;
use tenon_guest::generation::{Generations, Id};

/// The cases.
pub const CASES: &[Case] = &[
    case("generation.shim-repairs", &["LIFE-6", "LIFE-7"], GENERATION, repairs),
    case("generation.shim-suspension", &["LIFE-9", "LIFE-10"], EVENTS, suspension),
];

const EVENTS: Needs = Needs { features: GENERATION.features.union(Features::EVENTS), ..Needs::NONE };

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

fn repairs(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let mut pages = platform.pages(1 << 16, Granule::K64)?;
    let page = session.page(&vcpu, PageKind::GENERATION, &mut pages).map_err(shim)?;
    let generations = Generations::new(&vcpu, &page).map_err(shim)?;
    let Id([low, high]) = generations.id().map_err(shim)?;
    check(low != 0 && high != 0, "an id that is not random")?;
    let other = generations.repaired(Id([low, !high]));
    check(other == Err(Error::Refused(Status::BAD_STATE)), "REPAIRED with another id")?;
    generations.repaired(Id([low, high])).map_err(shim)?;
    check(generations.id() == Ok(Id([low, high])), "an id that changes by itself")
}

fn suspension(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let unbound = vcpu.suspension().watch(7);
    check(unbound == Err(Error::Refused(Status::NOT_FOUND)), "a port that is not bound")?;
    vcpu.bind_port(7, 0, 0).map_err(shim)?;
    vcpu.suspension().watch(7).map_err(shim)?;
    check(vcpu.suspension().ready() == Err(Error::Refused(Status::BAD_STATE)), "nobody asks")
}
