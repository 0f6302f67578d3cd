// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request that stays in flight: a CONSOLE_READ while there is no input.

use crate::case::{Fail, Outcome};
use crate::cases::tools::{op, status};
use crate::raw::Bound;

/// Leaves a CONSOLE_READ in flight with this id, on a queue of at least two. Input that was there is taken
/// first.
pub(crate) fn hold_read(bound: &mut Bound, id: u16, buffer: u64, len: u64) -> Outcome {
    let other = if id == 0 { 1 } else { 0 };
    for _ in 0..4096 {
        bound.submit(op::CONSOLE_READ, id, [0, buffer, len, 0, 0, 0, 0]);
        // Behind it: a completion that comes first shows that the read was fetched and waits.
        bound.submit(op::NOP, other, [0; 7]);
        bound.kick();
        let done = bound.wait()?;
        if done.id == other {
            return Ok(());
        }
        if done.status != status::OK {
            return Err(Fail::Failed("CONSOLE_READ", u64::from(done.status), 0));
        }
        bound.wait()?;
    }
    Err(Fail::Error("the console's input has no end"))
}

/// Cancels the read with this id and takes both completions, which may come in either order (CALL-22). `id`
/// is not 1.
pub(crate) fn cancel_read(bound: &mut Bound, id: u16) -> Outcome {
    bound.submit(op::CANCEL, 1, [0, u64::from(id), 0, 0, 0, 0, 0]);
    bound.kick();
    let mut seen = [false; 2];
    for _ in 0..2 {
        let done = bound.wait()?;
        let expected = match done.id {
            1 => (status::OK, 1),
            other if other == id => (status::CANCELLED, 0),
            other => return Err(Fail::Failed("a completion for another id", u64::from(other), 0)),
        };
        seen[usize::from(done.id == 1)] = true;
        if (done.status, done.value) != expected {
            return Err(Fail::Failed("CANCEL or what it cancelled", u64::from(done.status), done.value));
        }
    }
    if seen == [true; 2] { Ok(()) } else { Err(Fail::Failed("one request was completed twice", 0, 0)) }
}
