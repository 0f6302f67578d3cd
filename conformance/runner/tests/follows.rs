// SPDX-License-Identifier: MIT OR Apache-2.0
//! How soon the suite's guest follows what its host wants of its memory (MEM-4): it looks within 1 s, and is
//! through within 10 s, of a machine as slow as this one.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::expect_used, reason = "a test")]

use std::io::{self, Write};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tenon_abi::Meter;
use tenon_conformance_runner::slowness::is_over;
use tenon_guest_images::CONFORMANCE;
use tenon_host::kvm::{Handle, Vmm, VmmConfig};

const MIB: u64 = 1 << 20;
const MEMORY: u64 = 128 * MIB;
/// What the guest touches first, and what it is to give of that.
const TOUCHED: u64 = 64 * MIB;
const GIVEN: u64 = 32 * MIB;
/// MEM-4.
const LOOKS: Duration = Duration::from_secs(1);
const FOLLOWS: Duration = Duration::from_secs(10);
/// The guest boots and touches its memory.
const BOOTS: Duration = Duration::from_secs(60);

/// What the guest says when it watches.
const READY: &[u8] = b"balloon ready";

/// Passes on what a guest says.
struct Serial(Sender<Vec<u8>>);

impl Write for Serial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When the test is over nobody listens any more.
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until it is so; how long that took.
fn within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            !is_over(begun, patience),
            "{what}: not within {patience:?}, and not as slowly as this machine"
        );
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

fn calls(handle: &Handle) -> u64 {
    handle.counted().expect("nobody holds it").get(Meter::CALLS)
}

/// Has the guest have less or more, and waits until it does.
fn follow(handle: &Handle, given: u64) {
    let before = calls(handle);
    handle.set_memory_target(Some(MEMORY - given));
    let looks = within(LOOKS, "the guest's look", || calls(handle) > before);
    let stats = || handle.memory_stats().expect("nobody holds it");
    let follows = within(FOLLOWS, "what the host wants", || stats().given == given);
    println!("given {given} bytes: looked within {looks:?}, through {follows:?} later");
}

#[test]
fn a_guest_looks_within_a_second_and_follows_within_ten() {
    let name = "a_guest_looks_within_a_second_and_follows_within_ten";
    let ((serial, said), mut text) = (channel(), Vec::new());
    let config = VmmConfig {
        memory: usize::try_from(MEMORY).expect("64 bits"),
        limit: 40 * BOOTS,
        console: Box::new(|_| Vec::new()),
        serial: Box::new(Serial(serial)),
        ..VmmConfig::default()
    };
    let vmm = match Vmm::new(config) {
        Ok(vmm) => vmm,
        Err(why) => return println!("skipped: {name}: {why}"),
    };
    let handle = vmm.handle();
    let machine = thread::spawn(move || {
        let line = format!("serial=burst mode=native balloon={} millis=2000000", TOUCHED / MIB);
        vmm.run(CONFORMANCE.bytes, &line)
    });
    within(BOOTS, "the guest's watch", || {
        text.extend(said.try_iter().flatten());
        text.windows(READY.len()).any(|part| part == READY)
    });
    follow(&handle, GIVEN);
    follow(&handle, 0);
    handle.end();
    machine.join().expect("no panic").expect("it ended when it was told to");
}
