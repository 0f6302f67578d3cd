// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls, through the shim.

use crate::case::{Case, Ctx, Needs, Outcome, equal};
use crate::shim::{SuitePlatform, failed};
use tenon_abi::Op;

/// The cases.
pub const CASES: &[Case] = &[Case {
    name: "call.nop",
    clauses: &["CALL-2", "CALL-3", "CALL-20"],
    needs: Needs::NONE,
    ends: None,
    run: nop,
}];

fn nop(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    for value in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
        let found = vcpu.call(Op::NOP, [value]).map_err(|error| failed("NOP", error))?;
        equal(found, value, "NOP's value")?;
    }
    Ok(())
}
