// SPDX-License-Identifier: MIT OR Apache-2.0
//! What callgrind watches: so many calls, or batches, of one operation in one process. `instructions
//! nop|query|signal call|batch1|batch32 COUNT`, or `instructions disk call|batch32 COUNT`
//!
//! The measured functions are `tenon_benches::process::{guest_call, guest_batch, host_kick}` and
//! `tenon_benches::disk::{guest_reads, disk_host_kick}`; their
//! instructions are counted by callgrind's `--toggle-collect`, in two runs of different COUNT whose
//! difference is free of the first calls' peculiarities.

use std::process::ExitCode;

use tenon_abi::{Op, Status};
use tenon_benches::disk;
use tenon_benches::process::{Kernel, guest_batch, guest_call, with_vcpu};
use tenon_guest::Error;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [operation, what, count] = words.as_slice() else { return usage() };
    let Ok(count) = count.parse::<u64>() else { return usage() };
    let result = match operation.as_str() {
        "nop" => measure::<{ Op::NOP.0 }>(what, count, 1),
        "query" => measure::<{ Op::REGION_QUERY.0 }>(what, count, 0),
        "signal" => measure::<{ Op::EVENT_SIGNAL.0 }>(what, count, 0),
        "disk" if what == "call" => disk::repeat::<1>(count).map(|()| true),
        "disk" if what == "batch32" => disk::repeat::<32>(count).map(|()| true),
        _ => return usage(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => usage(),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// `false`: there is no such mode.
fn measure<const OP: u16>(what: &str, count: u64, step: u64) -> Result<bool, String> {
    match what {
        "call" => repeat::<1>(count, step, |vcpu, argument, [result]| {
            *result = Ok(guest_call::<OP>(vcpu, argument)?);
            Ok(())
        })?,
        "batch1" => repeat::<1>(count, step, |vcpu, argument, results| {
            guest_batch::<OP>(vcpu, (argument, step), results)
        })?,
        "batch32" => repeat::<32>(count, step, |vcpu, argument, results| {
            guest_batch::<OP>(vcpu, (argument, step), results)
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

type Vcpu<'p> = tenon_guest::Vcpu<'p, Kernel>;

/// Runs `measured` so many times. With a step each round has another argument, and each call answers with its
/// own, as NOP does; without, each argument is 0, and all answers are alike.
fn repeat<const N: usize>(
    count: u64,
    step: u64,
    measured: impl Fn(&Vcpu<'_>, u64, &mut [Result<u64, Status>; N]) -> Result<(), Error>,
) -> Result<(), String> {
    with_vcpu(|vcpu| {
        // What EVENT_SIGNAL raises: its first entry is never taken, so that further ones find it there.
        vcpu.call(Op::EVENT_BIND, [0, 0, 0])?;
        let length = vcpu.call(Op::REGION_QUERY, [0])?;
        for round in 0..count {
            let mut results = [Err(Status::INDETERMINATE); N];
            measured(vcpu, round.wrapping_mul(step), &mut results)?;
            for (index, result) in (0..).zip(results) {
                let value = result.map_err(Error::Refused)?;
                let right = if step == 0 { value == length || value == 0 } else { value == round + index };
                assert!(right, "call {index} of round {round} answers {value}");
            }
        }
        Ok(())
    })
}

fn usage() -> ExitCode {
    eprintln!("usage: instructions nop|query|signal call|batch1|batch32 COUNT, or disk call|batch32 COUNT");
    ExitCode::from(2)
}
