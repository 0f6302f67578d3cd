// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest gives leaves the process, comes back as zeros, and is counted the same by the guest, the host
//! and the kernel (MEM-4 to MEM-7). Memory is added while the guest runs (MEM-3).
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use kvm_tools::{Text, vmm};
use tenon_guest_images::CONFORMANCE;
use tenon_host::kvm::{Handle, VmmConfig};

/// The tests see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}

const MIB: u64 = 1 << 20;
/// What the guest has, what it touches, and what it is to give of that.
const MEMORY: u64 = 256 * MIB;
const TOUCHED: u64 = 128 * MIB;
const GIVEN: u64 = 64 * MIB;
/// Memory that is added.
const ADDED: u64 = 4 * MIB;
/// A guest follows within 10 s (MEM-4): so long on a computer that has nothing else to do, and several times
/// as long on a busy one.
const PATIENCE: Duration = Duration::from_secs(100);

/// Bytes of this process that are in memory and have no file.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Waits for a line of the guest's.
fn wait(text: &Text, line: &str) {
    let begun = Instant::now();
    while !text.get().contains(line) {
        assert!(begun.elapsed() < PATIENCE, "no `{line}`:\n{}", text.get());
        assert!(!text.get().contains("balloon failed"), "{}", text.get());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Has the guest have so many bytes, and waits until it says so.
fn follow(handle: &Handle, text: &Text, target: u64, given: u64) -> Duration {
    let begun = Instant::now();
    handle.set_memory_target(Some(target));
    wait(text, &format!("balloon memory={MEMORY} target={target} given={given} zeros=1"));
    let took = begun.elapsed();
    let stats = handle.memory_stats().unwrap();
    assert_eq!((stats.memory, stats.given, stats.target), (MEMORY, given, target));
    took
}

#[test]
fn resident_memory_follows_what_is_given() {
    let text = Text::default();
    let config = VmmConfig {
        memory: usize::try_from(MEMORY).unwrap(),
        room: usize::try_from(ADDED).unwrap(),
        limit: 4 * PATIENCE,
        console: Box::new(|_| Vec::new()),
        serial: Box::new(text.clone()),
        ..VmmConfig::default()
    };
    let Some(vmm) = vmm("resident_memory_follows_what_is_given", config) else { return };
    let handle = vmm.handle();
    let machine = thread::spawn(move || {
        let line = format!("serial=burst mode=native balloon={} millis=300000", TOUCHED / MIB);
        vmm.run(CONFORMANCE.bytes, &line)
    });
    wait(&text, "balloon ready");
    let before = resident();
    assert!(before >= TOUCHED, "{before} bytes are resident, of {TOUCHED} that the guest touched");
    let gave = follow(&handle, &text, MEMORY - GIVEN, GIVEN);
    let less = before.saturating_sub(resident());
    println!("given {GIVEN} bytes in {gave:?}: {less} bytes fewer are resident");
    assert!(less.abs_diff(GIVEN) <= GIVEN / 20, "{less} bytes fewer are resident, of {GIVEN} that are given");
    // The guest reads all of it when it has it again: that is when it comes back, as zeros.
    let took = follow(&handle, &text, MEMORY, 0);
    println!("taken again in {took:?}, as zeros");
    // Memory is added in a hole, and the guest told: it is to have that too.
    handle.set_memory_target(None);
    handle.add_memory(ADDED).unwrap();
    let more = MEMORY + ADDED;
    wait(&text, &format!("balloon memory={more} target={more} given=0"));
    assert!(handle.add_memory(ADDED).is_err(), "there is no more room");
    handle.end();
    machine.join().unwrap().unwrap();
}
