// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loopback machines: this process is the machine. Its standard output is the serial port, and on standard error the host says how it ended.

use crate::guest::cpu::Cpus;
use crate::guest::memory::GuestMemory;
use crate::guest::{CPUS, Guest};
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use tenon_conformance::Selection;
use tenon_host::loopback::{Act, Loopback, Timing};
use tenon_host::{Action, Conduit, Config, Domain, Memory};

/// What the host's last line on standard error starts with.
pub const END: &str = "~END ";

/// Runs the suite in this process with boot parameters of the form `key=value`.
#[must_use]
pub fn run(timing: Timing, command_line: &str) -> ExitCode {
    match boot(timing, command_line) {
        Ok(guest) => {
            tenon_conformance::run(guest, Selection::of(guest), std::env::consts::ARCH);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tenon-conformance: no loopback machine: {error}");
            ExitCode::from(2)
        }
    }
}

fn boot(timing: Timing, command_line: &str) -> Result<&'static Guest, Box<dyn std::error::Error>> {
    let params: HashMap<_, _> = command_line
        .split_whitespace()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let seed = params.get("seed").and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1);
    let config = Config::new(Conduit::call(timing == Timing::Synchronous), CPUS, seed);
    let memory: &'static _ = Box::leak(Box::new(GuestMemory::new(usize::try_from(config.window_len)?)?));
    let cpus: &'static Cpus = Box::leak(Box::default());
    let host: &'static _ = Box::leak(Box::new(Loopback::new(config, *memory, timing, act(cpus))?));
    Ok(Box::leak(Box::new(Guest::new(host, memory, cpus, params))))
}

/// What a loopback machine does for its host.
pub fn act<M: Memory>(cpus: &'static Cpus) -> Act<M> {
    Box::new(move |domain: &mut Domain<M>, action| match action {
        Action::Upcall { vcpu, vector } | Action::Direct { vcpu, vector, .. } => cpus.inject(vcpu, vector),
        Action::Start { vcpu, entry, argument } => cpus.start(vcpu, entry, argument),
        Action::Stop { vcpu } => {
            let executes = cpus.stop(vcpu);
            if !executes {
                domain.stopped(vcpu);
            }
        }
        Action::Output => {
            domain.take_output();
        }
        Action::Exit { code } => end(&format!("exit={code}")),
        Action::Restart => end("restart"),
        _ => {}
    })
}

/// Ends the machine: neither guest nor host executes anything more.
fn end(how: &str) -> ! {
    // Whoever runs the machine reads this line or has gone.
    let _ = writeln!(std::io::stderr(), "{END}{how}");
    std::process::exit(0)
}
