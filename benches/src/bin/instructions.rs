// SPDX-License-Identifier: MIT OR Apache-2.0
//! What callgrind watches: so many calls, or batches, of NOPs in one process. `instructions
//! call|batch1|batch32 COUNT`
//!
//! The measured functions are `tenon_benches::process::{guest_call, guest_batch, host_kick}`; their
//! instructions are counted by callgrind's `--toggle-collect`, in two runs of different COUNT whose
//! difference is free of the first calls' peculiarities.

use std::process::ExitCode;

use tenon_abi::Status;
use tenon_benches::process::{Kernel, guest_batch, guest_call, with_vcpu};
use tenon_guest::Error;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, count] = words.as_slice() else { return usage() };
    let Ok(count) = count.parse::<u64>() else { return usage() };
    let result = match what.as_str() {
        "call" => repeat::<1>(count, |vcpu, value, [result]| {
            *result = Ok(guest_call(vcpu, value)?);
            Ok(())
        }),
        "batch1" => repeat::<1>(count, |vcpu, value, results| guest_batch(vcpu, value, results)),
        "batch32" => repeat::<32>(count, |vcpu, value, results| guest_batch(vcpu, value, results)),
        _ => return usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

type Vcpu<'p> = tenon_guest::Vcpu<'p, Kernel>;

/// Runs `measured` with another value each time and checks that each NOP answered with its own.
fn repeat<const N: usize>(
    count: u64,
    measured: impl Fn(&Vcpu<'_>, u64, &mut [Result<u64, Status>; N]) -> Result<(), Error>,
) -> Result<(), String> {
    with_vcpu(|vcpu| {
        for value in 0..count {
            let mut results = [Err(Status::INDETERMINATE); N];
            measured(vcpu, value, &mut results)?;
            for (expected, result) in (value..).zip(results) {
                assert_eq!(result, Ok(expected), "a NOP answers with its argument");
            }
        }
        Ok(())
    })
}

fn usage() -> ExitCode {
    eprintln!("usage: instructions call|batch1|batch32 COUNT");
    ExitCode::from(2)
}
