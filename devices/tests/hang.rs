// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk whose back end never comes back, on KVM: its domain waits, and nobody else does (DEV-12, DEV-14).
#![cfg(target_arch = "x86_64")]

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tenon_devices::block::{Buffers, Control, Disk, Fault, Medium, Memory, Shape};
use tenon_guest_images::CONFORMANCE;
use tenon_host::device::Attached;
use tenon_host::kvm::{Error, Outcome, Vmm, VmmConfig};
use tenon_rings::Mapping;

/// As many queues as the guest's case fills, and as deep.
const QUEUES: u32 = 4;
const DEPTH: u32 = 128;
/// Requests at least that are under way at once: most of them.
const HUNDREDS: u64 = 300;

/// Memory whose reads hang until the test lets them go on.
struct Hanging {
    memory: Memory,
    hangs: Mutex<bool>,
    goes_on: Condvar,
}

impl Hanging {
    fn new() -> Arc<Self> {
        let memory = Memory::zeroed(1 << 20);
        Arc::new(Self { memory, hangs: Mutex::new(true), goes_on: Condvar::new() })
    }

    /// A disk over it.
    fn attached(self: &Arc<Self>) -> (Attached<Mapping>, Control) {
        attached(Disk::over(Arc::clone(self) as Arc<dyn Medium>, 1).unwrap())
    }

    fn go_on(&self) {
        *self.hangs.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.goes_on.notify_all();
    }
}

impl Medium for Hanging {
    fn shape(&self) -> Shape {
        self.memory.shape()
    }

    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault> {
        let hangs = self.hangs.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.goes_on.wait_while(hangs, |hangs| *hangs));
        self.memory.read(offset, into)
    }

    fn write(&self, offset: u64, from: &Buffers) -> Result<(), Fault> {
        self.memory.write(offset, from)
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a guest says on its serial port.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn get(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn attached(disk: Disk) -> (Attached<Mapping>, Control) {
    let (device, queues, control) = disk.with_queues(QUEUES, DEPTH).start().unwrap();
    (Attached::new(device, queues), control)
}

fn in_memory() -> (Attached<Mapping>, Control) {
    attached(Disk::in_memory(Memory::zeroed(1 << 20)).unwrap())
}

/// A machine with these disks, and what its guest says; `None`, and a line that says why, where KVM cannot be
/// used here.
fn machine(test: &str, devices: Vec<Attached<Mapping>>) -> Option<(Vmm, Text)> {
    let text = Text::default();
    let (serial, console) = (Box::new(text.clone()), Box::new(|_: &[u8]| Vec::new()));
    let limit = Duration::from_secs(300);
    let config = VmmConfig { vcpus: 2, devices, serial, console, limit, ..VmmConfig::default() };
    match Vmm::new(config) {
        Ok(vmm) => Some((vmm, text)),
        Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
            println!("skipped: {test}: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Waits for what must come, in naps: a computer that is late has as many.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{what}");
}

#[test]
fn a_back_end_that_hangs_holds_its_own_domain_alone_until_that_is_ended() {
    let test = "a_back_end_that_hangs_holds_its_own_domain_alone_until_that_is_ended";
    let medium = Hanging::new();
    let (hanging, its) = medium.attached();
    let (beside, other) = in_memory();
    let Some((vmm, text)) = machine(test, vec![hanging, beside]) else { return };
    let handle = vmm.handle();
    // All queues are full, and then each of many cases asks for a RESET.
    let line = "mode=native serial=burst seed=1 from=device.reset-in-flight";
    let run = thread::spawn(move || vmm.run(CONFORMANCE.bytes, line));
    until("RESET does not wait for hundreds of requests", || {
        let counts = its.counts();
        counts.in_flight >= HUNDREDS && counts.closing > 0
    });
    let waits = (its.counts().in_flight, its.counts().closing);
    // What is counted names the device: of the other one nothing waits.
    assert_eq!((other.counts().in_flight, other.counts().closing), (0, 0));

    // Another domain of the same process does all that it is asked for meanwhile.
    let (free, _control) = in_memory();
    let Some((vmm, said)) = machine(test, vec![free]) else { return };
    let outcome = vmm.run(CONFORMANCE.bytes, "mode=native serial=burst seed=1 filter=device.request-");
    assert_eq!(outcome.unwrap(), Outcome::Left(0), "{}", said.get());
    let said = said.get();
    let passed =
        said.lines().filter(|line| line.contains("verdict device.request-") && line.contains(" pass"));
    assert!(passed.count() >= 10 && !said.contains(" fail "), "{said}");

    // The RESET waits still, and the domain that waits answers its embedder.
    assert_eq!((its.counts().in_flight, its.counts().closing), waits);
    assert!(!run.is_finished(), "{}", text.get());
    assert!(handle.clock(tenon_abi::Clock::BOOT).is_some() && handle.memory_stats().is_some());
    assert!(!text.get().contains("verdict device.reset-in-flight pass"), "{}", text.get());

    // The embedder may end it, hanging as it is.
    handle.end();
    until("a domain with a disk that hangs does not end", || run.is_finished());
    assert_eq!(run.join().unwrap().unwrap(), Outcome::Ended);

    // The guest's memory is there for as long as the back end may write into it; then everything ends.
    drop(handle);
    assert_eq!(its.counts().in_flight, waits.0);
    medium.go_on();
    until("the disk's threads do not end", || Arc::strong_count(&medium) <= 2);
    assert_eq!(its.counts().in_flight, 0);
}

/// A guest that ends with hundreds of requests in flight at a disk that hangs, and how its machine ended once
/// the disk went on; `None`: the guest did not wait that long.
fn ends_late(test: &str, case: &str) -> Option<Result<Outcome, &'static str>> {
    let medium = Hanging::new();
    let (hanging, its) = medium.attached();
    let Some((vmm, _text)) = machine(test, vec![hanging]) else { return Some(Err("skipped")) };
    let line = format!("mode=native serial=burst seed=1 only={case}");
    let run = thread::spawn(move || vmm.run(CONFORMANCE.bytes, &line));
    until("the queues of a domain that ends are not closed", || {
        its.counts().closing > 0 || run.is_finished()
    });
    // An end that does not wait has these few moments to show itself.
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(1));
    }
    let (early, waits) = (run.is_finished(), its.counts().in_flight > 0);
    medium.go_on();
    until("a domain does not end when its disk goes on", || run.is_finished());
    match run.join().unwrap().unwrap() {
        Outcome::Left(_) => None,
        // Nothing was fetched yet: there was nothing to wait for.
        _ if early && !waits => None,
        outcome => {
            assert!(!early, "{case}: {outcome:?} while a back end has requests");
            Some(Ok(outcome))
        }
    }
}

#[test]
fn an_end_waits_for_hundreds_of_requests() {
    let test = "an_end_waits_for_hundreds_of_requests";
    for (case, end) in
        [("device.exit-in-flight", Outcome::Exit(27)), ("device.restart-in-flight", Outcome::Restart)]
    {
        // A busy computer may take longer than the guest looks.
        match (0..8).find_map(|_| ends_late(test, case)) {
            Some(Ok(outcome)) => assert_eq!(outcome, end, "{case}"),
            Some(Err(_)) => return,
            None => panic!("{case}: the guest never waited"),
        }
    }
}
