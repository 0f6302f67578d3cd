// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tenon-conformance`.

use std::process::ExitCode;
use tenon_conformance_runner::child;
use tenon_host::loopback::Timing;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let host = args.next().unwrap_or_default();
    let timing = if host == "loopback" { Timing::Synchronous } else { Timing::Asynchronous };
    child::run(timing, &args.collect::<Vec<_>>().join(" "))
}
