// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console through the shim.

use super::OWN_INPUT;
use crate::case::{Ctx, Fail, Outcome, check, equal};
use crate::cases::tools::wait_until;
use crate::shim::{SuitePlatform, failed};
use core::fmt::Write as _;
use tenon_abi::Status;
use tenon_guest::{Buffer, Error};

fn shim(error: Error) -> Fail {
    failed("the shim", error)
}

pub(super) fn shim_writes(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let text = b"tenon conformance console write through the shim, longer than one call\n";
    // Room may run out; then fewer are taken, from the front.
    let mut done = 0;
    wait_until(ctx.env, || {
        done += vcpu.console().write(&text[done..]).unwrap_or(0).min(text.len() - done);
        done == text.len()
    });
    equal(done as u64, text.len() as u64, "bytes written")?;
    check(writeln!(vcpu.console(), "formatted {:#x}", 48).is_ok(), "the console as a sink of text")?;
    let buffer = Buffer::new(platform.pages(4096, session.granule())?);
    check(buffer.write(0, b"by range\n"), "the buffer")?;
    equal(vcpu.console().write_buffer(&buffer, 9).map_err(shim)? as u64, 9, "bytes written by range")?;
    check(vcpu.console().write_buffer(&buffer, 5000) == Err(Error::TooLong), "more than the buffer holds")
}

pub(super) fn shim_reads(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let buffer = Buffer::new(platform.pages(4096, session.granule())?);
    let read = vcpu.console().read(buffer).map_err(shim)?;
    equal(vcpu.call(tenon_abi::Op::NOP, [6]).map_err(shim)?, 6, "NOP's value beside a read")?;
    equal(vcpu.in_flight() as u64, 1, "requests in flight")?;
    if !read.cancel().map_err(shim)? {
        return Err(OWN_INPUT);
    }
    match read.wait() {
        Err((Error::Refused(Status::CANCELLED), Err(buffer))) => {
            equal(buffer.len() as u64, 4096, "the buffer")?
        }
        _ => return Err(Fail::Failed("a read that was cancelled has not ended with CANCELLED", 0, 0)),
    }
    equal(vcpu.in_flight() as u64, 0, "requests in flight")?;
    // One that is dropped is given up: its id is out of use, the queue is not.
    drop(vcpu.console().read(Buffer::new(platform.pages(4096, session.granule())?)).map_err(shim)?);
    equal(vcpu.quarantined().map_err(shim)? as u64, 1, "requests that were given up")?;
    for value in 0..70 {
        equal(vcpu.call(tenon_abi::Op::NOP, [value]).map_err(shim)?, value, "NOP's value")?;
    }
    Ok(())
}
