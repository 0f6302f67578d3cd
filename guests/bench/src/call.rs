// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and their doorbells (CALL-24).

use crate::number;
use crate::platform::{Bench, out, shared};
use crate::time::{in_turns, pause, timed};
use core::hint::spin_loop;
use core::sync::atomic::Ordering;
use tenon_abi::{Op, Status, Submission};
use tenon_guest::{Error, Vcpu};

const BATCH: usize = 32;
/// Operations of a block.
const BLOCK: u64 = 8;
/// More than whoever waits for a doorbell needs to go back to sleep.
const BACK_TO_SLEEP: u64 = 200_000;
/// Looks at memory before a doorbell counts as lost.
const PATIENCE: u64 = 100_000_000;

fn nop(value: u64) -> Submission {
    Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])
}

/// Calls and batches and nothing else: the monitor counts what leaves the guest until it ends.
pub(crate) fn exits(vcpu: &Vcpu<'_, Bench>) -> Result<(), Error> {
    for round in 0..number("calls") {
        if vcpu.call(Op::NOP, [round])? != round {
            return Err(Error::NotPresent);
        }
    }
    for _ in 0..number("batches") {
        let mut results = [Err(Status::INDETERMINATE); BATCH];
        vcpu.call_all(&mut results, |index| nop(index as u64))?;
        if results.iter().zip(0..).any(|(result, value)| *result != Ok(value)) {
            return Err(Error::NotPresent);
        }
    }
    Ok(())
}

/// A call against a bare exit.
pub(crate) fn times(vcpu: &Vcpu<'_, Bench>) -> Result<(), Error> {
    let bare = number("bare") as u16;
    let call = || {
        let (time, result) = timed(|| vcpu.call(Op::NOP, [1]));
        result.map(|_| time)
    };
    in_turns(number("rounds"), BLOCK, call, || Ok(timed(|| out(bare, 1)).0))
}

/// A submission and its doorbell, which does not leave the guest, against a bare doorbell of the same kind.
/// Only the ringing is timed; before the next one, whoever was rung for has answered and gone back to sleep.
pub(crate) fn doorbells(vcpu: &Vcpu<'_, Bench>) -> Result<(), Error> {
    let bare = number("bare") as u16;
    let [answers, _] = shared(number("control") as u16)?;
    let ours = || {
        let (time, request) = timed(|| vcpu.request(nop(1)));
        request?.wait()?;
        pause(BACK_TO_SLEEP);
        Ok(time)
    };
    let theirs = || {
        let before = answers.load(Ordering::Acquire);
        let (time, ()) = timed(|| out(bare, 1));
        let mut looks = 0;
        while answers.load(Ordering::Acquire) == before {
            looks += 1;
            if looks == PATIENCE {
                return Err(Error::Pending);
            }
            spin_loop();
        }
        pause(BACK_TO_SLEEP);
        Ok(time)
    };
    in_turns(number("rounds"), BLOCK, ours, theirs)
}
