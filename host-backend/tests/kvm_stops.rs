// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts and stops of vCPUs in any order, and the end of a run while some are pending (VCPU-5, VCPU-6).
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kvm_tools::{HALT, Lateness, Random, SPIN, START, Text, check_in_time, image, until, usable, vmm};
use tenon_guest_images::CONFORMANCE;
use tenon_host::kvm::{Config, Control, Entry, Error, Exits, Flow, Machine, Outcome, VmmConfig};

const LIMIT: Duration = Duration::from_secs(20);
const ENTRY: Entry = Entry { address: START as u64, argument: 0 };

/// A guest that starts, stops and exits at random. Some boots are cut off at their limit, wherever they are.
/// `TENON_SEED` (hex) repeats a run.
#[test]
fn no_stop_is_lost_in_46_boots() {
    let name = "no_stop_is_lost_in_46_boots";
    let (seed, lateness) = (kvm_tools::seed(), Lateness::watch());
    println!("TENON_SEED={seed:x}");
    let mut random = Random(seed);
    let mut ends = [0; 3];
    for boot in 0..46 {
        let (cut_off, exits, native) = (random.below(3) == 0, random.below(2) == 0, random.below(2) == 0);
        let limit = if cut_off { Duration::from_millis(40 + random.below(200)) } else { LIMIT };
        let mut line = format!("serial=burst seed={:x} only=vcpu.stop-random", random.word());
        if exits {
            line += " exit=77";
        }
        if native {
            line += " mode=native";
        }
        let (text, console) = (Text::default(), Box::new(|_: &[u8]| Vec::new()));
        let serial = Box::new(text.clone());
        let config = VmmConfig { vcpus: 3, limit, serial, console, ..VmmConfig::default() };
        let Some(vmm) = vmm(name, config) else { return };
        lateness.worst();
        let start = Instant::now();
        let outcome = vmm.run(CONFORMANCE.bytes, &line).unwrap();
        check_in_time(&format!("boot {boot} ({line})"), start, limit, &lateness);
        let text = text.get();
        let end = match outcome {
            Outcome::TimedOut if cut_off => 0,
            Outcome::Exit(77) if exits => 1,
            Outcome::Left(0) if !exits && text.contains("verdict vcpu.stop-random pass") => 2,
            other => panic!("boot {boot} ({line}): {other:?}\n{text}"),
        };
        assert!(!text.contains("verdict vcpu.stop-random fail"), "boot {boot} ({line})\n{text}");
        ends[end] += 1;
    }
    println!("cut off, exited, came to the end: {ends:?}");
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

/// The embedder's side of a machine: counts what it is told, and holds a vCPU in an exit when it is asked to.
#[derive(Default)]
struct Counts {
    parked: [AtomicU32; 4],
    held: AtomicU32,
    hold: AtomicBool,
}

impl Exits for Counts {
    fn pio_out(&self, _: u32, _: u16, _: &[u8]) -> Flow {
        self.held.fetch_add(1, Ordering::SeqCst);
        while self.hold.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, _: u64, _: &[u8]) -> Flow {
        Flow::Continue
    }

    fn parked(&self, vcpu: u32) {
        self.parked[vcpu as usize].fetch_add(1, Ordering::SeqCst);
    }
}

fn machine(test: &str, cpus: u32, code: &[u8]) -> Option<Machine> {
    let machine = usable(test, Machine::new(&Config { cpus, ..Config::default() }))?;
    machine.load(&image(code), "").unwrap();
    Some(machine)
}

/// Steers a machine from another thread while it runs.
fn steered(
    machine: Machine,
    exits: &Arc<Counts>,
    limit: Duration,
    steer: impl FnOnce(&Control) + Send + 'static,
) -> (Result<Outcome, Error>, Instant) {
    let control = machine.control();
    let steering = thread::spawn(move || steer(&control));
    let exits = Arc::clone(exits);
    let result = machine.run(exits, Box::new(std::io::sink()), limit);
    let end = Instant::now();
    steering.join().unwrap();
    (result, end)
}

/// `control.start` and `control.stop` right after it, or later: each stop is reported once.
#[test]
fn every_stop_is_reported_whenever_it_comes() {
    for code in [SPIN, HALT] {
        let Some(machine) = machine("every_stop_is_reported_whenever_it_comes", 4, code) else { return };
        let counts = Arc::new(Counts::default());
        let seen = Arc::clone(&counts);
        let (result, _) = steered(machine, &counts, LIMIT, move |control| {
            for round in 0..100_u32 {
                for vcpu in 1..4 {
                    control.start(vcpu, ENTRY).unwrap();
                    if round % 4 == vcpu {
                        thread::sleep(Duration::from_micros(200));
                    }
                    assert!(control.stop(vcpu), "a vCPU that starts is stopped");
                }
                until("a stop was not reported", || {
                    (1..4).all(|vcpu| seen.parked[vcpu].load(Ordering::SeqCst) == round + 1)
                });
                assert!((1..4).all(|vcpu| control.is_parked(vcpu) && !control.stop(vcpu)));
            }
            control.end(Outcome::Ended);
        });
        assert_eq!(result.unwrap(), Outcome::Ended);
        assert_eq!(counts.parked[1].load(Ordering::SeqCst), 100, "and once");
    }
}

/// mov dx, 0x510; out dx, eax; jmp to the out.
const CALLS: &[u8] = &[0x66, 0xba, 0x10, 0x05, 0xef, 0xeb, 0xfd];

/// All vCPUs are held in an exit of theirs, and three of them have a stop that is pending.
fn hold(counts: &Counts, control: &Control) {
    for vcpu in 1..4 {
        control.start(vcpu, ENTRY).unwrap();
    }
    until("a vCPU does not run", || counts.held.load(Ordering::SeqCst) >= 4);
    for vcpu in 1..4 {
        assert!(control.stop(vcpu));
    }
}

/// A vCPU that is slow to leave is reported when it has left.
#[test]
fn a_vcpu_that_leaves_late_is_still_reported() {
    let name = "a_vcpu_that_leaves_late_is_still_reported";
    let Some(machine) = machine(name, 4, CALLS) else { return };
    let counts = Arc::new(Counts { hold: AtomicBool::new(true), ..Counts::default() });
    let seen = Arc::clone(&counts);
    let (result, _) = steered(machine, &counts, LIMIT, move |control| {
        hold(&seen, control);
        thread::sleep(Duration::from_millis(800));
        assert!((1..4).all(|vcpu| seen.parked[vcpu].load(Ordering::SeqCst) == 0));
        seen.hold.store(false, Ordering::SeqCst);
        until("a late stop was not reported", || {
            (1..4).all(|vcpu| seen.parked[vcpu].load(Ordering::SeqCst) == 1)
        });
        control.end(Outcome::Ended);
    });
    assert_eq!(result.unwrap(), Outcome::Ended);
}

/// Stops that are pending do not hold the end of the run, neither one nor one after the other.
#[test]
fn pending_stops_do_not_hold_the_end() {
    let Some(machine) = machine("pending_stops_do_not_hold_the_end", 4, CALLS) else { return };
    let counts = Arc::new(Counts { hold: AtomicBool::new(true), ..Counts::default() });
    let (seen, lateness) = (Arc::clone(&counts), Lateness::watch());
    let start = Instant::now();
    let limit = Duration::from_millis(600);
    let (result, end) = steered(machine, &counts, limit, move |control| hold(&seen, control));
    // They are left behind, and said to be.
    assert!(matches!(result, Err(Error::Stuck(0..4))), "{result:?}");
    kvm_tools::check_took("pending stops", end - start, limit, &lateness);
    counts.hold.store(false, Ordering::SeqCst);
}

#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
