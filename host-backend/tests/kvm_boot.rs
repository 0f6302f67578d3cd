// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine boots the images, and the images' run time keeps its promises, at both privilege levels.
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kvm_tools::Text;
use tenon_guest_images::{BARE, SELFTEST};
use tenon_host::Memory as _;
use tenon_host::kvm::{
    Config, Control, CpuError, Entry, Error, Exits, Flow, Line, Machine, Msi, NoExits, Outcome, VmMemory,
    WindowConfig,
};

const LIMIT: Duration = Duration::from_secs(20);
const WINDOW: WindowConfig = WindowConfig { address: 0xd000_0000, size: 2 << 20 };
const LEVELS: [(&str, &str); 2] = [("", "CPL0"), ("mode=native", "CPL3")];

/// A machine, or `None` (and a line that says why) where KVM cannot be used here.
fn machine(test: &str, config: &Config) -> Option<Machine> {
    match Machine::new(config) {
        Ok(machine) => Some(machine),
        Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
            println!("skipped: {test}: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn run(test: &str, image: &[u8], command_line: &str) -> Option<(Outcome, String)> {
    let machine = machine(test, &Config::default())?;
    machine.load(image, command_line).unwrap();
    let text = Text::default();
    let outcome = machine.run(Arc::new(NoExits), Box::new(text.clone()), LIMIT).unwrap();
    Some((outcome, text.get()))
}

#[test]
fn hello_boots_at_both_levels() {
    for (mode, level) in LEVELS {
        for serial in ["", "serial=burst"] {
            let Some(ended) = run("hello_boots_at_both_levels", BARE.bytes, &format!("{serial} {mode}"))
            else {
                return;
            };
            assert_eq!(ended, (Outcome::Left(0), format!("hello from {level}\n")));
        }
    }
}

#[test]
fn unexpected_faults_and_panics_are_reported() {
    let name = "unexpected_faults_and_panics_are_reported";
    for (mode, _) in LEVELS {
        let Some((outcome, text)) = run(name, SELFTEST.bytes, &format!("test=fault {mode}")) else { return };
        assert_eq!(outcome, Outcome::Left(3));
        assert!(text.starts_with("fault vector=0xd error=0x0 rip=0x10"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let Some((outcome, text)) = run(name, SELFTEST.bytes, &format!("test=panic {mode}")) else { return };
        assert_eq!(outcome, Outcome::Left(4));
        assert!(text.starts_with("panic: ") && text.contains("on request"), "{text}");
    }
}

/// The machine's side of the image `selftest`.
struct Tester {
    control: Control,
    lines: Arc<[Line; 2]>,
    argument: AtomicU32,
    window_writes: AtomicU64,
    enough: Arc<AtomicBool>,
}

impl Tester {
    fn second(&self) -> Entry {
        Entry { address: self.argument.load(Ordering::SeqCst).into(), argument: 1 }
    }
}

impl Exits for Tester {
    fn pio_out(&self, vcpu: u32, port: u16, data: &[u8]) -> Flow {
        let value = u32::from_le_bytes(data.try_into().unwrap());
        match (port, value) {
            (0x514, argument) => self.argument.store(argument, Ordering::SeqCst),
            (0x510, 1) => self.lines[0].raise(),
            (0x510, 2) => self.lines[1].raise(),
            (0x510, 3) => {
                let lines = Arc::clone(&self.lines);
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    lines[0].raise();
                });
            }
            (0x510, 4) => {
                let (lines, enough) = (Arc::clone(&self.lines), Arc::clone(&self.enough));
                thread::spawn(move || {
                    while !enough.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_micros(150));
                        lines[0].raise();
                    }
                });
            }
            (0x510, 5) => {
                while self.control.start(1, self.second()).is_err() {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            (0x510, 6) => {
                assert_eq!(vcpu, 1);
                return Flow::Stop;
            }
            (0x510, 7) => self.enough.store(true, Ordering::SeqCst),
            other => panic!("port and value {other:x?}"),
        }
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, address: u64, data: &[u8]) -> Flow {
        assert_eq!((address, data.len()), (WINDOW.address, 4));
        self.window_writes.fetch_add(1, Ordering::SeqCst);
        Flow::Continue
    }
}

#[test]
fn the_run_time_keeps_its_promises_at_both_levels() {
    for (mode, _) in LEVELS {
        let config = Config { cpus: 2, window: Some(WINDOW), ..Config::default() };
        let Some(machine) = machine("the_run_time_keeps_its_promises_at_both_levels", &config) else {
            return;
        };
        let lines = Arc::new([machine.interrupts().line().unwrap(), machine.interrupts().line().unwrap()]);
        for (cpu, line) in (0..).zip(&*lines) {
            machine.interrupts().route(line, Some(Msi { cpu, vector: 0x30 + cpu })).unwrap();
        }
        let tester = Arc::new(Tester {
            control: machine.control(),
            lines,
            argument: AtomicU32::new(0),
            window_writes: AtomicU64::new(0),
            enough: Arc::default(),
        });
        let command_line = format!("serial=burst window={:#x} {mode}", WINDOW.address);
        machine.load(SELFTEST.bytes, &command_line).unwrap();
        let text = Text::default();
        let start = Instant::now();
        let outcome =
            machine.run(Arc::clone(&tester) as Arc<dyn Exits>, Box::new(text.clone()), LIMIT).unwrap();
        tester.enough.store(true, Ordering::SeqCst);
        let text = text.get();
        assert_eq!(outcome, Outcome::Left(0), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{text}");
        assert_eq!(tester.window_writes.load(Ordering::SeqCst), 1);
        println!("{mode:>12}: {:?}", start.elapsed());
    }
}

#[test]
fn a_guest_that_does_not_end_is_ended() {
    for (mode, _) in LEVELS {
        for what in ["spin", "sleep"] {
            let Some(machine) =
                machine("a_guest_that_does_not_end_is_ended", &Config { cpus: 2, ..Config::default() })
            else {
                return;
            };
            machine.load(SELFTEST.bytes, &format!("test={what} {mode}")).unwrap();
            let start = Instant::now();
            let outcome = machine
                .run(Arc::new(NoExits), Box::new(Text::default()), Duration::from_millis(100))
                .unwrap();
            assert_eq!(outcome, Outcome::TimedOut);
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        }
    }
}

#[test]
fn a_vcpu_is_stopped_from_outside_and_the_machine_ended() {
    let Some(machine) = machine("a_vcpu_is_stopped_from_outside_and_the_machine_ended", &Config::default())
    else {
        return;
    };
    machine.load(SELFTEST.bytes, "test=spin").unwrap();
    let control = machine.control();
    let steering = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        assert!(!control.is_parked(0));
        assert!(control.start(0, Entry { address: 0, argument: 0 }).is_err());
        control.stop(0);
        let start = Instant::now();
        while !control.is_parked(0) {
            assert!(start.elapsed() < Duration::from_secs(2));
            thread::sleep(Duration::from_millis(1));
        }
        control.end(Outcome::Ended);
    });
    let outcome = machine.run(Arc::new(NoExits), Box::new(Text::default()), LIMIT).unwrap();
    steering.join().unwrap();
    assert_eq!(outcome, Outcome::Ended);
}

#[test]
fn what_cannot_boot_is_named() {
    let Some(machine) = machine("what_cannot_boot_is_named", &Config::default()) else { return };
    for bad in [&b""[..], b"not an image", &BARE.bytes[..100], &BARE.bytes[..0x200]] {
        let why = machine.load(bad, "").unwrap_err();
        assert!(matches!(why, Error::BadImage(_)), "{why}");
    }
    // An entry outside memory: no code there, no handler for the fault.
    machine.control().start(0, Entry { address: 0xc800_0000, argument: 0 }).unwrap();
    let outcome = machine.run(Arc::new(NoExits), Box::new(Text::default()), LIMIT).unwrap();
    let Outcome::Failed { vcpu: Some(0), why } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(why, CpuError::Shutdown { .. } | CpuError::Internal { .. }), "{why}");
}

/// Memory lies on both sides of the hole below 4 GiB, and region 0 has all of it (REG-1).
#[test]
fn more_memory_than_lies_below_the_hole() {
    const GIB: u64 = 1 << 30;
    let config = Config { memory: 6 << 30, window: Some(WINDOW), ..Config::default() };
    let Some(machine) = machine("more_memory_than_lies_below_the_hole", &config) else { return };
    let memory = VmMemory::new(machine.memory(), machine.window().unwrap()).unwrap();
    assert_eq!(memory.region_len(0), Some(7 * GIB));
    for (offset, is_there) in
        [(3 * GIB - 4, true), (3 * GIB - 3, false), (4 * GIB, true), (7 * GIB - 4, true)]
    {
        assert_eq!(memory.write(0, offset, b"here"), is_there, "{offset:#x}");
    }
    machine.load(BARE.bytes, "").unwrap();
    let outcome = machine.run(Arc::new(NoExits), Box::new(Text::default()), LIMIT).unwrap();
    assert_eq!(outcome, Outcome::Left(0));
}

#[test]
fn contradictory_machines_are_refused() {
    let bad = [
        Config { cpus: 0, ..Config::default() },
        Config { memory: 12345, ..Config::default() },
        Config { memory: 64 << 30, ..Config::default() },
        Config { window: Some(WindowConfig { address: 0x10_0000, size: 2 << 20 }), ..Config::default() },
    ];
    for config in bad {
        match Machine::new(&config).map(|_| ()) {
            Err(Error::BadConfig(_)) => {}
            Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
                println!("skipped: contradictory_machines_are_refused: {why}");
            }
            other => panic!("{other:?}"),
        }
    }
}
