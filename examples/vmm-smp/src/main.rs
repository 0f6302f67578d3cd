// SPDX-License-Identifier: MIT OR Apache-2.0
//! A monitor of its own around Tenon's core: an exit loop with several vCPU threads, start, stop and restart,
//! console input, and a doorbell that is an eventfd.
//!
//! `vmm-smp IMAGE [WORD]...` boots a PVH image with these words as its command line. Standard output is its
//! first serial port; Tenon's console is standard input and standard error. The last line there says how the
//! guest ended (REP-8).
#![allow(unsafe_code, reason = "gives memory to KVM")]

use kvm_bindings::kvm_msi;
use kvm_ioctls::{IoEventAddress, Kvm, VcpuExit, VcpuFd, VmFd};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{error::Error, fs, thread, time::Duration};
use tenon_abi::ConduitFlags;
use tenon_boot::{Kind, Layout, cpuid::discovery, pvh};
use tenon_host::cpus::{CpuThread, Next};
use tenon_host::kvm::{BIND_PORT, CPUID_BASE, KICK_PORT, WINDOW_ADDRESS, cpuid, memory};
use tenon_host::kvm::{Control, CpuError, Entry, Fresh, Outcome, Runner, VmMemory};
use tenon_host::{Action, Conduit, Config, Domain, EventAction, LifecycleAction, VcpuAction};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

const CPUS: u32 = 3;
const RAM: u64 = 64 << 20;
const WINDOW: usize = 4 << 20;
const SERIAL: u16 = 0x3f8;
const SERIAL_STATUS: u16 = 0x3fd;
/// A 32-bit write here ends the machine, whatever Tenon says.
const EXIT: u16 = 0xf4;
/// The call queue of vCPU 0: KVM signals an eventfd when it is kicked, and the guest goes on.
const HOT: u32 = 0;
/// Submissions for one look at a queue.
const BUDGET: u32 = 256;
/// What follows this in one piece of output is sent back: `console=echo` (REP-5).
const ENQ: u8 = 5;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The machine that gets the console's input: another one after each restart.
static CURRENT: Mutex<Weak<Machine>> = Mutex::new(Weak::new());

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((path, line)) = words.split_first() else {
        eprintln!("usage: vmm-smp IMAGE [WORD]...");
        return ExitCode::from(2);
    };
    thread::spawn(read_console);
    let image = fs::read(path).map_err(|why| format!("{path}: {why}").into());
    match image.and_then(|image| run(&image, &line.join(" "))) {
        Ok(outcome) => {
            eprintln!("\n~END {outcome}");
            ExitCode::from(u8::from(outcome != Outcome::Exit(0)))
        }
        Err(why) => {
            eprintln!("vmm-smp: {why}");
            ExitCode::from(2)
        }
    }
}

/// Boots the image until it ends for good. A restart is a fresh machine (LIFE-3).
fn run(image: &[u8], line: &str) -> Result<Outcome> {
    loop {
        // Every domain draws its session seeds from another one.
        let (machine, vcpus, entry) = Machine::new(image, line, RandomState::new().hash_one(line))?;
        let machine = Arc::new(machine);
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&machine);
        machine.cpus.start(0, entry)?;
        let outcome = thread::scope(|threads| {
            for (index, (fd, fresh)) in (0..).zip(vcpus) {
                let machine = &machine;
                threads.spawn(move || {
                    let Some(mut seat) = machine.cpus.take(index) else { return };
                    let runner = Runner::new(fd, fresh, &mut seat);
                    live(machine, index, seat, runner)
                        .unwrap_or_else(|why| machine.fail(index, why.as_ref()));
                });
            }
            threads.spawn(|| {
                while machine.doorbell.read().is_ok() && !machine.cpus.is_ending() {
                    machine.serve(HOT);
                }
            });
            let outcome = machine.cpus.wait(Duration::MAX, Outcome::TimedOut);
            // Whoever waits for the doorbell looks whether the run has ended.
            let _ = machine.doorbell.write(1);
            outcome
        });
        if outcome != Outcome::Restart {
            return Ok(outcome);
        }
    }
}

/// A vCPU's thread: parked, running, parked, …, until the run ends.
fn live(
    machine: &Machine,
    index: u32,
    mut seat: CpuThread<Entry, Outcome>,
    mut runner: Runner,
) -> Result<()> {
    loop {
        match seat.next() {
            Next::Run(entry) => {
                runner.start(entry)?;
                while !seat.must_leave() {
                    machine.exit(runner.run()?)?;
                }
            }
            Next::Stopped => machine.with(|domain| domain.stopped(index)),
            Next::End => return Ok(()),
        }
    }
}

/// Gives what is typed to the guest, which takes as much as it has room for.
fn read_console() {
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = stdin().lock().read(&mut buffer) {
        let mut left = &buffer[..len];
        while !left.is_empty() {
            let machine = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            let taken = machine.map_or(0, |machine| machine.with(|domain| domain.input(left)));
            left = &left[taken..];
            thread::sleep(Duration::from_millis(if taken == 0 { 10 } else { 0 }));
        }
    }
}

/// One boot's machine. The domain's handle keeps the memory.
struct Machine {
    cpus: Control,
    domain: Mutex<Domain<VmMemory>>,
    doorbell: EventFd,
    vm: VmFd,
}

impl Machine {
    /// A machine with an image in its memory, its vCPUs, and where the first one starts.
    fn new(image: &[u8], line: &str, seed: u64) -> Result<(Self, Vec<(VcpuFd, Fresh)>, Entry)> {
        let layout = Layout::x86_64(RAM)?.with(Kind::Window, WINDOW_ADDRESS, WINDOW as u64)?;
        let plan = pvh::plan(image, line, &layout)?;
        let (kvm, ram) = (Kvm::new()?, memory::guest_memory(&layout)?);
        let (vm, window) = (kvm.create_vm()?, Arc::new(memory::mapping(WINDOW)?));
        vm.set_tss_address(0xfffb_d000).and_then(|()| vm.create_irq_chip())?;
        // SAFETY: both live as long as the domain, which the threads of all vCPUs borrow.
        unsafe { memory::give(&vm, &layout, &ram, Some(&window))? };
        for (address, bytes) in plan.writes() {
            ram.write_slice(bytes, GuestAddress(address))?;
        }

        let leaves = cpuid::supported(&kvm, &discovery(CPUID_BASE, &layout)?)?;
        let registers = kvm.get_msr_index_list()?;
        let mut vcpus = Vec::new();
        for index in 0..CPUS {
            let fd = vm.create_vcpu(index.into())?;
            cpuid::apply(&fd, index, CPUS, &leaves)?;
            let fresh = Fresh::of(&fd, registers.as_slice())?;
            vcpus.push((fd, fresh));
        }

        let mut config = Config::new(Conduit::port_io(KICK_PORT, BIND_PORT), CPUS, seed);
        // A kick of the hot queue returns before it is served (DISC-10).
        config.conduit.flags = ConduitFlags::empty();
        (config.window_len, config.max_start) = (WINDOW as u64, u32::MAX.into());
        let domain = Mutex::new(Domain::new(config, VmMemory::new(&ram, &window)?)?);
        let doorbell = EventFd::new(0)?;
        vm.register_ioevent(&doorbell, &IoEventAddress::Pio(KICK_PORT.into()), HOT)?;
        let entry = Entry { address: plan.entry(), argument: plan.argument() };
        Ok((Self { cpus: Control::new(CPUS), domain, doorbell, vm }, vcpus, entry))
    }

    /// Tells the domain something, and does what it asks for then.
    fn with<T>(&self, tell: impl FnOnce(&mut Domain<VmMemory>) -> T) -> T {
        let mut domain = self.domain.lock().unwrap_or_else(PoisonError::into_inner);
        let result = tell(&mut domain);
        while let Some(action) = domain.next_action() {
            self.act(&mut domain, action);
        }
        result
    }

    fn act(&self, domain: &mut Domain<VmMemory>, action: Action) {
        match action {
            Action::Vcpu(VcpuAction::Upcall { vcpu, vector })
            | Action::Event(EventAction::Raise { vcpu, vector, .. }) => {
                let address_lo = 0xfee0_0000 | vcpu << 12;
                let _ = self.vm.signal_msi(kvm_msi { address_lo, data: vector, ..Default::default() });
            }
            Action::Vcpu(VcpuAction::Start { vcpu, entry, argument }) => {
                let started = self.cpus.start(vcpu, Entry { address: entry, argument });
                started.unwrap_or_else(|why| self.fail(vcpu, &why));
            }
            // A vCPU that runs says on its own thread when it has stopped.
            Action::Vcpu(VcpuAction::Stop { vcpu }) if self.cpus.stop(vcpu) => {}
            Action::Vcpu(VcpuAction::Stop { vcpu }) => domain.stopped(vcpu),
            Action::Console(_) => {
                let output = domain.take_output();
                let _ = stderr().write_all(&output);
                let echo = output.iter().position(|&byte| byte == ENQ).map(|at| &output[at + 1..]);
                domain.input(echo.unwrap_or_default());
            }
            Action::Lifecycle(LifecycleAction::Crash(record)) => eprintln!("\n~CRASH {record}"),
            Action::Lifecycle(LifecycleAction::Exit { code }) => self.cpus.end(Outcome::Exit(code)),
            Action::Lifecycle(LifecycleAction::Restart) => self.cpus.end(Outcome::Restart),
            // An MSI names its vCPU and its vector each time: there is nothing to route ahead.
            Action::Vcpu(VcpuAction::Route { .. }) | Action::Session(_) => {}
            Action::Event(EventAction::Route { .. } | EventAction::Unroute { .. }) => {}
            other => self.fail(0, &format!("an action that is not known here: {other:?}")),
        }
    }

    /// Ends the run.
    fn fail(&self, vcpu: u32, why: &(impl ToString + ?Sized)) {
        self.cpus.end(Outcome::Failed { vcpu: Some(vcpu), why: CpuError::Run(why.to_string()) });
    }

    /// Serves a queue until it is empty or the run ends. Others have their turn after each budget (CALL-19).
    fn serve(&self, queue: u32) {
        while self.with(|domain| domain.serve(queue, BUDGET).again) && !self.cpus.is_ending() {}
    }

    /// Handles an exit, on its vCPU's thread. Nothing is at other ports, and the window takes no store
    /// (DISC-5).
    fn exit(&self, exit: VcpuExit<'_>) -> Result<()> {
        match exit {
            VcpuExit::IoOut(KICK_PORT, data) => words(data).for_each(|queue| self.serve(queue)),
            VcpuExit::IoOut(BIND_PORT, data) => {
                words(data).for_each(|frame| self.with(|it| it.control(frame)))
            }
            VcpuExit::IoOut(SERIAL, data) => stdout().write_all(data).and_then(|()| stdout().flush())?,
            VcpuExit::IoOut(EXIT, data) => words(data).for_each(|code| self.cpus.end(Outcome::Left(code))),
            VcpuExit::IoIn(SERIAL_STATUS, data) => data.fill(0x60),
            VcpuExit::IoIn(_, data) | VcpuExit::MmioRead(_, data) => data.fill(0xff),
            VcpuExit::IoOut(..) | VcpuExit::MmioWrite(..) | VcpuExit::Intr => {}
            other => return Err(format!("it cannot go on: {other:?}").into()),
        }
        Ok(())
    }
}

/// Words that a guest wrote, also with a string instruction: no other width is a doorbell (DISC-7).
fn words(data: &[u8]) -> impl Iterator<Item = u32> + '_ {
    data.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word))
}
