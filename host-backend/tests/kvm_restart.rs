// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a vCPU finds that is started again, as its guest sees it (VCPU-5).
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kvm_tools::{START, image, until, usable};
use tenon_host::kvm::{Config, Control, Entry, Exits, Flow, Machine, Outcome};

const LIMIT: Duration = Duration::from_secs(20);

/// EBX 1: changes what a kernel changes, and parks. EBX 3: changes it and reports. Else: reports. 32-bit
/// instructions.
fn code() -> Vec<u8> {
    // cmp ebx, 1; je +5; cmp ebx, 3; jne to the report
    let change: [&[u8]; 8] = [
        b"\xb9\x76\x01\x00\x00\xb8\x34\x12\x00\x00\x31\xd2\x0f\x30", // SYSENTER_EIP = 0x1234
        b"\xb9\x02\x01\x00\xc0\xb8\x78\x56\x00\x00\x0f\x30",         // KERNEL_GS_BASE = 0x5678
        b"\xc7\x05\xf0\x00\xe0\xfe\xff\x01\x00\x00",                 // local APIC: on
        b"\xc7\x05\x80\x00\xe0\xfe\x20\x00\x00\x00",                 // its task priority
        b"\xc7\x05\x20\x03\xe0\xfe\x40\x00\x01\x00",                 // its timer's vector
        b"\xb8\x00\x60\x00\x00\x0f\x22\xd0",                         // CR2 = 0x6000
        b"\x83\xfb\x03\x74\x05",                                     // cmp ebx, 3; je over the next
        PARK,
    ];
    let change = change.concat();
    let mut report = Vec::new();
    for read in [
        &b"\xb9\x76\x01\x00\x00\x0f\x32"[..],
        b"\xb9\x02\x01\x00\xc0\x0f\x32",
        b"\xa1\xf0\x00\xe0\xfe",
        b"\xa1\x80\x00\xe0\xfe",
        b"\xa1\x20\x03\xe0\xfe",
        b"\x0f\x20\xd0",
        b"\x89\xd8", // EBX
    ] {
        report.extend(read);
        report.extend(b"\x66\xba\x14\x05\xef"); // mov dx, 0x514; out dx, eax
    }
    let head = b"\x83\xfb\x01\x74\x09\x83\xfb\x03\x0f\x85";
    let skip = (change.len() as u32).to_le_bytes();
    [&head[..], &skip, &change, &report, PARK, b"\xf4\xeb\xfd"].concat()
}

/// mov dx, 0x510; out dx, eax
const PARK: &[u8] = b"\x66\xba\x10\x05\xef";

/// Words that each vCPU has reported.
#[derive(Default)]
struct Reports([Mutex<Vec<u32>>; 4]);

impl Exits for Reports {
    fn pio_out(&self, vcpu: u32, port: u16, data: &[u8]) -> Flow {
        if port == 0x510 {
            return Flow::Stop;
        }
        let word = u32::from_le_bytes(data.try_into().unwrap());
        self.0[vcpu as usize].lock().unwrap().push(word);
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, _: u64, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

fn run_once(control: &Control, vcpu: u32, argument: u64) {
    control.start(vcpu, Entry { address: START.into(), argument }).unwrap();
    until("a vCPU does not park", || control.is_parked(vcpu));
}

#[test]
fn a_restarted_vcpu_finds_what_a_fresh_one_finds() {
    let config = Config { cpus: 4, ..Config::default() };
    let Some(machine) = usable("a_restarted_vcpu_finds_what_a_fresh_one_finds", Machine::new(&config)) else {
        return;
    };
    machine.load(&image(&code()), "").unwrap();
    let (control, reports) = (machine.control(), Arc::new(Reports::default()));
    let steering = thread::spawn(move || {
        // Changed and started again; changed, to see that there is something to see; fresh.
        run_once(&control, 1, 1);
        run_once(&control, 1, 2);
        run_once(&control, 2, 3);
        run_once(&control, 3, 2);
        control.end(Outcome::Ended);
    });
    let exits = Arc::clone(&reports);
    let outcome = machine.run(exits, Box::new(std::io::sink()), LIMIT).unwrap();
    steering.join().unwrap();
    assert_eq!(outcome, Outcome::Ended);
    let [_, restarted, changed, fresh] = &reports.0;
    let (restarted, changed, fresh) =
        (restarted.lock().unwrap(), changed.lock().unwrap(), fresh.lock().unwrap());
    assert_eq!(fresh.len(), 7);
    for (index, (changed, fresh)) in changed.iter().zip(&*fresh).enumerate() {
        assert_ne!(changed, fresh, "word {index} is not changed at all");
    }
    assert_eq!(*restarted, *fresh, "a vCPU that is started again, and a fresh one");
}

#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
