// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a domain costs that nobody talks to. In a process of its own: its memory is measured.
#![cfg(all(target_os = "linux", feature = "std"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use tenon_host::loopback::{Loopback, Ram, Timing};
use tenon_host::{Conduit, Config};

const DOMAINS: u64 = 256;
/// Bytes that one may have of the process's memory, that of its guest aside.
const MOST: u64 = 256 << 10;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

fn domain() -> (Ram, Loopback<Ram>) {
    let config = Config::new(Conduit::call(true), 4, 1).with_time();
    // The guest's memory, and what of the window nobody has written, is not touched.
    let arena = Ram::new(16 << 20, usize::try_from(config.window_len).unwrap()).unwrap();
    let host = Loopback::new(config, arena.clone(), Timing::Synchronous, Box::new(|_, _| {})).unwrap();
    (arena, host)
}

#[test]
fn an_idle_domain_costs_little() {
    let first = domain();
    let before = resident();
    let domains: Vec<_> = (0..DOMAINS).map(|_| domain()).collect();
    let each = resident().saturating_sub(before) / DOMAINS;
    println!("an idle domain costs {} KiB of resident memory", each >> 10);
    assert!(each <= MOST, "an idle domain costs {each} bytes");
    drop((first, domains));
}
